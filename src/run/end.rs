//! How a run comes to its end: what is open is settled or given back, and the end itself is recorded.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::conclusion::Conclusion;
use super::engine::Worked;
use super::feed::Owed;
use super::{Interrupt, Limits, RefusedMessages, RunReport, StopReason};
use crate::api::Lister;
use crate::audit::{AuditError, AuditReader, Recorder, RunEnding};
use crate::domain::{Clock, Counts, Evidence, ExitStatus, GIVEN_BACK, Outcome, Seq, Settlement};

/// Brings one run to its end.
pub(super) struct End<'a> {
    pub(super) run: Seq,
    pub(super) recorder: &'a Recorder,
    pub(super) reader: &'a AuditReader,
    pub(super) clock: &'a dyn Clock,
    pub(super) limits: Limits,
    /// What is owed to the queue that the targets came from.
    pub(super) owed: Option<&'a Owed>,
}

impl End<'_> {
    /// Settles what is left, records the end, and tells the queue.
    pub(super) async fn come_to(
        &self,
        worked: Worked,
        lister: Option<&Lister>,
        interrupts: &mut Receiver<Interrupt>,
    ) -> RunReport {
        let (mut stopped, counted) = (worked.stopped.clone(), worked.counts);
        let mut still_listed = Vec::new();
        let ended = self.settle_and_record(worked, lister, interrupts, &mut stopped, &mut still_listed).await;
        if let Some(owed) = self.owed {
            // What has no outcome is somebody else's from now on.
            let (asked, waiting) = owed.take_rest();
            for message in asked {
                owed.give_back(message);
            }
            for message in waiting {
                owed.put_back(message);
            }
            owed.finish().await;
        }
        let refused = RefusedMessages {
            recorded: self.reader.refused_messages(self.run).unwrap_or(0),
            set_aside: self.owed.map_or(0, Owed::set_aside_so_far),
        };
        match ended {
            Ok((counts, exit)) => RunReport { counts, stopped, still_listed, refused, exit },
            Err(error) => {
                let counts = self.reader.counts(self.run).unwrap_or(counted);
                let stopped = match stopped {
                    Some(StopReason::Audit(first)) => StopReason::Audit(first),
                    _ => StopReason::Audit(error),
                };
                RunReport { counts, exit: stopped.exit(), stopped: Some(stopped), still_listed, refused }
            }
        }
    }

    async fn settle_and_record(
        &self,
        worked: Worked,
        lister: Option<&Lister>,
        interrupts: &mut Receiver<Interrupt>,
        stopped: &mut Option<StopReason>,
        still_listed: &mut Vec<String>,
    ) -> Result<(Counts, ExitStatus), Arc<AuditError>> {
        let recorder = self.recorder;
        // Behind everything that was handed to the writer before.
        recorder.flush().await?;
        let owed = self.owed;
        let settled = |target, _: &_, outcome| {
            if let Some(owed) = owed {
                owed.settled(target, outcome);
            }
        };
        let conclusion =
            Conclusion { run: self.run, recorder, reader: self.reader, clock: self.clock, settled: &settled };
        let answers = stopped.as_ref().is_none_or(StopReason::api_answers);
        // Where nobody could look, they stay due: the next start tries them again.
        let exhausted = if answers { worked.exhausted } else { Vec::new() };
        let reading = conclusion.settle(exhausted, lister.filter(|_| answers));
        *still_listed = tokio::select! {
            read = reading => read?,
            Some(interrupt) = interrupts.recv() => {
                *stopped = Some(StopReason::Interrupted(interrupt));
                Vec::new()
            }
        };
        // Of a settlement that was interrupted, some may be on the way still: the end counts them, too.
        recorder.flush().await?;
        if let Some(owed) = self.owed {
            self.part_with(owed).await?;
        }
        let counts = self.reader.counts(self.run)?;
        let exit = self.exit_status(stopped.as_ref(), &counts, still_listed.len())?;
        let ending = RunEnding {
            at: self.clock.timestamp(),
            status: self.status(stopped.as_ref(), &counts),
            exit,
            why: stopped.as_ref().map(ToString::to_string),
            counts,
        };
        recorder.end_run(self.run, ending).await?;
        Ok((counts, exit))
    }

    /// Acknowledges what was settled while the run came to its end, and settles those targets for which nothing
    /// was sent: their messages go back, and another run takes them. What was sent, and got no answer, stays due.
    async fn part_with(&self, owed: &Owed) -> Result<(), Arc<AuditError>> {
        for target in owed.targets() {
            if let Some(outcome) = self.reader.outcome_of(target)? {
                owed.settled(target, outcome);
            } else if self.reader.attempts_of(target)? == 0 {
                self.recorder.settle(self.run, given_back(target, self.clock)).await?;
                if let Some(message) = owed.take(target) {
                    owed.put_back(message);
                }
            }
        }
        Ok(())
    }

    /// The run's status in the audit log. Of a run that takes from a queue nothing is left to go on with once
    /// all that it took on is settled, for whatever reason it took no more.
    fn status(&self, stopped: Option<&StopReason>, counts: &Counts) -> &'static str {
        match stopped {
            Some(reason) if self.owed.is_none() || counts.of(Outcome::Pending) > 0 => reason.status(),
            _ => "finished",
        }
    }

    /// The exit code of the run.
    fn exit_status(
        &self,
        stopped: Option<&StopReason>,
        counts: &Counts,
        still_listed: usize,
    ) -> Result<ExitStatus, AuditError> {
        if let Some(reason) = stopped {
            return Ok(reason.exit());
        }
        let kept_back = self.reader.kept_back(self.run)?;
        let mut gone = counts.of(Outcome::Deleted) + counts.of(Outcome::DeletedUnconfirmed);
        gone += counts.of(Outcome::Skipped).saturating_sub(kept_back);
        if self.limits.ignore_not_found {
            gone += counts.of(Outcome::NotFound);
        }
        let is_clean = gone == counts.planned() && still_listed == 0;
        let refused = self.reader.refused_messages(self.run)?;
        Ok(if is_clean && refused == 0 { ExitStatus::Done } else { ExitStatus::Exceptions })
    }
}

/// Settles a target that was never sent, and of which the message is on its queue again.
#[must_use]
pub fn given_back(target: Seq, clock: &dyn Clock) -> Settlement {
    Settlement {
        target,
        at: clock.timestamp(),
        outcome: Outcome::Skipped,
        evidence: Evidence::Queue,
        answer: None,
        skip: Some((GIVEN_BACK, "the run stopped before, and its message went back to the queue".to_owned())),
    }
}
