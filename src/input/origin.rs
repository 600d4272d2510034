//! What an input is read from: a file or standard input.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use super::InputError;

/// What the names are read from.
///
/// Made from an argument: `-` is standard input, anything else a path (`./-` is a file named `-`). Displayed
/// as the label that messages and the audit log carry: the path as it was given, or `standard input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, or anything else with a path that can be read once from beginning to end.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// Returns true if another program may write it just now, and end in the middle of a name.
    #[must_use]
    pub fn is_piped(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(path) => fs::metadata(path).is_ok_and(|found| !found.is_file()),
        }
    }

    /// Opens it for reading.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>, InputError> {
        match self {
            Self::Stdin => Ok(Box::new(UntilEnd { inner: io::stdin(), has_ended: false })),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| self.refusal(error))?;
                // A directory opens without complaint and fails only when it is read.
                if file.metadata().is_ok_and(|about| about.is_dir()) {
                    return Err(InputError::Directory { input: self.to_string() });
                }
                Ok(Box::new(file))
            }
        }
    }

    /// What it means that opening failed with `error`.
    pub(super) fn refusal(&self, error: io::Error) -> InputError {
        let input = self.to_string();
        match error.kind() {
            io::ErrorKind::NotFound => InputError::NotFound { input },
            io::ErrorKind::IsADirectory => InputError::Directory { input },
            _ => InputError::Unreadable { input, source: error },
        }
    }
}

/// Reads up to the first end. A terminal may be read past it, and would ask for a second Ctrl-D.
struct UntilEnd<R> {
    inner: R,
    has_ended: bool,
}

impl<R: Read> Read for UntilEnd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_ended {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        self.has_ended = read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl From<OsString> for Input {
    fn from(argument: OsString) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(PathBuf::from(argument)) }
    }
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(argument: &str) -> Result<Self, Infallible> {
        Ok(Self::from(OsString::from(argument)))
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}
