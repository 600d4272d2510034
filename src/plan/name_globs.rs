//! Globs that select names exactly as they are written. What protects names is [`Protection`](super::Protection).

use glob::Pattern;

use super::{PlanError, glob as globs};

/// Globs of which one has to match.
#[derive(Debug, Clone, Default)]
pub struct NameGlobs(Vec<Pattern>);

impl NameGlobs {
    /// # Errors
    /// If one of them is not a glob.
    pub fn new(globs: &[String]) -> Result<Self, PlanError> {
        globs::compile_all(globs, |glob, why| PlanError::Glob { glob: glob.to_owned(), why }).map(Self)
    }

    /// Returns true if one of the globs matches `name`, or if there is none.
    #[must_use]
    pub fn select(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(name))
    }
}
