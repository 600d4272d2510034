//! Where the service token comes from: the environment or a file, never a flag's value or the
//! configuration.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ConfigError, Environment};
use crate::domain::Token;

/// A token is far shorter; a file that is longer is not one.
const LONGEST_FILE: u64 = 64 * 1024;

/// Finds the token: the file of the flag, else `DATABRAIN_TOKEN`, else the file that
/// `DATABRAIN_TOKEN_FILE` names. One line break at the end of a file is not part of it.
///
/// # Errors
/// Where there is none, or it cannot be one. The error never shows it.
pub fn find_token(flag: Option<&Path>, environment: &Environment) -> Result<Token, ConfigError> {
    if let Some(path) = flag {
        return from_file(path);
    }
    if let Some(text) = environment.get("DATABRAIN_TOKEN")? {
        let place = "DATABRAIN_TOKEN".to_owned();
        return Token::new(text).map_err(|source| ConfigError::Token { place, source });
    }
    match environment.get("DATABRAIN_TOKEN_FILE")?.filter(|path| !path.is_empty()) {
        Some(path) => from_file(&PathBuf::from(path)),
        None => Err(ConfigError::NoToken),
    }
}

fn from_file(path: &Path) -> Result<Token, ConfigError> {
    let unreadable = |source| ConfigError::TokenFile { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > LONGEST_FILE {
        return Err(unreadable(std::io::Error::other("the file is too long to be a token")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Token::new(text).map_err(|source| ConfigError::Token { place: path.display().to_string(), source })
}
