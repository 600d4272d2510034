//! What is left to do after the log could not be written: no attempt may start any more, and what did happen is still
//! recorded if that is possible at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;

use super::fact::Fact;
use super::writer::{Batch, Commit, Writer, answer};
use crate::audit::AuditError;

/// For how long after a failure a fact that could not be recorded is tried again, and how far apart.
/// Shorter than the grace that a signal gives, so that the end is not held up.
const RESCUE_TIME: Duration = Duration::from_secs(5);
const RESCUE_PAUSE: Duration = Duration::from_millis(200);

impl Writer {
    /// From here on nothing may be sent. Published at once: recording what did happen may take some time.
    pub(super) fn fail(&mut self, error: AuditError) -> Arc<AuditError> {
        tracing::error!(%error, "the audit log cannot be written; nothing more is sent");
        let error = Arc::new(error);
        self.failure = Some(error.clone());
        self.rescue_until = Some(Instant::now() + RESCUE_TIME);
        self.notify(Commit::Failed(error.clone()));
        // A lock that another process holds has been waited for already. If this fails, the old wait stays.
        let _ = self.connection.busy_timeout(RESCUE_PAUSE);
        error
    }

    /// Tries to record what did happen, although the log has failed. A log that was moved or unlinked still takes it:
    /// after it is put back, it is found there. Beside a file that took its place nothing more is written, as SQLite
    /// might take that for a part of the new one.
    pub(super) fn rescue(&mut self, mut facts: Batch) {
        while !facts.is_empty() && !self.files.is_replaced() {
            match self.record(&mut facts) {
                Err(error) if is_conflict(&error) => self.rescue_each(&mut facts),
                _ => {}
            }
            if self.rescue_until.is_none_or(|until| Instant::now() >= until) {
                break;
            }
            if !facts.is_empty() {
                std::thread::sleep(RESCUE_PAUSE);
            }
        }
        self.refuse(facts);
    }

    /// Records each of `facts` by itself, in order: at least one of them can never be in the log, and must keep no other
    /// out. Leaves those that may still be recorded later.
    fn rescue_each(&mut self, facts: &mut Batch) {
        let mut left = std::mem::take(facts).into_iter();
        while !self.files.is_replaced()
            && self.rescue_until.is_none_or(|until| Instant::now() < until)
            && let Some(fact) = left.next()
        {
            let mut one = vec![fact];
            match self.record(&mut one) {
                Ok(()) => {}
                Err(error) if is_conflict(&error) => {
                    tracing::error!(%error, "a record contradicts the audit log, and is not in it");
                    self.refuse(one);
                }
                Err(_) => {
                    facts.append(&mut one);
                    break;
                }
            }
        }
        facts.extend(left);
    }

    /// Records `facts`, all or none of them. Those that are recorded are published, and no longer among them.
    fn record(&mut self, facts: &mut Batch) -> Result<(), AuditError> {
        // A clock that jumped makes no fact less true: it gets the time of the record before it.
        let first = self.append(facts, Duration::MAX)?;
        self.publish(first, std::mem::take(facts));
        Ok(())
    }

    /// Answers those who wait for `facts`, which are not in the log.
    pub(super) fn refuse(&self, facts: Batch) {
        for (fact, ack) in facts {
            if let Fact::AttemptEnd(_, end) = &fact {
                // The one place that is left to report it.
                tracing::error!(
                    datasource = end.target.name.as_str(),
                    attempt = end.number,
                    verdict = end.answer.verdict.as_str(),
                    "this answer could not be recorded; the attempt stays in doubt"
                );
            }
            answer(ack, Err(self.refusal()));
        }
    }

    pub(super) fn refusal(&self) -> Arc<AuditError> {
        self.failure.clone().unwrap_or_else(|| Arc::new(AuditError::Closed))
    }
}

/// Returns true if a record contradicts the log, as a second outcome of a target does.
fn is_conflict(error: &AuditError) -> bool {
    matches!(error, AuditError::Sqlite { source, .. }
        if source.sqlite_error_code() == Some(ErrorCode::ConstraintViolation))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use rusqlite::Connection;
    use tokio::join;

    use super::super::samples::{AT, open, opening, target};
    use super::super::{Recorder, WriteResult};
    use super::*;
    use crate::domain::{DatasourceName, Evidence, Outcome, Seq, Settlement};

    const RUN: Seq = Seq(2);

    /// Begins a run of two targets, with the places 3 and 4, once `ready`.
    async fn begin(recorder: &Recorder, ready: mpsc::Receiver<()>) -> WriteResult {
        let targets = ["acme", "globex"].into_iter().map(move |name| {
            ready.recv().unwrap();
            Ok(target(name))
        });
        recorder.begin_run(opening("20251124T160000Z-0badcafe"), Box::new(targets)).await
    }

    async fn settle(recorder: &Recorder, target: i64) -> WriteResult {
        let (outcome, evidence) = (Outcome::Unknown, Evidence::NoClearAnswer);
        let (target, name) = (Seq(target), DatasourceName::new("acme").unwrap());
        let settlement = Settlement { target, name, at: AT, outcome, evidence, answer: None, skip: None };
        recorder.settle(RUN, settlement).await
    }

    /// The place of each record that settles a target, and which.
    fn settled(path: &Path) -> Vec<(i64, i64)> {
        let log = Connection::open(path).unwrap();
        let mut settled =
            log.prepare("SELECT seq, target FROM record WHERE kind = 'settle' ORDER BY seq").unwrap();
        settled.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn a_second_outcome_keeps_no_other_fact_out_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let log = open(&path);
        let recorder = log.recorder();
        let (go, ready) = mpsc::channel();
        let (begun, first, second, other, ()) = join!(
            biased;
            begin(&recorder, ready),
            settle(&recorder, 3),
            settle(&recorder, 3),
            settle(&recorder, 4),
            // All of them are in the writer's channel before the run has begun, and share a batch.
            async { (0..2).for_each(|_| go.send(()).unwrap()) },
        );
        assert_eq!((begun.unwrap(), first.unwrap(), other.unwrap()), (RUN, Seq(5), Seq(6)));
        let refused = second.unwrap_err().to_string();
        assert!(refused.contains("exactly one outcome"), "{refused}");
        drop(recorder);
        log.close();
        assert_eq!(settled(&path), [(5, 3), (6, 4)]);
    }

    #[tokio::test]
    async fn facts_after_a_log_was_moved_away_are_recorded_after_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.db"), folder.path().join("moved.db"));
        let log = open(&path);
        let recorder = log.recorder();
        std::fs::rename(&path, &moved).unwrap();
        let (go, ready) = mpsc::channel();
        let (begun, one, other, ()) = join!(
            biased;
            begin(&recorder, ready),
            settle(&recorder, 3),
            settle(&recorder, 4),
            // Both are in the writer's channel before the run has begun, and share a batch.
            async { (0..2).for_each(|_| go.send(()).unwrap()) },
        );
        let failed = begun.unwrap_err();
        assert!(matches!(*failed, AuditError::Replaced { .. }), "{failed}");
        assert_eq!((one.unwrap(), other.unwrap()), (Seq(5), Seq(6)), "each gets its own place");
        drop(recorder);
        log.close();
        std::fs::rename(&moved, &path).unwrap();
        assert_eq!(settled(&path), [(5, 3), (6, 4)]);
    }
}
