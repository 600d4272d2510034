//! What the records of a run show of it as a whole: how it ended, and how many of its targets are known to be gone.

use crate::domain::{Counts, Outcome, RunSummary};

/// How a run ended, as its last record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum RunEnd {
    Finished,
    Stopped,
    Interrupted,
    /// There is no record of an end: the run is still active, or it was killed.
    Unrecorded,
}

/// What a run as a whole amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Completeness {
    Complete,
    /// The run is finished, nothing was left to do, and it deleted nothing.
    NothingDeleted,
    WithExceptions,
    Incomplete,
}

/// The facts about a run that every report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct RunFacts {
    /// Everything was sent to the embedded emulator.
    pub(in crate::report) rehearsal: bool,
    /// Its targets can be datamarts as well as datasources.
    pub(in crate::report) with_datamarts: bool,
    pub(in crate::report) end: RunEnd,
    pub(in crate::report) exit_code: Option<i64>,
    pub(in crate::report) counts: Counts,
    /// Skipped targets that an earlier run deleted.
    pub(in crate::report) already_deleted: u64,
    /// Targets that ended as gone, and that a listing showed afterwards.
    pub(in crate::report) still_listed: Counts,
}

impl RunFacts {
    pub(in crate::report) fn of(run: &RunSummary) -> Self {
        Self {
            rehearsal: run.rehearsal,
            with_datamarts: run.with_datamarts,
            end: match run.status.as_str() {
                "finished" => RunEnd::Finished,
                "stopped" => RunEnd::Stopped,
                "interrupted" => RunEnd::Interrupted,
                _ => RunEnd::Unrecorded,
            },
            exit_code: run.exit_code,
            counts: run.counts,
            already_deleted: run.already_deleted,
            still_listed: run.still_listed,
        }
    }

    /// How many ended with `outcome` and were not seen in a listing afterwards.
    const fn unlisted(&self, outcome: Outcome) -> u64 {
        self.counts.of(outcome).saturating_sub(self.still_listed.of(outcome))
    }

    /// Targets whose deletion the API confirmed, without those that were still listed.
    pub(in crate::report) const fn confirmed(&self) -> u64 {
        self.unlisted(Outcome::Deleted)
    }

    /// Targets that are gone after an attempt without a clear reply, without those that were still listed.
    pub(in crate::report) const fn unconfirmed(&self) -> u64 {
        self.unlisted(Outcome::DeletedUnconfirmed)
    }

    /// Returns true if at least one target is known to have gone in this run.
    pub(in crate::report) const fn has_deleted(&self) -> bool {
        self.confirmed() + self.unconfirmed() > 0
    }

    /// "Not found" was accepted beforehand: with targets that were not found, the exit code is 0 only then.
    pub(in crate::report) fn accepts_not_found(&self) -> bool {
        self.exit_code == Some(0)
    }

    /// Targets that were not found, if that was accepted beforehand.
    pub(in crate::report) fn accepted(&self) -> u64 {
        if self.accepts_not_found() { self.counts.of(Outcome::NotFound) } else { 0 }
    }

    pub(in crate::report) fn still_listed(&self) -> u64 {
        self.still_listed.planned()
    }

    /// Settled targets that are neither gone nor accepted.
    pub(in crate::report) fn exceptions(&self) -> u64 {
        let failures = [Outcome::InUse, Outcome::Rejected, Outcome::Failed, Outcome::Unknown];
        let failures: u64 = failures.into_iter().map(|outcome| self.counts.of(outcome)).sum();
        let not_found = self.counts.of(Outcome::NotFound) - self.accepted();
        let skipped = self.counts.of(Outcome::Skipped).saturating_sub(self.already_deleted);
        failures + not_found + skipped + self.still_listed()
    }

    pub(in crate::report) const fn pending(&self) -> u64 {
        self.counts.of(Outcome::Pending)
    }

    /// Returns true if the exit code says that something was not as it should be, which the targets do not show: a
    /// malformed message, or a target of an earlier run that a listing showed at the end.
    pub(in crate::report) fn is_unexplained(&self) -> bool {
        self.end == RunEnd::Finished
            && self.exceptions() + self.pending() == 0
            && self.exit_code.is_some_and(|code| code != 0)
    }

    pub(in crate::report) fn completeness(&self) -> Completeness {
        if self.end != RunEnd::Finished || self.pending() > 0 {
            Completeness::Incomplete
        } else if self.exceptions() > 0 || self.is_unexplained() {
            Completeness::WithExceptions
        } else if self.has_deleted() || self.already_deleted > 0 {
            Completeness::Complete
        } else {
            Completeness::NothingDeleted
        }
    }

    /// The noun for `n` targets.
    pub(in crate::report) const fn noun(&self, n: u64) -> &'static str {
        match (self.with_datamarts, n) {
            (false, 1) => "datasource",
            (false, _) => "datasources",
            (true, 1) => "target",
            (true, _) => "targets",
        }
    }
}
