//! What a run came to: complete, complete with exceptions, or incomplete.

use maud::{Markup, html};

use super::wording::{counted, number};
use crate::domain::{Outcome, RunAccount, RunSummary};

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) kind: Kind,
    /// Whether "not found" was accepted as success when the run was started.
    pub(super) accepts_not_found: bool,
    /// How many targets are gone, by this run or before it.
    pub(super) gone: u64,
    /// How many targets are not known to be gone, though the run is done with them.
    pub(super) exceptions: u64,
    /// How many targets are pending.
    pub(super) pending: u64,
    pub(super) planned: u64,
    /// How it ended, in words.
    pub(super) ending: &'static str,
}

/// The three that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Complete,
    WithExceptions,
    Incomplete,
}

impl Standing {
    pub(super) fn of(run: &RunSummary, account: &RunAccount) -> Self {
        let counts = &run.counts;
        // The exit code is 0 with names that were not found only where that was accepted beforehand.
        let accepts_not_found = run.exit_code == Some(0);
        let not_found = if accepts_not_found { 0 } else { counts.of(Outcome::NotFound) };
        let refused = [Outcome::InUse, Outcome::Rejected, Outcome::Failed, Outcome::Unknown];
        let refused: u64 = refused.into_iter().map(|outcome| counts.of(outcome)).sum();
        let exceptions = refused + not_found + account.protected + account.given_back + account.still_listed;
        let (planned, pending) = (counts.planned(), counts.of(Outcome::Pending));
        let kind = match run.status.as_str() {
            "finished" if pending > 0 => Kind::Incomplete,
            "finished" if exceptions > 0 => Kind::WithExceptions,
            "finished" => Kind::Complete,
            _ => Kind::Incomplete,
        };
        let ending = match run.status.as_str() {
            "finished" => "The run is finished.",
            "stopped" => "The run stopped early.",
            "interrupted" => "The run was interrupted.",
            _ => "The run has not ended: it is still going on, or it ended without a chance to say so.",
        };
        let gone = planned - pending.min(planned);
        let gone = gone.saturating_sub(exceptions);
        Self { kind, accepts_not_found, gone, exceptions, pending, planned, ending }
    }

    /// The word for it.
    pub(super) const fn word(&self) -> &'static str {
        match self.kind {
            Kind::Complete => "Complete",
            Kind::WithExceptions => "Complete with exceptions",
            Kind::Incomplete => "Incomplete",
        }
    }

    /// The class by which the style sheet knows it.
    pub(super) const fn class(&self) -> &'static str {
        match self.kind {
            Kind::Complete => "complete",
            Kind::WithExceptions => "exceptions",
            Kind::Incomplete => "incomplete",
        }
    }

    /// What it comes to, in a sentence or two.
    pub(super) fn sentence(&self, rehearsal: bool) -> String {
        let are = |n| if n == 1 { "is" } else { "are" };
        let planned = counted(self.planned, "datasource", "datasources");
        let emulated = if rehearsal { " of the emulator" } else { "" };
        let gone = if self.gone == self.planned {
            format!("All of {planned}{emulated} {} gone", are(self.planned))
        } else {
            format!("{} of {planned}{emulated} {} gone", number(self.gone), are(self.gone))
        };
        let mut parts = vec![format!("{} {gone}", self.ending)];
        if self.exceptions > 0 {
            parts.push(counted(self.exceptions, "is an exception", "are exceptions"));
        }
        if self.pending > 0 {
            parts.push(counted(self.pending, "is not settled", "are not settled"));
        }
        parts.join("; ") + "."
    }

    /// A sign that differs in its shape as well.
    pub(super) fn sign(&self) -> Markup {
        html! {
            svg.sign viewBox="0 0 24 24" aria-hidden="true" {
                @match self.kind {
                    Kind::Complete => { path d="M4.5 12.5l5 5 10-11" {} }
                    Kind::WithExceptions => { path d="M12 4v10.5M12 19.2v.3" {} }
                    Kind::Incomplete => { path d="M5.2 12h.1M12 12h.1M18.7 12h.1" {} }
                }
            }
        }
    }
}
