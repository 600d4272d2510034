//! Delivers one target: the loop that every deletion passes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::StopReason;
use super::feed::{Feed, Withdrawal};
use super::holds::HoldCheck;
use super::retry::{Retries, RetryOptions};
use crate::api::{Deleter, Dependants, Reply};
use crate::audit::Recorder;
use crate::domain::{AttemptEnd, AttemptStart, Clock, Doubt, Next, Seq, SkipReason, Target, Verdict, decide};
use crate::ratelimit::{PaceError, Pacer};

/// Why a request did not leave whose target has come on hold at the last moment, or may have.
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
                Ok(Some(why)) => {
                    let doubted = target.doubted || doubt == Doubt::Attempted;
                    let target = Target { doubted, ..target };
                    return feed.withdraw(target, Withdrawal::on_hold(why)).await;
                }
                Err(_) => continue,
            }
            if number == target.attempts
                && let Some(withdrawal) = feed.confirm(target.seq).await?
            {
                return feed.withdraw(target, withdrawal).await;
            }
            number += 1;
            let (at, waited) = (self.clock.timestamp(), turn.waited);
            let start = AttemptStart { target: target.seq, number, at, waited };
            self.recorder.attempt_starts(self.run, start).await?;

            let request_id = format!("{}-{}-{number}", self.run_id, target.number);
            // Once more, and before each further attempt: the process may have slept while the record was written.
            let confirmed = feed.confirm(target.seq).await;
            let is_free = matches!(self.holds.on(&target), Ok(None));
            let reply = match &confirmed {
                Ok(None) if !is_free => Reply::not_sent(SkipReason::OnHold.as_str(), HELD),
                Ok(None) => self.deleter.delete(target.resource(), number, &request_id).await,
                Ok(Some(withdrawal)) => Reply::not_sent(withdrawal.code(), &withdrawal.why),
                Err(reason) => Reply::not_sent(reason.code(), &reason.to_string()),
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
                Verdict::InUse if pause.is_none() => self.dependants.of(&target).await,
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
}
