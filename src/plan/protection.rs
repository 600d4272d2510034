//! Names that are never deleted, whatever the input says.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::PlanError;
use crate::vocabulary::DatasourceName;

/// The patterns of protected names.
#[derive(Debug, Clone)]
pub struct Protection {
    patterns: Vec<String>,
    globs: GlobSet,
}

impl Protection {
    /// Takes `patterns` as globs: `*` stands for any characters, `?` for one, `[ab]` for a choice,
    /// `{a,b}` for alternatives. Case counts.
    ///
    /// # Errors
    /// Where a pattern is no glob, or is empty.
    pub fn new(patterns: &[String]) -> Result<Self, PlanError> {
        let refused = |pattern: &str, why: String| PlanError::Pattern { pattern: pattern.to_owned(), why };
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns {
            if pattern.is_empty() {
                return Err(refused(pattern, "it is empty and would protect nothing".to_owned()));
            }
            let glob =
                GlobBuilder::new(pattern).build().map_err(|e| refused(pattern, e.kind().to_string()))?;
            globs.add(glob);
        }
        let globs = globs.build().map_err(|e| refused(&patterns.join(" "), e.to_string()))?;
        Ok(Self { patterns: patterns.to_vec(), globs })
    }

    /// The pattern that protects `name`, where one does.
    #[must_use]
    pub fn of(&self, name: &DatasourceName) -> Option<&str> {
        let first = self.globs.matches(name.as_str()).into_iter().min()?;
        self.patterns.get(first).map(String::as_str)
    }
}
