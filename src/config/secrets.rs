//! Secrets from the environment or a file, never from a flag's value: the service token, and the address of a
//! webhook. An empty variable or file counts as not set.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{ConfigError, Environment, WatchSettings};
use crate::domain::{Token, Webhook, read_file_or_pipe};

/// A secret is far shorter; a file that is longer holds none.
const LONGEST_FILE: u64 = 64 * 1024;

/// Others may read or write it, or its group may write it. Kubernetes lets the group read secrets (`fsGroup`).
const TOO_OPEN: u32 = 0o026;

/// Finds the token as [`locate_token`] does.
///
/// # Errors
/// If there is none, or it is malformed. The error never shows it.
pub fn find_token(flag: Option<&Path>, environment: &Environment) -> Result<Token, ConfigError> {
    locate_token(flag, environment).map(|(token, _)| token)
}

/// Finds the token, and the place that it is from: the file of the flag, else `DATABRAIN_TOKEN`, else the file that `DATABRAIN_TOKEN_FILE` names.
/// One line break at the end is not part of it.
///
/// # Errors
/// If there is none, or it is malformed. The error never shows it.
pub fn locate_token(flag: Option<&Path>, environment: &Environment) -> Result<(Token, String), ConfigError> {
    let variable = environment.get("DATABRAIN_TOKEN")?;
    let named = environment.get("DATABRAIN_TOKEN_FILE")?.map(Path::new);
    let mut missing = ConfigError::NoToken;
    for (path, text) in [(flag, None), (None, variable), (named, None)] {
        let (place, text) = match (path, text) {
            (Some(path), _) => {
                let unreadable = |source| ConfigError::TokenFile { path: path.to_owned(), source };
                warn_if_open(path);
                (path.display().to_string(), read(path).map_err(unreadable)?)
            }
            (None, Some(text)) => ("DATABRAIN_TOKEN".to_owned(), text.to_owned()),
            (None, None) => continue,
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match Token::new(text) {
            Ok(token) => return Ok((token, place)),
            Err(source) if text.trim().is_empty() => missing = ConfigError::Token { place, source },
            Err(source) => return Err(ConfigError::Token { place, source }),
        }
    }
    Err(missing)
}

/// The webhook that gets a notice of how a run ended, if there is one: of the settings, or in the file that they
/// name. White space at the end of the file is not part of it.
///
/// # Errors
/// If the file cannot be read or holds no address, or if there are two. The error never shows it.
pub fn find_webhook(settings: &WatchSettings, allow_http: bool) -> Result<Option<Webhook>, ConfigError> {
    let Some(path) = &settings.notify_url_file else { return Ok(settings.notify_url.clone()) };
    let text = read(path).map_err(|source| ConfigError::WebhookFile { path: path.clone(), source })?;
    match (text.trim_ascii_end(), &settings.notify_url) {
        ("", Some(webhook)) => Ok(Some(webhook.clone())),
        (_, Some(_)) => Err(ConfigError::TwoWebhooks),
        (text, None) => Webhook::new(text, allow_http)
            .map(Some)
            .map_err(|source| ConfigError::Webhook { place: path.display().to_string(), source }),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_file_or_pipe(path, LONGEST_FILE)?);
    text.map_err(|_| io::Error::other("it is not text"))
}

fn warn_if_open(path: &Path) {
    let is_open = |about: &fs::Metadata| about.is_file() && about.permissions().mode() & TOO_OPEN != 0;
    if fs::metadata(path).is_ok_and(|about| is_open(&about)) {
        let path = path.display();
        tracing::warn!(
            "{path}: other users can read or change this file, which holds the service token; use chmod 600 {path}"
        );
    }
}
