//! Executes a run: composes the feed of targets, the API and the audit log, and knows no TOML, no
//! CSV and no terminal.

mod breaker;
mod conclusion;
mod end;
mod engine;
mod feed;
mod lanes;
mod ledger;
mod processors;
mod settler;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

pub use end::given_back;
pub use feed::{QueueSupply, Supply};
pub use stop::{Interrupt, StopReason};

use crate::api::{ApiError, ApiOptions, Deleter, DeleterParts, Lister, RetryOptions};
use crate::audit::{AuditError, AuditReader, Gathering, Recorder};
use crate::domain::{
    Answer, Clock, Counts, DatasourceName, ExitStatus, Outcome, RunEvent, Seq, Token, Verdict,
};
use crate::queue::QueueError;
use crate::ratelimit::{PaceEvent, Pacer, Rate};
use conclusion::Exhausted;
use end::End;
use engine::{Crew, Engine};
use feed::{Feed, LogFeed, MessageFeed, MessageFeedParts, Owed};
use lanes::Lanes;
use ledger::RunLedger;
use settler::Settler;

/// From this concurrency on a run is to be as fast as can be, where nothing holds the rate back.
const FULL_SPEED: usize = 32;

/// More threads than this do not make HTTP faster than one thread can write its records.
const MOST_LANES: usize = 4;

/// How long a small commit waits for more records, where nothing but the log holds the rate back: much
/// shorter than what is durable beforehand lasts.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);

/// Shows what happens. Called from the run's own loop: it must not block.
pub trait Watcher: Send {
    /// Something happened, and `counts` holds after it.
    fn event(&mut self, event: &RunEvent, counts: &Counts);

    /// Time passed. Called about once a second, also while nothing happens.
    fn tick(&mut self, counts: &Counts);
}

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// How many threads may share the work where nothing holds the rate back.
    pub threads: usize,
    /// So many targets are delivered alone at first; 0 for none.
    pub canary: u64,
    /// How long requests in flight may take once the run stops.
    pub grace: Duration,
    /// The run stops where this many …
    pub breaker_failures: usize,
    /// … of this many settled targets failed.
    pub breaker_window: usize,
    /// Whether the listing is read at the end.
    pub listing_check: bool,
    /// Whether "not found" counts as success.
    pub ignore_not_found: bool,
}

/// What a run is executed with.
pub struct RunParts<'a> {
    /// Its place in the audit log.
    pub run: Seq,
    /// Its id.
    pub run_id: String,
    /// Writes the audit log.
    pub recorder: Recorder,
    /// Reads the audit log.
    pub reader: AuditReader,
    /// Where its targets come from.
    pub supply: Supply,
    /// How the API is reached.
    pub api: ApiOptions,
    /// How often a target is tried.
    pub retry: RetryOptions,
    /// The service token.
    pub token: Token,
    /// The pace that all workers share.
    pub pacer: Pacer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub limits: Limits,
    /// Requests to end, for as long as the run goes on.
    pub interrupts: &'a mut mpsc::Receiver<Interrupt>,
    /// Shows what happens.
    pub watcher: &'a mut dyn Watcher,
}

/// Messages that made no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusedMessages {
    /// How many times one was recorded.
    pub recorded: u64,
    /// How many are on the dead-letter queue for certain.
    pub set_aside: u64,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunReport {
    /// How many targets ended how.
    pub counts: Counts,
    /// Why it ended early, where it did.
    pub stopped: Option<StopReason>,
    /// Names that were deleted and are still listed.
    pub still_listed: Vec<String>,
    /// Messages that made no sense.
    pub refused: RefusedMessages,
    /// The exit code that tells all this.
    pub exit: ExitStatus,
}

/// Something that happened, told to the run's own loop once it is durable.
#[derive(Debug)]
enum Happening {
    TakenOn {
        name: DatasourceName,
    },
    /// Settled without an attempt of its own.
    Shared {
        name: DatasourceName,
        outcome: Outcome,
    },
    Refused {
        message_id: String,
        why: String,
    },
    Answered {
        name: DatasourceName,
        verdict: Verdict,
        latency: Duration,
        /// The target and its outcome, where the answer settled it.
        settled: Option<(Seq, Outcome)>,
    },
    Exhausted(Box<Exhausted>),
    /// Settled by a reading of the listing.
    Listed {
        target: Seq,
        name: DatasourceName,
        outcome: Outcome,
    },
    Unauthorized(Answer),
    AuditFailed(Arc<AuditError>),
    QueueFailed(QueueError),
    LimitReached(u64),
    CannotGoOn(ApiError),
    Pace(PaceEvent),
    /// Changes nothing, and is shown.
    Shown(RunEvent),
}

/// Through this the pace tells of its pauses, from before the run begins.
#[derive(Debug)]
pub struct Happenings {
    sender: mpsc::UnboundedSender<Happening>,
    receiver: mpsc::UnboundedReceiver<Happening>,
}

impl Default for Happenings {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver }
    }
}

impl Happenings {
    /// What the pace calls.
    #[must_use]
    pub fn pace_hook(&self) -> Arc<dyn Fn(PaceEvent) + Send + Sync> {
        let sender = self.sender.clone();
        Arc::new(move |event| drop(sender.send(Happening::Pace(event))))
    }
}

