//! Where workers run: lanes, each a runtime of one thread with an HTTP client of its own.
//!
//! The run's own runtime is the first lane, and mostly the only one. Where nothing holds the rate back, more
//! of them share the work of HTTP. What a worker does stays on its lane's thread, its connections and the
//! news that its records are durable included: to wake a task from another thread costs a system call.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::processors::{Processors, Share};
use crate::api::{ApiError, Deleter};
use crate::audit::Recorder;

/// Shorter than the times that requests are given.
const TICK: Duration = Duration::from_secs(1);

/// The lanes of a run; their threads end when they are dropped.
pub(super) struct Lanes {
    all: Vec<Lane>,
    over: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    /// The first lane's.
    _share: Share,
}

/// One of them.
pub(super) struct Lane {
    pub(super) runtime: Handle,
    pub(super) deleter: Arc<Deleter>,
}

impl Lanes {
    /// Opens `count` lanes, the first being the runtime that this runs on, and that `recorder` tells. `deleter`
    /// makes the one that deletes there, given who records there, the lane's number from 0 and, behind the
    /// first lane, the first one's.
    ///
    /// # Errors
    /// Where a thread cannot be started, or the client cannot be set up.
    pub(super) fn open(
        count: usize,
        recorder: &Recorder,
        deleter: impl Fn(Recorder, usize, Option<&Deleter>) -> Result<Deleter, ApiError>,
    ) -> Result<Self, RunError> {
        // Looked up before this thread keeps to its share: those that it starts may run where it does.
        let processors = Processors::shared_by(count);
        let mut opened = Self {
            all: Vec::new(),
            over: CancellationToken::new(),
            threads: Vec::new(),
            _share: processors.keep_to_share(0),
        };
        // The first lane has the run's own loop beside it, and the last one the log.
        recorder.on_the_writers_thread(move || processors.keep_to_share(count - 1).for_good());
        for number in 0..count {
            let (runtime, recorder) = if number == 0 {
                (Handle::current(), recorder.clone())
            } else {
                let runtime =
                    opened.start(number, processors).map_err(|source| RunError::Thread { source })?;
                let (recorder, relay) = recorder.relayed();
                runtime.spawn(relay);
                (runtime, recorder)
            };
            let first = opened.all.first().map(|lane| &*lane.deleter);
            let deleter = Arc::new(deleter(recorder, number, first)?);
            opened.all.push(Lane { runtime, deleter });
        }
        Ok(opened)
    }

    /// The lane of a worker: they take turns.
    pub(super) fn of(&self, worker: usize) -> &Lane {
        &self.all[worker % self.all.len()]
    }

    fn start(&mut self, number: usize, processors: Processors) -> io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, over) = (runtime.handle().clone(), self.over.clone());
        let thread = std::thread::Builder::new().name(format!("lane {number}")).spawn(move || {
            let _share = processors.keep_to_share(number);
            // Where no timer is running that ends earlier, a request that begins with one of its own wakes the
            // thread that it runs on, by a system call; so one always is.
            runtime.block_on(async { while timeout(TICK, over.cancelled()).await.is_err() {} });
            // A name that is still being looked up must not hold up the end.
            runtime.shutdown_background();
        })?;
        self.threads.push(thread);
        Ok(handle)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.over.cancel();
        for thread in self.threads.drain(..) {
            // Where it panicked, its workers have told it already.
            let _ = thread.join();
        }
    }
}
