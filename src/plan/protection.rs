//! Names that are never deleted, whatever the input says.

use glob::Pattern;

use super::{PlanError, glob as globs};
use crate::domain::DatasourceName;

/// The patterns of protected names.
#[derive(Debug, Clone)]
pub struct Protection {
    /// Each as it was given, and as it is matched.
    patterns: Vec<(String, Vec<Pattern>)>,
}

impl Protection {
    /// Takes `patterns` as globs: `*` stands for any characters, `?` for one, `[ab]` for a choice,
    /// `{a,b}` for alternatives. Case counts, and so does every character: a name is no path.
    ///
    /// # Errors
    /// Where a pattern is no glob, or could protect nothing.
    pub fn new(patterns: &[String]) -> Result<Self, PlanError> {
        let compiled = patterns.iter().map(|pattern| match globs::compile(pattern) {
            Ok(plain) => Ok((pattern.clone(), plain)),
            Err(why) => Err(PlanError::Pattern { pattern: pattern.clone(), why }),
        });
        Ok(Self { patterns: compiled.collect::<Result<_, _>>()? })
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The pattern that protects `name`, where one does.
    #[must_use]
    pub fn of(&self, name: &DatasourceName) -> Option<&str> {
        let mut all = self.patterns.iter();
        let first = all.find(|(_, plain)| plain.iter().any(|pattern| pattern.matches(name.as_str())))?;
        Some(&first.0)
    }
}
