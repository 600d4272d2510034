//! Why no plan can be made.

use std::io;
use std::path::PathBuf;

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
    /// A saved plan cannot be read.
    #[error("{}: cannot read the plan: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A plan cannot be saved.
    #[error("{}: cannot save the plan: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no plan.
    #[error("{}: this is no plan of decom: {why}; make one with `decom plan INPUT --out FILE`", path.display())]
    NoPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A plan was altered after it was made.
    #[error("{}: the plan was altered after it was made: its digest does not fit; make a new one; nothing was sent", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
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
