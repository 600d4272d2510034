//! Settles, while the run goes on, what its attempts could not: by a reading of the listing now and
//! then. Only where somebody waits for each outcome; otherwise one reading at the end does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Happening;
use super::conclusion::{Exhausted, settle_exhausted};
use crate::api::Lister;
use crate::audit::Recorder;
use crate::domain::{Clock, Seq};

/// How far apart two readings of the listing are at least: each costs requests that could delete.
const APART: Duration = Duration::from_secs(30);

/// Settles what is exhausted by readings of the listing.
pub(super) struct Settler {
    pub(super) run: Seq,
    pub(super) recorder: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    /// Without one, what is exhausted is settled by its last answer.
    pub(super) lister: Option<Arc<Lister>>,
    /// The reading that is under way, or was the last.
    pub(super) reading: Option<Reading>,
}

/// One reading of the listing.
pub(super) struct Reading {
    begun: Instant,
    task: JoinHandle<()>,
    /// What it is to settle.
    exhausted: Vec<Exhausted>,
    /// Whether the listing was read, and outcomes are being recorded.
    settles: Arc<AtomicBool>,
}

impl Settler {
    /// Begins a reading for what is exhausted, unless one is under way or was just made.
    pub(super) fn tick(&mut self, exhausted: &mut Vec<Exhausted>, sender: &UnboundedSender<Happening>) {
        let is_busy = self.reading.as_ref().is_some_and(|reading| {
            !reading.task.is_finished() || (self.lister.is_some() && reading.begun.elapsed() < APART)
        });
        if exhausted.is_empty() || is_busy {
            return;
        }
        let exhausted = std::mem::take(exhausted);
        let (due, settles) = (exhausted.clone(), Arc::new(AtomicBool::new(false)));
        let settling = settles.clone();
        let (run, recorder, clock) = (self.run, self.recorder.clone(), self.clock.clone());
        let (lister, sender) = (self.lister.clone(), sender.clone());
        let task = tokio::spawn(async move {
            // The run listens until this is over.
            let tell = |happening| drop(sender.send(happening));
            let found = match &lister {
                None => None,
                Some(lister) => match lister.datasources().await {
                    Ok(names) => Some(names),
                    Err(error) => {
                        tracing::warn!(%error, "what got no clear answer is settled without the listing");
                        None
                    }
                },
            };
            settling.store(true, Ordering::Relaxed);
            let names: Option<HashSet<&str>> =
                found.as_ref().map(|names| names.iter().map(String::as_str).collect());
            let settled = |target, name: &crate::domain::DatasourceName, outcome| {
                tell(Happening::Listed { target, name: name.clone(), outcome });
            };
            let written =
                settle_exhausted(run, &recorder, &*clock, exhausted, names.as_ref(), &settled).await;
            if let Err(error) = written {
                tell(Happening::AuditFailed(error));
            }
        });
        self.reading = Some(Reading { begun: Instant::now(), task, exhausted: due, settles });
    }

    /// Ends a reading that is under way, and returns what it leaves to be settled.
    pub(super) async fn stop(&mut self) -> Vec<Exhausted> {
        let Some(reading) = self.reading.take() else { return Vec::new() };
        let left = !reading.task.is_finished() && !reading.settles.load(Ordering::Relaxed);
        if left {
            reading.task.abort();
        }
        // Either it was told to end, or it only has to record what it has read.
        let _ = reading.task.await;
        if left { reading.exhausted } else { Vec::new() }
    }
}
