//! Executes a run: composes the feed of targets, the rate limit, the API and the audit log, and knows no TOML, no CSV
//! and no terminal.

mod breaker;
mod deliver;
mod end;
mod engine;
mod feed;
mod holds;
mod listing;
mod retry;
mod stop;
mod wakefulness;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use end::{STOPPED, given_back};
pub use feed::{QueueSupply, Supply};
pub use retry::RetryOptions;
pub use stop::{Interrupt, StopReason};

use crate::api::{ApiError, ApiOptions, Deleter, Dependants, Lister};
use crate::audit::{AuditError, AuditReader, DuePart, Recorder};
use crate::domain::{
    Acceptance, Clock, Counts, Credentials, ExitStatus, ResourceKind, RunEvent, Seq, Target,
};
use crate::plan::Holds;
use crate::ratelimit::{PaceEvent, Pacer};
use breaker::Breaker;
use deliver::Delivery;
use end::End;
use engine::{Engine, State};
use feed::{Feed, LogFeed, LogFeedParts, MessageFeed, MessageFeedParts, PendingAcks};
use holds::HoldCheck;
use listing::ListingJudge;
use wakefulness::Wakefulness;

/// Shows what happens. Called from the run's own loop: it must not block.
pub trait Watcher: Send {
    /// Takes an event, and the counts after it.
    fn event(&mut self, event: &RunEvent, counts: &Counts);

    /// Called about once a second, also if nothing happens.
    fn tick(&mut self, counts: &Counts);
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How many targets are delivered first, before all others; 0 for none.
    pub canary: u64,
    /// How long requests in flight may take once the run stops.
    pub grace: Duration,
    /// A run over a list stops if it slept for longer.
    pub max_sleep: Duration,
    /// The run stops if this many …
    pub breaker_failures: usize,
    /// … of this many settled targets failed.
    pub breaker_window: usize,
    /// The listing is read at the end.
    pub listing_check: bool,
    /// What counts as expected in the exit code, besides a deletion.
    pub accept: Acceptance,
}

/// What a run is executed with.
pub struct RunParts<'a> {
    /// Its place in the audit log.
    pub run: Seq,
    pub run_id: String,
    pub recorder: Recorder,
    pub reader: AuditReader,
    /// Where the targets come from.
    pub supply: Supply,
    /// Names that must not be deleted for now: asked for again before each request.
    pub holds: Holds,
    pub api: ApiOptions,
    pub retry: RetryOptions,
    pub credentials: Credentials,
    pub pacer: Pacer,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    /// Signals that ask the run to end.
    pub interrupts: &'a mut mpsc::Receiver<Interrupt>,
    pub watcher: &'a mut dyn Watcher,
}

/// How many malformed messages a run met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusedMessages {
    /// How often one was recorded.
    pub recorded: u64,
    /// How many are certainly on the dead-letter queue.
    pub set_aside: u64,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunReport {
    pub counts: Counts,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
    /// Names that are said to be gone and are still listed.
    pub still_listed: Vec<String>,
    pub refused: RefusedMessages,
    /// How many messages are left in its queue, if it was to take all of them.
    pub waiting: u64,
    pub exit: ExitStatus,
}

/// An event that does not come through the audit log.
#[derive(Debug)]
enum SideEvent {
    Pace(PaceEvent),
    Stop(StopReason),
    /// The broker of the queue cannot be reached, or is there again.
    QueueReachable(bool),
    /// A number that is shown, and changes nothing.
    Gauge(RunEvent),
    /// A target that is due, but must not be sent, and why: a listing settles it.
    Withheld(Target, String),
}

/// The channel through which the rate limit reports its pauses, made before the run begins.
#[derive(Debug)]
pub struct SideChannel {
    sender: mpsc::UnboundedSender<SideEvent>,
    receiver: mpsc::UnboundedReceiver<SideEvent>,
}

impl Default for SideChannel {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver }
    }
}

impl SideChannel {
    /// Returns the function that the rate limit calls.
    #[must_use]
    pub fn pace_hook(&self) -> Arc<dyn Fn(PaceEvent) + Send + Sync> {
        let sender = self.sender.clone();
        Arc::new(move |event| drop(sender.send(SideEvent::Pace(event))))
    }
}

