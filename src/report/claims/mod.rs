//! What a report says of a run: the facts, and the one place that turns them into sentences.
//!
//! No sentence claims more than the log, the checkpoints and the signatures at hand show. Pages and tables only lay out
//! what they get from here; `tests` generates certificates over all combinations of facts and holds each sentence
//! against them.

mod anchoring;
mod controls;
mod ending;
mod groups;
mod integrity;
mod people;
mod run_facts;
#[cfg(test)]
mod tests;

pub use anchoring::{Anchoring, Checkpoint, CheckpointSignature};
pub(super) use controls::Control;
pub(super) use ending::REHEARSAL;
pub(super) use groups::Group;
pub(super) use people::{account_of, way_of};
pub(super) use run_facts::{Completeness, RunFacts};

use crate::domain::RunAccount;

use super::text::grouped;

/// The facts that the sentences of a certificate rest on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) run: RunFacts,
    pub(super) account: &'a RunAccount,
    /// The log says that a signature of the plan was checked before the run began.
    pub(super) is_approved: bool,
    pub(super) anchoring: &'a Anchoring,
}

/// A number and its noun.
fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}
