//! Hands out the targets that the messages of a queue ask for. Each is recorded in the audit log before a request is
//! sent for it, and its message is acknowledged once its outcome is durable.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::SideEvent;
use super::super::holds::HoldCheck;
use super::budget::BudgetGate;
use super::outage::Outage;
use super::requested::requested;
use super::{Allowance, Feed, PendingAcks, QueueGauges, QueueSupply, StopReason, Withdrawal};
use crate::api::Lister;
use crate::audit::{AuditReader, Recorder};
use crate::domain::{
    Clock, Credentials, DatasourceName, Evidence, Outcome, RefusedMessage, ResourceKind, Seq, Settlement,
    SkipReason, Target, TargetRole,
};
use crate::plan::Rules;
use crate::queue::{DeletionRequest, Message, Queue, QueueError};

/// How long one wait for a message takes at most: a run that stops waits no longer than this.
const SLICE: Duration = Duration::from_secs(1);

/// The shortest wait for a message.
const LEAST: Duration = Duration::from_millis(50);

/// How much of a malformed message is kept in the audit log, in characters.
const KEPT_CHARS: usize = 1000;

pub(in crate::run) struct MessageFeedParts {
    pub(in crate::run) run: Seq,
    pub(in crate::run) base_url: String,
    pub(in crate::run) supply: QueueSupply,
    pub(in crate::run) acks: PendingAcks,
    pub(in crate::run) reader: AuditReader,
    pub(in crate::run) recorder: Recorder,
    /// Shows which datasources exist; `None` if no listing is to be read.
    pub(in crate::run) lister: Option<Lister>,
    pub(in crate::run) holds: HoldCheck,
    pub(in crate::run) clock: Arc<dyn Clock>,
    pub(in crate::run) credentials: Credentials,
    pub(in crate::run) stop: CancellationToken,
    pub(in crate::run) side_events: UnboundedSender<SideEvent>,
}

/// Hands out the targets that the messages of a queue ask for.
pub(in crate::run) struct MessageFeed {
    run: Seq,
    base_url: String,
    queue: Arc<dyn Queue>,
    acks: PendingAcks,
    recorder: Recorder,
    lister: Option<Lister>,
    holds: HoldCheck,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    stop: CancellationToken,
    side_events: UnboundedSender<SideEvent>,
    max_deletes: u64,
    budget: Arc<BudgetGate>,
    idle: Option<Duration>,
    max_outage: Option<Duration>,
    allowance: Allowance,
    state: Mutex<State>,
}

struct State {
    reader: AuditReader,
    rules: Rules,
    /// How many targets the run has, those that are skipped included.
    taken_on: u64,
    /// The queue was empty for long enough, or no further message may be taken.
    at_end: bool,
    /// The broker cannot be reached.
    outage: Option<Outage>,
    /// A message that was taken before the run began.
    first: Option<Message>,
}

impl MessageFeed {
    pub(in crate::run) fn new(parts: MessageFeedParts) -> Self {
        let QueueSupply { queue, first, rules, limit: max_deletes, budget, idle, max_outage } = parts.supply;
        let state = State { reader: parts.reader, rules, taken_on: 0, at_end: false, outage: None, first };
        Self {
            run: parts.run,
            base_url: parts.base_url,
            queue,
            acks: parts.acks,
            recorder: parts.recorder,
            lister: parts.lister,
            holds: parts.holds,
            clock: parts.clock.clone(),
            credentials: parts.credentials,
            stop: parts.stop,
            side_events: parts.side_events,
            max_deletes,
            budget: Arc::new(BudgetGate::new(budget, parts.clock)),
            idle,
            max_outage,
            allowance: Allowance::unlimited(),
            state: Mutex::new(state),
        }
    }

    /// What is reported of the queue and the budget.
    pub(in crate::run) fn gauges(&self) -> QueueGauges {
        QueueGauges {
            queue: self.queue.clone(),
            acks: self.acks.clone(),
            budget: self.budget.clone(),
            clock: self.clock.clone(),
            side_events: self.side_events.clone(),
        }
    }

