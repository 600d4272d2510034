//! Why no plan can be made.

use std::io;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The temporary file for the names cannot be used.
    #[error(
        "cannot keep the names in a temporary file: {source}; free some space, or set TMPDIR to a folder that can be written"
    )]
    Spool {
        /// What the system said.
        source: io::Error,
    },
    /// A protection pattern is none.
    #[error(
        "protection pattern `{pattern}`: {why}; write a glob such as `prod-*`, and `[*]` for a star itself"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}
