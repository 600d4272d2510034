//! Executes a run: composes the feed of targets, the API and the audit log, and knows no TOML, no
//! CSV and no terminal.

mod breaker;
mod conclusion;
mod engine;
mod feed;
mod ledger;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use stop::{Interrupt, StopReason};

use crate::api::{ApiError, ApiOptions, Deleter, DeleterParts, Lister, RetryOptions};
use crate::audit::{AuditError, AuditReader, Recorder, RunEnding};
use crate::pace::{PaceEvent, Pacer};
use crate::vocabulary::{
    Answer, Clock, Counts, DatasourceName, ExitStatus, Outcome, RunEvent, Seq, Token, Verdict,
};
use conclusion::{Conclusion, Exhausted, exit_status};
use engine::Engine;
use feed::Feed;
use ledger::RunLedger;

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

/// How a run ended.
#[derive(Debug)]
pub struct RunReport {
    /// How many targets ended how.
    pub counts: Counts,
    /// Why it ended early, where it did.
    pub stopped: Option<StopReason>,
    /// Names that were deleted and are still listed.
    pub still_listed: Vec<String>,
    /// The exit code that tells all this.
    pub exit: ExitStatus,
}

/// Something that happened, told to the run's own loop once it is durable.
#[derive(Debug)]
enum Happening {
    Settled { name: DatasourceName, outcome: Outcome },
    Attempted { name: DatasourceName, verdict: Verdict },
    Exhausted(Exhausted),
    Unauthorized(Answer),
    AuditFailed(Arc<AuditError>),
    CannotGoOn(ApiError),
    Pace(PaceEvent),
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

/// Executes a run whose targets are in the audit log, until each is settled or there is reason to
/// stop, and records its end.
///
/// # Errors
/// Where the client cannot be set up, or the log cannot be read; nothing was sent then. What goes
/// wrong later is in the report.
#[tracing::instrument(name = "run", skip_all, fields(run_id = parts.run_id))]
pub async fn execute(parts: RunParts<'_>, happenings: Happenings) -> Result<RunReport, RunError> {
    let RunParts { run, run_id, recorder, reader, api, retry, token, pacer, clock, limits, .. } = parts;
    let Happenings { sender, mut receiver } = happenings;
    // A pause that was told of before the run began, while somebody was asked, may be long over.
    while receiver.try_recv().is_ok() {}
    let stop = CancellationToken::new();
    let counts = reader.counts(run)?;
    let protected = reader.protected(run)?;
    parts.watcher.event(&RunEvent::Begun { counts }, &counts);

    let ledger = RunLedger { run, recorder: recorder.clone(), happenings: sender.clone() };
    let deleter = Deleter::new(
        &api,
        retry,
        &token,
        DeleterParts {
            ledger: Arc::new(ledger),
            pacer: pacer.clone(),
            clock: clock.clone(),
            stop: stop.clone(),
            run_id,
        },
    )?;
    let feed = Arc::new(Feed::new(run, reader)?);
    let engine = Engine {
        limits,
        counts,
        stop,
        interrupts: parts.interrupts,
        happenings: &mut receiver,
        watcher: parts.watcher,
    };
    let worked = engine.work(Arc::new(deleter), feed.clone(), &sender).await;

    // All workers are gone, so nobody else holds the feed.
    let Some(feed) = Arc::into_inner(feed) else { return Err(RunError::Abandoned) };
    let reader = feed.into_reader();
    let mut stopped = worked.stopped;
    let mut still_listed = Vec::new();
    let ended = async {
        // Behind everything that was handed to the writer before.
        recorder.flush().await?;
        let conclusion = Conclusion { run, recorder: &recorder, reader: &reader, clock: &*clock };
        let answers = stopped.as_ref().is_none_or(StopReason::api_answers);
        let lister = if limits.listing_check && answers {
            Some(Lister::new(&api, &token, pacer, clock.clone(), CancellationToken::new()))
        } else {
            None
        };
        let lister = lister.and_then(Result::ok);
        // Where nobody could look, they stay due: the next start tries them again.
        let exhausted = if answers { worked.exhausted } else { Vec::new() };
        let reading = conclusion.settle(exhausted, lister.as_ref());
        still_listed = tokio::select! {
            read = reading => read?,
            Some(interrupt) = parts.interrupts.recv() => {
                stopped = Some(StopReason::Interrupted(interrupt));
                Vec::new()
            }
        };
        // Of a settlement that was interrupted, some may be on the way still: the end counts them, too.
        recorder.flush().await?;
        let counts = reader.counts(run)?;
        let exit = exit_status(stopped.as_ref(), &counts, protected, still_listed.len(), &limits);
        let ending = RunEnding {
            at: clock.timestamp(),
            status: stopped.as_ref().map_or("finished", StopReason::status),
            exit,
            why: stopped.as_ref().map(ToString::to_string),
            counts,
        };
        recorder.end_run(run, ending).await?;
        Ok::<_, Arc<AuditError>>((counts, exit))
    };
    Ok(match ended.await {
        Ok((counts, exit)) => RunReport { counts, stopped, still_listed, exit },
        Err(error) => {
            let counts = reader.counts(run).unwrap_or(counts);
            let stopped = match stopped {
                Some(StopReason::Audit(first)) => StopReason::Audit(first),
                _ => StopReason::Audit(error),
            };
            RunReport { counts, exit: stopped.exit(), stopped: Some(stopped), still_listed }
        }
    })
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
    /// A worker outlived its run, which a programming error alone can cause.
    #[error("a worker is still busy after the run; please report this")]
    Abandoned,
}