    /// Returns the next message, with the outcome of its name if it has waited for that; `None` if none has arrived for
    /// long enough, or the run stops.
    async fn message(
        &self,
        outage: &mut Option<Outage>,
    ) -> Result<Option<(Message, Option<Outcome>)>, QueueError> {
        let mut since = Instant::now();
        while !self.stop.is_cancelled() && !self.allowance.is_used_up() {
            if let Some((message, outcome)) = self.acks.next_ready() {
                return Ok(Some((message, Some(outcome))));
            }
            let left = self.idle.map_or(SLICE, |idle| idle.saturating_sub(since.elapsed()));
            // Without a wait this would be a busy loop.
            let left = left.max(LEAST);
            let taken = self.queue.take(left.min(SLICE)).await;
            if taken.is_ok() && outage.take().is_some() {
                self.report_reachable(true);
                since = Instant::now();
            }
            match taken {
                Ok(Some(message)) => return Ok(Some((message, None))),
                Ok(None) => {
                    // A message that waits for a name under way is still to come.
                    if self.idle.is_some_and(|idle| since.elapsed() >= idle) && !self.acks.has_waiting() {
                        return Ok(None);
                    }
                }
                Err(error) if error.is_transient() => {
                    if outage.is_none() {
                        self.report_reachable(false);
                    }
                    let outage = outage.get_or_insert_with(Outage::begin);
                    if self.max_outage.is_some_and(|max| outage.length() >= max) {
                        return Err(error);
                    }
                    tracing::warn!(%error, "trying again in {}", humantime::format_duration(outage.pause()));
                    tokio::select! {
                        () = outage.wait() => {}
                        () = self.stop.cancelled() => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Reports that the broker cannot be reached, or is there again.
    fn report_reachable(&self, is_reachable: bool) {
        if is_reachable {
            tracing::info!("the queue can be reached again");
        }
        self.acks.note_reachable(is_reachable);
        // The run receives side events until its last worker ends.
        let _ = self.side_events.send(SideEvent::QueueReachable(is_reachable));
    }

    /// Waits until another target may be handed out, unless something else is to be done meanwhile.
    async fn wait_for_budget(&self) {
        let is_over = || self.stop.is_cancelled() || self.allowance.is_used_up() || self.acks.is_any_ready();
        // An empty queue ends a run that does not follow it, whatever the budget says.
        let ending = self.idle.is_some().then_some(&*self.queue);
        self.budget.wait(is_over, ending).await;
    }

    /// Returns the target that `message` asks for, if one has to be sent.
    async fn consider(
        &self,
        state: &mut State,
        message: Message,
        shared: Option<Outcome>,
    ) -> Result<Option<Target>, StopReason> {
        let request = match &message.unreadable {
            Some(why) => Err(why.clone()),
            None => DeletionRequest::parse(&message.body).map_err(|why| why.to_string()),
        };
        let request = match request {
            Ok(request) => request,
            Err(why) => {
                self.refuse(message, why).await?;
                return Ok(None);
            }
        };
        let Some(message) = self.acks.defer(&request.name, message) else { return Ok(None) };
        let has_waited = shared.is_some();
        // A message that waited for another one of its name gets the outcome of that. If the name is gone, it is
        // skipped as already deleted.
        let shared = shared.filter(|outcome| !outcome.is_gone() && *outcome != Outcome::Skipped);
        let Some(holds) = self.holds.wait(&self.stop).await else {
            self.acks.put_back(message);
            return Ok(None);
        };
        state.rules.holds = holds;
        let mut skip = state.rules.skip(&request.name);
        if matches!(skip, Some((SkipReason::AlreadyDeleted, _))) && !message.redelivered && !has_waited {
            skip = if self.is_back(&request.name).await { None } else { skip };
        }
        if skip.is_none() && shared.is_none() && self.allowance.handed_out() >= self.max_deletes {
            self.acks.put_back(message);
            state.at_end = true;
            return Err(StopReason::Limit { limit: self.max_deletes });
        }
        if skip.is_none() && shared.is_none() && !self.budget.has_room() {
            self.acks.put_back(message);
            return Ok(None);
        }
        state.taken_on += 1;
        let (number, name) = (state.taken_on, request.name.clone());
        let target = requested(request, &message, number, self.clock.timestamp(), &self.credentials);
        let target = self.recorder.take_on(self.run, target).await?;
        if let Some(outcome) = shared {
            self.settle(target, name, (outcome, Evidence::AuditLog), None).await?;
            self.acks.acknowledge(message.receipt);
            return Ok(None);
        }
        let (kind, redelivered) = (ResourceKind::Datasource, message.redelivered);
        let doubted = state.reader.in_doubt(self.run, kind, name.as_str(), &self.base_url)?;
        let role = TargetRole::Datasource;
        let due = |name| Target { seq: target, number, name, role, attempts: 0, doubted, redelivered };
        if let Some((reason, words)) = skip {
            tracing::info!(datasource = name.as_str(), reason = reason.as_str(), "not sent: {words}");
            if reason.is_rule() && doubted {
                // "Skipped" says that it was never sent: a listing settles it.
                self.acks.add(target, name.clone(), message);
                let _ = self.side_events.send(SideEvent::Withheld(due(name), words));
                return Ok(None);
            }
            let skipped = (Outcome::Skipped, reason.evidence());
            self.settle(target, name, skipped, Some((reason.as_str(), words))).await?;
            self.acks.acknowledge(message.receipt);
            return Ok(None);
        }
        self.acks.add(target, name.clone(), message);
        self.allowance.hand_out();
        self.budget.hand_out(target);
        Ok(Some(due(name)))
    }

    /// Returns true if the datasource, which the audit log knows as deleted, exists now: then it was created again, and
    /// the message asks for the new one. If the listing cannot be read, the log counts.
    async fn is_back(&self, name: &DatasourceName) -> bool {
        let Some(lister) = &self.lister else { return false };
        match lister.datasources().await {
            Ok(names) => {
                let is_back = names.iter().any(|listed| listed == name.as_str());
                if is_back {
                    tracing::info!(
                        datasource = name.as_str(),
                        "deleted before, and exists again; it is sent"
                    );
                }
                is_back
            }
            Err(error) => {
                tracing::warn!(%error, datasource = name.as_str(), "cannot read whether it exists again; it counts as deleted, as the audit log says");
                false
            }
        }
    }

    /// Settles a target for which nothing is sent: with the outcome of the message of its name for which it waited, or
    /// skipped, with the word for why and why in words.
    async fn settle(
        &self,
        target: Seq,
        name: DatasourceName,
        (outcome, evidence): (Outcome, Evidence),
        skip: Option<(&'static str, String)>,
    ) -> Result<(), StopReason> {
        let at = self.clock.timestamp();
        let settlement = Settlement { target, name, at, outcome, evidence, answer: None, skip };
        self.recorder.settle(self.run, settlement).await?;
        Ok(())
    }

    /// Records that `message` is malformed, and moves it to the dead-letter queue.
    async fn refuse(&self, message: Message, why: String) -> Result<(), StopReason> {
        let body = String::from_utf8_lossy(&message.body);
        let refused = RefusedMessage {
            at: self.clock.timestamp(),
            message_id: self.credentials.redact(message.id.clone()),
            body: self.credentials.redact(body.chars().take(KEPT_CHARS).collect()),
            why: self.credentials.redact(why.clone()),
        };
        // One that comes back because the dead-letter queue did not take it is recorded already.
        if !(message.redelivered && self.acks.is_back(&message.body)) {
            self.recorder.refuse(self.run, refused).await?;
        }
        self.acks.set_aside(message, why, self.side_events.clone());
        Ok(())
    }
}

#[async_trait]
impl Feed for MessageFeed {
    async fn next(&self) -> Result<Option<Target>, StopReason> {
        let mut state = self.state.lock().await;
        while !state.at_end && !self.allowance.is_used_up() {
            self.wait_for_budget().await;
            let arrived = match state.first.take() {
                Some(first) => Some((first, None)),
                None => self.message(&mut state.outage).await?,
            };
            match arrived {
                None => state.at_end = !self.allowance.is_used_up(),
                Some((message, shared)) => {
                    if let Some(target) = self.consider(&mut state, message, shared).await? {
                        return Ok(Some(target));
                    }
                }
            }
        }
        Ok(None)
    }

    fn limit_to(&self, limit: u64) {
        self.allowance.limit_to(limit);
    }

    async fn confirm(&self, target: Seq) -> Result<Option<Withdrawal>, StopReason> {
        Ok((!self.acks.confirm(target).await).then(Withdrawal::given_back))
    }

    async fn withdraw(&self, target: Target, withdrawal: Withdrawal) -> Result<(), StopReason> {
        self.allowance.take_back();
        if withdrawal.needs_listing(&target) {
            let _ = self.side_events.send(SideEvent::Withheld(target, withdrawal.why));
            return Ok(());
        }
        let settlement = withdrawal.settlement(target.seq, target.name, self.clock.timestamp());
        self.recorder.settle(self.run, settlement).await?;
        Ok(())
    }

    fn settled(&self, target: Seq, outcome: Outcome) {
        self.budget.settled(target, outcome);
        self.acks.settled(target, outcome);
    }

    fn opened(&self, _: Seq) {}

    fn is_waited_for(&self) -> bool {
        true
    }

    fn is_any_waiting(&self) -> bool {
        false
    }

    fn has_more(&self) -> bool {
        false
    }
}
