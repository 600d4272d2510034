//! Joins the API to the audit log: attempts are recorded there, and told further once they are
//! durable.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;

use super::Happening;
use crate::api::{Ledger, LedgerError};
use crate::audit::Recorder;
use crate::domain::{AttemptEnd, AttemptStart, DatasourceName, RunEvent, Seq};

/// Records the attempts of one run.
pub(super) struct RunLedger {
    pub(super) run: Seq,
    /// Tells what is durable on the lane whose attempts these are.
    pub(super) recorder: Recorder,
    /// Behind a count of its own: all lanes keep that of the senders.
    pub(super) happenings: Arc<UnboundedSender<Happening>>,
}

#[async_trait]
impl Ledger for RunLedger {
    async fn attempt_starts(&self, start: AttemptStart) -> Result<(), LedgerError> {
        // Told from where a commit is told to all who waited for it, as each worker would wake the run's own
        // loop by itself.
        let (happenings, waited) = (self.happenings.clone(), start.waited);
        let durable = move || drop(happenings.send(Happening::Shown(RunEvent::Sending { waited })));
        match self.recorder.attempt_starts(self.run, start, durable).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let _ = self.happenings.send(Happening::AuditFailed(error.clone()));
                Err(LedgerError(error as Arc<_>))
            }
        }
    }

    fn attempt_ended(&self, name: &DatasourceName, end: AttemptEnd) {
        let (happenings, name) = (self.happenings.clone(), name.clone());
        let (verdict, number, latency) = (end.answer.verdict, end.number, end.latency);
        let settled = end.outcome.map(|(outcome, _)| (end.target, outcome));
        self.recorder.attempt_ended(self.run, end, move |written| {
            if written.is_err() {
                // The one place that is left to tell it.
                tracing::error!(
                    datasource = name.as_str(),
                    attempt = number,
                    verdict = verdict.as_str(),
                    "this answer could not be recorded; the attempt stays in doubt"
                );
            }
            // The run listens until its last record is written.
            let _ = happenings.send(match written {
                Ok(_) => Happening::Answered { name, verdict, latency, settled },
                Err(error) => Happening::AuditFailed(error),
            });
        });
    }
}
