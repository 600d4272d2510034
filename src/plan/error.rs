//! Why no plan can be made, and why a saved one is not run.

use std::io;
use std::path::PathBuf;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The temporary file for the names cannot be used.
    #[error(
        "cannot keep the names in a temporary file: {source}; free some space, or set TMPDIR to a folder that can be written"
    )]
    TemporaryFile {
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
    #[error("{}: the plan was altered after it was made: {why}; make a new one; nothing was sent", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What shows it.
        why: String,
    },
    /// A protection pattern is not a glob, or protects nothing.
    #[error(
        "protection pattern `{pattern}`: {why}; write a glob such as `prod-*`, and `[*]` for a star itself"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A protection pattern holds what no name can.
    #[error(
        "protection pattern `{}` holds the control character U+{:04X} at character {position}, which no name has; give each pattern by itself",
        pattern.escape_debug(), u32::from(*found)
    )]
    PatternControl {
        /// The pattern.
        pattern: String,
        /// The first control character.
        found: char,
        /// Its position in characters, from 1.
        position: usize,
    },
}

impl PlanError {
    pub(super) const fn temporary_file(source: io::Error) -> Self {
        Self::TemporaryFile { source }
    }
}

/// Why a saved plan is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    /// Its time is over.
    #[error("the plan expired at {at}; make a new one")]
    Expired {
        /// When.
        at: String,
    },
    /// Its time is over, and a run of it was begun in time.
    #[error(
        "the plan expired at {at}; run {run_id} of it was begun before and goes on with `decom resume {run_id}`"
    )]
    ExpiredMeanwhile {
        /// When.
        at: String,
        /// The run.
        run_id: String,
    },
    /// It is for another API.
    #[error("the plan is for {planned}, and the base URL is {configured}")]
    OtherHost {
        /// Where it is for.
        planned: String,
        /// Where this run would go.
        configured: String,
    },
    /// Its seal is not by this token.
    #[error(
        "the plan was made with another service token, or edited by somebody who does not have this one; run it with the token that it was made with, or make a new plan"
    )]
    OtherToken,
    /// A run that carries out a plan, or tries again what failed in one, has another token now.
    #[error(
        "run {run_id} carries out a plan and was begun with another service token; go on with that one, or make a new plan with this one"
    )]
    OtherTokenThanBegun {
        /// The run.
        run_id: String,
    },
    /// One of its targets is protected by now.
    #[error("`{name}` is protected by the pattern `{pattern}` since; make a new plan")]
    ProtectedSince {
        /// The target.
        name: String,
        /// The pattern.
        pattern: String,
    },
    /// It was run already.
    #[error("the plan was applied already, by run {run_id}; make a new one")]
    Applied {
        /// The run.
        run_id: String,
    },
    /// Somebody else began to run it a moment ago.
    #[error(
        "run {run_id} of this plan was begun meanwhile and is not finished; it goes on with `decom resume {run_id}`"
    )]
    BegunMeanwhile {
        /// The run.
        run_id: String,
    },
}