/// Executes a run until each of its targets is settled or there is reason to stop, and records its end.
///
/// # Errors
/// If the client cannot be set up, or the log cannot be read; nothing was sent then. What goes wrong later is in the
/// report.
#[tracing::instrument(name = "run", skip_all, fields(run_id = parts.run_id))]
pub async fn execute(parts: RunParts<'_>, channel: &mut SideChannel) -> Result<RunReport, RunError> {
    let RunParts { run, run_id, recorder, reader, api, retry, credentials, pacer, clock, mut limits, .. } =
        parts;
    let SideChannel { sender, receiver } = channel;
    // A pause that was reported before the run began, during the confirmation, may be over.
    while receiver.try_recv().is_ok() {}
    let (stop, commits) = (CancellationToken::new(), recorder.commits());
    let counts = reader.counts(run)?;
    parts.watcher.event(&RunEvent::Begun { counts }, &counts);

    let lister = Lister::new(&api, &credentials, pacer.clone(), clock.clone(), CancellationToken::new())?;
    let kinds = reader.kinds_of(run)?;
    let lister_of_run = Lister::new(&api, &credentials, pacer.clone(), clock.clone(), stop.clone())?;
    let holds = HoldCheck::new(parts.holds);
    let delivery = Delivery {
        run,
        run_id,
        recorder: recorder.clone(),
        pacer,
        deleter: Deleter::new(&api, &credentials, clock.clone())?,
        dependants: Dependants::new(lister_of_run.clone(), credentials.clone()),
        holds: holds.clone(),
        retry,
        clock: clock.clone(),
        stop: stop.clone(),
    };
    let lister = limits.listing_check.then_some(lister);
    let wakefulness = Arc::new(Wakefulness::new(limits.max_sleep));
    let (feed, acks, gauges): (Arc<dyn Feed>, _, _) = match parts.supply {
        Supply::Log { protection, kept, canary } => {
            let mut canary = canary.unwrap_or_default();
            if kinds.contains(&ResourceKind::Datamart) && limits.canary == 0 {
                // Without one that was asked for, it is the first whole group.
                limits.canary = 1;
                canary = reader.first_group(run)?.into_iter().collect();
            }
            let parts = LogFeedParts {
                run,
                reader: AuditReader::open(reader.path())?,
                recorder: recorder.clone(),
                clock: clock.clone(),
                credentials,
                protection,
                kept,
                holds,
                canary,
                lister: lister_of_run,
                stop: stop.clone(),
                side_events: sender.clone(),
                wakefulness: wakefulness.clone(),
            };
            (Arc::new(LogFeed::new(parts)?), None, None)
        }
        Supply::Queue(supply) => {
            let acks = PendingAcks::new(supply.queue.clone(), supply.max_outage);
            let parts = MessageFeedParts {
                run,
                base_url: api.base_url.as_str().to_owned(),
                supply: *supply,
                acks: acks.clone(),
                reader: AuditReader::open(reader.path())?,
                recorder: recorder.clone(),
                lister: lister.clone(),
                holds,
                clock: clock.clone(),
                credentials,
                stop: stop.clone(),
                side_events: sender.clone(),
            };
            let feed = MessageFeed::new(parts);
            let gauges = feed.gauges();
            (Arc::new(feed), Some(acks), Some(gauges))
        }
    };
    let judge = ListingJudge { run, recorder: recorder.clone(), clock: clock.clone(), lister, kinds };
    let mut engine = Engine {
        breaker: Breaker::new(limits.breaker_window, limits.breaker_failures),
        limits,
        delivery: Arc::new(delivery),
        feed,
        recorder,
        judge: &judge,
        stop,
        interrupts: parts.interrupts,
        commits,
        side_events: receiver,
        watcher: parts.watcher,
        state: State::new(counts, reader.due(run, DuePart::InDoubt, 0, u32::MAX)?),
    };
    let keeping = match acks.clone() {
        Some(acks) => tokio::spawn(acks.keep()),
        None => tokio::spawn(async move { wakefulness.keep().await }),
    };
    let gauges = gauges.map(|gauges| tokio::spawn(gauges.report()));
    engine.work().await;
    if let Some(gauges) = gauges {
        gauges.abort();
    }
    let end = End { run, engine: &mut engine, reader: &reader, clock: &*clock, acks: acks.as_ref() };
    let report = end.finish().await;
    keeping.abort();
    Ok(report)
}

/// Why a run could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Api(#[from] ApiError),
}