/// Executes a run until each of its targets is settled or there is reason to stop, and records its end.
///
/// # Errors
/// Where the client cannot be set up, or the log cannot be read; nothing was sent then. What goes
/// wrong later is in the report.
#[tracing::instrument(name = "run", skip_all, fields(run_id = parts.run_id))]
pub async fn execute(parts: RunParts<'_>, happenings: &mut Happenings) -> Result<RunReport, RunError> {
    let RunParts { run, run_id, recorder, reader, api, retry, token, pacer, clock, limits, .. } = parts;
    let Happenings { sender, receiver } = happenings;
    let (recorder, relay) = recorder.relayed();
    tokio::spawn(relay);
    // A pause that was told of before the run began, while somebody was asked, may be long over.
    while receiver.try_recv().is_ok() {}
    let stop = CancellationToken::new();
    let counts = reader.counts(run)?;
    parts.watcher.event(&RunEvent::Begun { counts }, &counts);

    // Nothing but the log holds the rate back: while as many requests as may be are under way, the records
    // of as many more become durable, so that none of them waits for the disk.
    let at_full_speed = pacer.rate() == Rate::Unlimited
        && limits.concurrency >= FULL_SPEED
        && matches!(parts.supply, Supply::Log);
    let (workers, count) = if at_full_speed {
        // Of the attempts that wait for the log, of which there are as many as requests under way, three
        // quarters share a commit, where that is not too large: what the others have ready lasts until it is
        // done. Each of them comes with the answer to the one before.
        recorder.gather(Gathering { records: 3 * limits.concurrency / 2, time: LONGEST_GATHERING });
        (2 * limits.concurrency, limits.threads.clamp(1, MOST_LANES.min(limits.concurrency)))
    } else {
        (limits.concurrency, 1)
    };
    // Each worker enters and leaves it several times for each request, and all lanes count that in one place.
    // Without a queue, which has its own troubles, none of them has anything to tell but at level debug.
    let span =
        if at_full_speed && LevelFilter::current() < Level::DEBUG { Span::none() } else { Span::current() };
    let lanes = Lanes::open(count, &recorder, |recorder, number, first| {
        let slots = limits.concurrency / count + usize::from(number < limits.concurrency % count);
        let parts = DeleterParts {
            ledger: Arc::new(RunLedger { run, recorder, happenings: Arc::new(sender.clone()) }),
            pacer: pacer.clone(),
            slots,
            clock: clock.clone(),
            // Each lane looks at one of its own, several times for each request.
            stop: stop.child_token(),
            run_id: run_id.clone(),
        };
        match first {
            None => Deleter::new(&api, retry, &token, parts),
            Some(first) => first.beside(&api, retry, &token, parts),
        }
    })?;
    let lister = Lister::new(&api, &token, pacer, clock.clone(), CancellationToken::new())?;
    let lister = limits.listing_check.then(|| Arc::new(lister));
    let (feed, owed): (Arc<dyn Feed>, _) = match parts.supply {
        Supply::Log => (Arc::new(LogFeed::new(run, AuditReader::open(reader.path())?)?), None),
        Supply::Queue(supply) => {
            let owed = Owed::new(supply.queue.clone());
            let parts = MessageFeedParts {
                run,
                base_url: api.base_url.as_str().to_owned(),
                supply,
                owed: owed.clone(),
                reader: AuditReader::open(reader.path())?,
                recorder: recorder.clone(),
                lister: lister.clone(),
                clock: clock.clone(),
                token: token.clone(),
                stop: stop.clone(),
                happenings: sender.clone(),
            };
            (Arc::new(MessageFeed::new(parts)), Some(owed))
        }
    };
    let settler = feed.is_waited_for().then(|| Settler {
        run,
        recorder: recorder.clone(),
        clock: clock.clone(),
        lister: lister.clone(),
        reading: None,
    });
    let engine = Engine {
        limits,
        counts,
        stop,
        interrupts: parts.interrupts,
        happenings: receiver,
        watcher: &mut *parts.watcher,
        feed,
        settler,
    };
    let keeping = owed.clone().map(|owed| tokio::spawn(owed.keep()));
    let worked = engine.work(Crew { lanes: &lanes, workers, sender, span }).await;
    let end = End { run, recorder: &recorder, reader: &reader, clock: &*clock, limits, owed: owed.as_ref() };
    let report = end.come_to(worked, lister.as_deref(), parts.interrupts).await;
    drop(lanes);
    // The last answers became durable when the engine had stopped to listen.
    while let Ok(happening) = receiver.try_recv() {
        let event = match happening {
            Happening::Shown(event) => event,
            Happening::Answered { verdict, latency, .. } => RunEvent::Answered { verdict, latency },
            _ => continue,
        };
        parts.watcher.event(&event, &report.counts);
    }
    if let Some(keeping) = keeping {
        keeping.abort();
    }
    Ok(report)
}

/// Why a run could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The audit log cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The client cannot be set up.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A thread cannot be started.
    #[error("a thread of the run cannot be started: {source}; nothing was sent")]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
}
