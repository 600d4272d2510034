//! Delivers one target: the loop that every deletion passes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use super::holds::HoldCheck;
use super::retry::{Retries, RetryOptions};
use super::{SideEvent, StopReason, given_back};
use crate::api::{Deleter, Dependants, Reply};
use crate::audit::Recorder;
use crate::domain::{
    AttemptEnd, AttemptStart, Clock, Doubt, Next, Outcome, Seq, Settlement, SkipReason, Target, Verdict,
    decide,
};
use crate::ratelimit::{PaceError, Pacer};

/// Why a request that was about to leave did not.
const LOST: &str = "not sent: the broker may have given the message to another worker";

/// The same, of a request whose target has come on hold, or may have.
pub(super) const ON_HOLD: &str = "on_hold";
const HELD: &str = "not sent: its name is on hold by now, or the holds cannot be read";

/// What delivers the targets of one run; all workers share it.
pub(super) struct Delivery {
    pub(super) run: Seq,
    pub(super) run_id: String,
    pub(super) recorder: Recorder,
    pub(super) pacer: Pacer,
    pub(super) deleter: Deleter,
    pub(super) dependants: Dependants,
    pub(super) holds: HoldCheck,
    pub(super) retry: RetryOptions,
    pub(super) clock: Arc<dyn Clock>,
    /// Cancelled when no new attempt may start.
    pub(super) stop: CancellationToken,
    pub(super) side_events: UnboundedSender<SideEvent>,
}

impl Delivery {
    /// Delivers `target`: attempts to delete it until it is settled, no further attempt helps, `feed` does not confirm
    /// it any more, or the run stops.
    ///
    /// # Errors
    /// If the run cannot continue. A target that ends otherwise than deleted is not an error.
    #[tracing::instrument(
        level = "debug",
        name = "target",
        skip_all,
        fields(datasource = target.name.as_str(), target = target.number)
    )]
    pub(super) async fn deliver(&self, target: Target, feed: &dyn Feed) -> Result<(), StopReason> {
        let (mut number, mut doubt) = (target.attempts, target.doubt());
        let mut retries = Retries::new(self.retry);
        loop {
            if self.holds.wait(&self.stop).await.is_none() {
                return Ok(());
            }
            let turn = match self.pacer.turn(&self.stop).await {
                Ok(turn) => turn,
                Err(PaceError::Stopped) => return Ok(()),
                Err(PaceError::TooLong { asked, max }) => return Err(StopReason::LongPause { asked, max }),
            };
            // The turn may have taken long.
            match self.holds.on(&target) {
                Ok(None) => {}
                Ok(Some(why)) => return self.withhold(target, doubt, why, feed).await,
                Err(_) => continue,
            }
            if number == target.attempts && !feed.confirm(target.seq).await? {
                let lost = given_back(target.seq, target.name, LOST, &*self.clock);
                self.recorder.settle(self.run, lost).await?;
                return Ok(());
            }
            number += 1;
            let (at, waited) = (self.clock.timestamp(), turn.waited);
            let start = AttemptStart { target: target.seq, number, at, waited };
            self.recorder.attempt_starts(self.run, start).await?;

            let request_id = format!("{}-{}-{number}", self.run_id, target.number);
            // Once more: the process may have slept while the record was written.
            let confirmed = feed.confirm(target.seq).await;
            let is_free = matches!(self.holds.on(&target), Ok(None));
            let reply = match &confirmed {
                Ok(true) if !is_free => Reply::not_sent(ON_HOLD, HELD),
                Ok(true) => self.deleter.delete(target.resource(), number, &request_id).await,
                Ok(false) => Reply::not_sent("message_lost", LOST),
                Err(reason) => Reply::not_sent("slept", &reason.to_string()),
            };
            turn.answered(&reply.headers, reply.answer.verdict == Verdict::Throttled);
            let verdict = reply.answer.verdict;
            if reply.stops {
                // At once: no other target may be sent.
                self.stop.cancel();
            }
            doubt = doubt.after(verdict);
            let pause = if reply.token_renewed {
                Some(Duration::ZERO)
            } else {
                retries.pause_after(&reply, target.may_be_released(verdict))
            };
            let next = match (pause, decide(verdict, doubt, None)) {
                (Some(_), _) => Next::Attempt,
                (None, Some((outcome, evidence))) => Next::Settled(outcome, evidence),
                (None, None) if reply.stops => Next::Stop,
                // It stays due.
                (None, None) if confirmed.is_err() => Next::Attempt,
                (None, None) => Next::Open(doubt),
            };
            let dependants = match verdict {
                Verdict::InUse => self.dependants.of(&target.name).await,
                _ => None,
            };
            let (at, latency, answer) = (self.clock.timestamp(), reply.latency, reply.answer);
            let end = AttemptEnd { target: target.clone(), number, at, latency, answer, next, dependants };
            self.recorder.attempt_ended(self.run, end);

            let Some(pause) = pause else { return confirmed.map(drop) };
            tracing::debug!(verdict = verdict.as_str(), "trying again in {pause:.1?}");
            tokio::select! {
                () = sleep(pause) => {}
                // The next turn is refused, and says why.
                () = self.pacer.failed() => {}
                () = self.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Leaves out a target that has come on hold. What was attempted in doubt is for the listing to settle: "skipped"
    /// says that it was never sent.
    async fn withhold(
        &self,
        target: Target,
        doubt: Doubt,
        why: String,
        feed: &dyn Feed,
    ) -> Result<(), StopReason> {
        tracing::info!(name = target.name.as_str(), "not sent: {why}");
        feed.withheld(&target);
        if doubt.exists() {
            feed.opened(target.seq);
            let doubted = target.doubted || doubt == Doubt::Attempted;
            // The run listens until its end.
            let _ = self.side_events.send(SideEvent::Withheld(Target { doubted, ..target }));
            return Ok(());
        }
        let settlement = Settlement {
            target: target.seq,
            name: target.name,
            at: self.clock.timestamp(),
            outcome: Outcome::Skipped,
            evidence: SkipReason::OnHold.evidence(),
            answer: None,
            skip: Some((SkipReason::OnHold.as_str(), why)),
        };
        self.recorder.settle(self.run, settlement).await?;
        Ok(())
    }
}
