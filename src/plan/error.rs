//! Why no plan can be made, and why a saved one is not run.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(
        "cannot keep the names in a temporary file: {source}; free some space, or set TMPDIR to a folder that can be written"
    )]
    TemporaryFile { source: io::Error },
    #[error("{}: cannot read the plan: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: cannot save the plan: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{}: this is not a plan of decom: {why}; make one with `decom plan INPUT --out FILE`", path.display())]
    NoPlan { path: PathBuf, why: String },
    #[error("{}: the plan was altered after it was made: {why}; make a new one; nothing was sent", path.display())]
    Altered { path: PathBuf, why: String },
    #[error(
        "protection pattern `{pattern}`: {why}; write a glob such as `prod-*`, and `[*]` for a star itself"
    )]
    Pattern { pattern: String, why: String },
    #[error("`{glob}` is not a glob: {why}; write one such as `acme-*`, and `[*]` for a star itself")]
    Glob { glob: String, why: String },
    #[error("--allow-shared `{pattern}`: {why}; write a glob such as `acme-*`, and `[*]` for a star itself")]
    SharedPattern { pattern: String, why: String },
    #[error(
        "protection pattern `{}` holds the control character U+{:04X} at character {position}, which no name has; give each pattern by itself",
        pattern.escape_debug(), u32::from(*found)
    )]
    PatternControl {
        pattern: String,
        found: char,
        /// In characters, from 1.
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
    #[error("the plan may be run from {at} on, and not before; until then owners may object")]
    TooEarly { at: String },
    #[error("the plan expired at {at}; make a new one")]
    Expired { at: String },
    #[error(
        "the plan expired at {at}; run {run_id} of it began in time, and `decom resume {run_id}` continues it"
    )]
    ExpiredMeanwhile { at: String, run_id: String },
    #[error(
        "the plan was made at {at}, which is in the future by this machine's clock ({now}); set the clock right, or make a new plan"
    )]
    FromTheFuture { at: String, now: String },
    #[error("the plan is for {planned}, and the base URL is {configured}; pass --base-url {planned}")]
    OtherHost { planned: String, configured: String },
    #[error(
        "the plan was made with another service token, or was edited without this one; run it with the token that it was made with, have it approved, or make a new plan"
    )]
    OtherToken,
    /// A run that carries out a plan, or tries again what failed in one, has another token now.
    #[error(
        "run {run_id} carries out a plan and began with another service token; continue it with that one, or make a new plan with this one"
    )]
    OtherTokenThanBegun { run_id: String },
    /// A flag asks for more than the plan that was reviewed.
    #[error(
        "which shared datasources may be deleted is part of the plan; make a new one with --allow-shared, or leave the flag out"
    )]
    SharedByFlag,
    #[error("the plan takes no datamarts along; make a new one with --with-datamarts, or leave the flag out")]
    NoDatamartsPlanned,
    #[error("run {run_id} has carried out the plan already; make a new one")]
    Applied { run_id: String },
    #[error(
        "another process has begun run {run_id} of this plan, which is not finished; `decom resume {run_id}` continues it"
    )]
    BegunMeanwhile { run_id: String },
}
