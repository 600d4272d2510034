//! The end of a run: what is open is settled or given back, what is gone is held against the listing, and the end
//! itself is recorded.

use std::sync::Arc;

use super::engine::Engine;
use super::feed::PendingAcks;
use super::listing::Listed;
use super::{RefusedMessages, RunReport, StopReason};
use crate::audit::{AuditError, AuditReader, RunEnding};
use crate::domain::{
    Clock, Counts, DatasourceName, Evidence, ExitStatus, GIVEN_BACK, Outcome, Seq, Settlement, SkipReason,
};

/// Brings a run to its end.
pub(super) struct End<'a, 'e> {
    pub(super) run: Seq,
    pub(super) engine: &'a mut Engine<'e>,
    pub(super) reader: &'a AuditReader,
    pub(super) clock: &'a dyn Clock,
    /// The messages that the targets came from, if they came from a queue.
    pub(super) acks: Option<&'a PendingAcks>,
}

/// What the listing at the end of a run showed.
#[derive(Default)]
struct Check {
    /// It was read, or nothing was to be read.
    is_made: bool,
    still_listed: Vec<String>,
    /// The messages that are left in the queue of a run that took all it could get.
    waiting: u64,
}

impl End<'_, '_> {
    /// Settles what is left, records the end, and lets go of the queue.
    pub(super) async fn finish(mut self) -> RunReport {
        let mut check = Check::default();
        let ended = self.settle_and_record(&mut check).await;
        self.engine.catch_up().await;
        if let Some(acks) = self.acks {
            // Targets without an outcome are left to other workers from now on.
            let (of_targets, waiting) = acks.take_rest();
            for message in of_targets {
                acks.give_back(message);
            }
            for message in waiting {
                acks.put_back(message);
            }
            acks.finish().await;
        }
        let refused = RefusedMessages {
            recorded: self.reader.refused_messages(self.run).unwrap_or(0),
            set_aside: self.acks.map_or(0, PendingAcks::set_aside_count),
        };
        let (counts, exit) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.engine.halt(StopReason::Audit(error));
                let counts = self.reader.counts(self.run).unwrap_or(self.engine.state.counts);
                (counts, ExitStatus::Audit)
            }
        };
        let Check { still_listed, waiting, .. } = check;
        RunReport { counts, stopped: self.engine.state.stopped.clone(), still_listed, refused, waiting, exit }
    }

    async fn settle_and_record(
        &mut self,
        check: &mut Check,
    ) -> Result<(Counts, ExitStatus), Arc<AuditError>> {
        // After everything that was handed to the writer before.
        self.engine.recorder.flush().await?;
        *check = self.settle().await?;
        self.engine.catch_up().await;
        if let Some(acks) = self.acks {
            self.part_with(acks).await?;
            if self.engine.state.stopped.is_none() {
                check.waiting = acks.waiting().await;
            }
        }
        let counts = self.reader.counts(self.run)?;
        let stopped = self.engine.state.stopped.as_ref();
        let exit = self.exit_status(stopped, &counts, check)?;
        let ending = RunEnding {
            at: self.clock.timestamp(),
            status: Self::status(stopped, &counts),
            exit,
            why: stopped.map(ToString::to_string),
            counts,
        };
        self.engine.recorder.end_run(self.run, ending).await?;
        Ok((counts, exit))
    }

    /// Settles what is open and holds what should be gone against the listing, with one reading of it.
    async fn settle(&mut self) -> Result<Check, Arc<AuditError>> {
        let to_check = self.is_anything_to_check()?;
        let Engine { judge, interrupts, state, limits, .. } = &mut *self.engine;
        let accepts_not_found = limits.accept.accepts(Outcome::NotFound);
        let open = match &state.stopped {
            None => std::mem::take(&mut state.open),
            Some(reason) if reason.settles_open() => std::mem::take(&mut state.open),
            // They stay due: the next start tries them again.
            Some(_) => Vec::new(),
        };
        let answers = state.stopped.as_ref().is_none_or(StopReason::api_answers);
        let is_needed = to_check || !open.is_empty();
        let settling = async {
            let listed = if answers && is_needed { judge.read().await } else { Listed::default() };
            judge.settle(open, &listed).await?;
            let still_listed = judge.check(&listed, self.reader, accepts_not_found).await?;
            let is_made =
                judge.lister.is_none() || !is_needed || judge.kinds.iter().all(|kind| listed.has(*kind));
            Ok(Check { is_made, still_listed, waiting: 0 })
        };
        tokio::select! {
            check = settling => check,
            Some(interrupt) = interrupts.recv() => {
                self.engine.halt(StopReason::Interrupted(interrupt));
                Ok(Check::default())
            }
        }
    }

    /// Returns true if a target was deleted, by this run or an earlier one, or was accepted as not found.
    fn is_anything_to_check(&self) -> Result<bool, AuditError> {
        let counts = self.reader.counts(self.run)?;
        let is_accepted = self.engine.limits.accept.accepts(Outcome::NotFound);
        let should_be_gone =
            |outcome: Outcome| outcome.is_gone() || outcome == Outcome::NotFound && is_accepted;
        Ok(Outcome::ALL.into_iter().any(|outcome| should_be_gone(outcome) && counts.of(outcome) > 0)
            || counts.of(Outcome::Skipped) > self.reader.kept_back(self.run)?)
    }

    /// Acknowledges what was settled while the run came to its end, and settles those targets for which nothing was
    /// sent: their messages go back, and another run takes them. What was sent and got no answer stays due.
    async fn part_with(&self, acks: &PendingAcks) -> Result<(), Arc<AuditError>> {
        for (target, name) in acks.targets() {
            if let Some(outcome) = self.reader.outcome_of(target)? {
                acks.settled(target, outcome);
            } else if self.reader.attempts_of(target)? == 0 {
                let message = acks.take(target);
                self.engine.recorder.settle(self.run, given_back(target, name, STOPPED, self.clock)).await?;
                if let Some(message) = message {
                    acks.put_back(message);
                }
            }
        }
        Ok(())
    }

    /// Returns the run's status in the audit log: once every target is settled, nothing is left to resume.
    fn status(stopped: Option<&StopReason>, counts: &Counts) -> &'static str {
        match stopped {
            Some(reason) if counts.of(Outcome::Pending) > 0 => reason.status(),
            _ => "finished",
        }
    }

    fn exit_status(
        &self,
        stopped: Option<&StopReason>,
        counts: &Counts,
        check: &Check,
    ) -> Result<ExitStatus, AuditError> {
        if let Some(reason) = stopped {
            return Ok(reason.exit());
        }
        let kept_back = self.reader.kept_back(self.run)?;
        let mut gone = counts.of(Outcome::Deleted) + counts.of(Outcome::DeletedUnconfirmed);
        let already_deleted = counts.of(Outcome::Skipped).saturating_sub(kept_back);
        // They may exist again, which only a listing shows.
        if check.is_made {
            gone += already_deleted;
        } else if already_deleted > 0 {
            tracing::error!(
                count = already_deleted,
                "deleted by an earlier run, and no listing shows if they exist again; run it again once the listing \
                 can be read"
            );
        }
        let accept = &self.engine.limits.accept;
        gone += Outcome::ALL
            .into_iter()
            .filter(|outcome| !outcome.is_gone() && accept.accepts(*outcome))
            .map(|outcome| if outcome == Outcome::Skipped { kept_back } else { counts.of(outcome) })
            .sum::<u64>();
        if !accept.accepts(Outcome::Skipped) {
            for reason in SkipReason::ALL.into_iter().filter(|reason| accept.accepts_skip(*reason)) {
                gone += self.reader.skipped_for(self.run, reason)?;
            }
        }
        let is_clean = gone == counts.planned() && check.still_listed.is_empty() && check.waiting == 0;
        let refused = self.reader.refused_messages(self.run)?;
        Ok(if is_clean && refused == 0 { ExitStatus::Done } else { ExitStatus::Exceptions })
    }
}

/// Why a target that was never sent is left to another run.
pub const STOPPED: &str = "the run stopped before, and its message went back to the queue";

/// Settles a target that was never sent, and whose message is on its queue again.
#[must_use]
pub fn given_back(target: Seq, name: DatasourceName, why: &str, clock: &dyn Clock) -> Settlement {
    Settlement {
        target,
        name,
        at: clock.timestamp(),
        outcome: Outcome::Skipped,
        evidence: Evidence::Queue,
        answer: None,
        skip: Some((GIVEN_BACK, why.to_owned())),
    }
}
