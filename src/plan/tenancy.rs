//! Datasources that probably serve several customers, and those of them that may be deleted nevertheless.
//!
//! Only the tenancy level `TABLE` of a datamart says so for certain: one database for all customers. Deleting its
//! datasource would take every customer down, so that each has to be named.

use glob::Pattern;

use super::{PlanError, glob as globs};
use crate::domain::Datamart;

/// The tenancy level of one database for several customers.
const SHARED: &str = "TABLE";

/// Returns true if the datasource that this datamart reads probably serves several customers.
#[must_use]
pub fn is_shared(datamart: &Datamart) -> bool {
    datamart.tenancy.as_deref() == Some(SHARED)
}

/// The shared datasources that may be deleted.
#[derive(Debug, Clone, Default)]
pub struct AllowShared {
    globs: Vec<String>,
    patterns: Vec<Pattern>,
}

impl AllowShared {
    /// Takes `globs`, in the form of those of protected names. A name is allowed only as it is written.
    ///
    /// # Errors
    /// If one of them is not a glob.
    pub fn new(globs: &[String]) -> Result<Self, PlanError> {
        let refused = |glob: &str, why| PlanError::SharedPattern { pattern: glob.to_owned(), why };
        Ok(Self { globs: globs.to_vec(), patterns: globs::compile_all(globs, refused)? })
    }

    /// The globs, as they were given.
    #[must_use]
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    /// Returns true if the datasource `name` may be deleted although it is shared.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_names_exactly_as_they_are_written() {
        let allowed = AllowShared::new(&["acme-*".to_owned(), "{a,b}".to_owned()]).unwrap();
        for (name, allows) in [
            ("acme-eu", true),
            ("b", true),
            ("Acme-eu", false),
            (" acme-eu", false),
            ("acme\u{2013}eu", false),
        ] {
            assert_eq!(allowed.allows(name), allows, "{name}");
        }
        assert!(!AllowShared::default().allows("acme"));
        for glob in ["", " ", "[a"] {
            assert!(AllowShared::new(&[glob.to_owned()]).is_err(), "{glob:?}");
        }
    }
}
