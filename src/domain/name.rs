//! The name of a datasource or of a datamart, exactly as it was written, and which texts cannot be one.

use std::fmt;
use std::sync::Arc;

/// The longest name that is accepted, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 1024;

/// The name of a datasource, or of a datamart.
///
/// The API matches names exactly (case, spaces, Unicode form), so a name is checked and then never
/// altered: not trimmed, not normalised. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasourceName(Arc<str>);

impl DatasourceName {
    /// Accepts `text` as a name, unaltered.
    ///
    /// # Errors
    /// If `text` is empty, longer than [`MAX_NAME_BYTES`], or holds a control character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if let Some((at, found)) = text.chars().enumerate().find(|(_, c)| c.is_control()) {
            return Err(NameError::Control { found, position: at + 1 });
        }
        Ok(Self(Arc::from(text)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if the name begins or ends with white space, which is valid but mostly a mistake.
    #[must_use]
    pub fn has_outer_space(&self) -> bool {
        self.0.trim().len() != self.0.len()
    }
}

impl fmt::Display for DatasourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DatasourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why a text cannot be the name of a datasource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name is empty")]
    Empty,
    #[error("the name is {bytes} bytes long; the longest accepted is {MAX_NAME_BYTES}")]
    TooLong {
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// A control character (Unicode category Cc), such as NUL, tab or a line break.
    #[error("the name holds the control character U+{:04X} at character {position}", u32::from(*.found))]
    Control {
        found: char,
        /// Its position in characters, from 1.
        position: usize,
    },
}
