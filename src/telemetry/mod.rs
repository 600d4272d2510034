//! Reports a run to other systems, while it lasts and at its end: metrics for Prometheus, notices to a webhook,
//! the hashes of the audit log to a time-stamp authority.
//! Nothing here can delay a run or change how it ends.

mod error;
mod file;
mod metrics;
mod notice;
mod post;
mod server;
mod service_manager;
mod text;
mod thread;
mod timestamps;
#[cfg(feature = "otlp")]
mod traces;
mod watcher;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

pub use error::WatchError;
pub use notice::{
    EndedRun, MadePlan, Notice, NoticeForm, NoticeOrigin, NoticeSubject, RefusedCommand, SavedPlanFile,
    StartedRun,
};
pub use post::Outside;
pub use service_manager::notify_service_manager;
pub use timestamps::Timestamps;
#[cfg(feature = "otlp")]
pub use traces::{ENDPOINTS, Traces};
pub use watcher::MetricsWatcher;

use crate::domain::{Clock, ExitStatus, lock};
use crate::ratelimit::Rate;
use file::MetricsFile;
use metrics::Metrics;
use post::PushGroup;
use thread::WatchThread;

/// How long all reports at the end may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same after a signal, whose sender does not wait for long.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

pub struct WatchOptions {
    pub metrics_addr: Option<SocketAddr>,
    pub metrics_file: Option<PathBuf>,
    pub push_gateway: Option<Url>,
    /// The version of decom.
    pub version: &'static str,
    /// The name under which a push gateway groups metrics.
    pub instance: String,
    /// The command, if its end must not replace that of the last run.
    pub command: Option<&'static str>,
    pub clock: Arc<dyn Clock>,
}

/// Watches one command from its beginning to its end.
pub struct Watch {
    metrics: Metrics,
    /// Stops when it is dropped.
    _thread: Option<WatchThread>,
    file: Option<Arc<MetricsFile>>,
    push_gateway: Option<Url>,
    group: PushGroup,
    clock: Arc<dyn Clock>,
    /// Notices that are under way.
    sending: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Watch {
    /// Checks, and changes nothing, that metrics could be written to this file.
    ///
    /// # Errors
    /// If they could not.
    pub fn check_file(path: &Path) -> Result<(), WatchError> {
        MetricsFile::check(path)
    }

    /// Begins to serve and to write metrics. `/readyz` fails until a run begins.
    pub fn start(options: WatchOptions) -> Result<Self, WatchError> {
        let metrics = Metrics::new(options.version);
        let file = options.metrics_file.map(|path| MetricsFile::new(path, metrics.clone())).map(Arc::new);
        if let Some(file) = &file {
            file.resume();
            file.write()?;
        }
        let thread = match (options.metrics_addr, &file) {
            (None, None) => None,
            (address, file) => Some(WatchThread::start(address, file.clone(), metrics.clone())?),
        };
        let WatchOptions { push_gateway, instance, command, clock, .. } = options;
        let group = PushGroup { instance, command };
        Ok(Self { metrics, _thread: thread, file, push_gateway, group, clock, sending: Mutex::default() })
    }

    /// Counts what happens in a run at this rate.
    #[must_use]
    pub fn watcher(&self, rate: Rate) -> MetricsWatcher {
        MetricsWatcher::new(self.metrics.clone(), rate, self.clock.clone())
    }

    /// Takes note that the broker of the queue can be reached, or cannot, before a run begins.
    pub fn queue(&self, is_reachable: bool) {
        self.metrics.queue(is_reachable);
    }

    /// Takes note of how much of the limit of a day is used.
    pub fn budget(&self, used: u64, limit: u64) {
        self.metrics.budget(used, limit);
    }

    /// Returns true if something is sent at the end, or still under way.
    #[must_use]
    pub fn has_farewell(&self, notices: &[Notice]) -> bool {
        self.push_gateway.is_some() || !notices.is_empty() || !lock(&self.sending).is_empty()
    }

    /// Sends `notice` during the run. It has a thread of its own, which the run does not wait for.
    pub fn send(&self, outside: Arc<Outside>, notice: Notice) {
        let (done, sent) = oneshot::channel();
        let post = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime.map(|runtime| runtime.block_on(post::notify(&outside, &notice))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the notice could not be sent to the webhook"),
                Err(error) => tracing::warn!(%error, "the notice could not be sent to the webhook"),
            }
            // At the end nobody may be waiting any more.
            let _ = done.send(());
        };
        match std::thread::Builder::new().name("notice".to_owned()).spawn(post) {
            Ok(_) => lock(&self.sending).push(sent),
            Err(error) => tracing::warn!(%error, "the notice could not be sent to the webhook"),
        }
    }

    /// The command is over: `/readyz` fails from now on, and the file gets its last content.
    pub fn over(&self, exit: ExitStatus) {
        self.metrics.over(self.clock.timestamp(), exit);
        if let Some(file) = &self.file
            && let Err(error) = file.write()
        {
            tracing::warn!(%error, "the metrics of the end could not be written");
        }
    }

    /// Sends the metrics to the push gateway and `notices` to the webhook, within a few seconds. A failure is a
    /// warning.
    pub async fn farewell(&self, outside: &Outside, notices: &[Notice], soon: bool) {
        let push = async {
            let Some(gateway) = &self.push_gateway else { return };
            if let Err(error) = post::push(outside, gateway, &self.group, self.metrics.text()).await {
                tracing::warn!(%error, "the metrics could not be pushed");
            }
        };
        let sending = std::mem::take(&mut *lock(&self.sending));
        let notify = async {
            // In their order.
            for sent in sending {
                let _ = sent.await;
            }
            for notice in notices {
                if let Err(error) = post::notify(outside, notice).await {
                    tracing::warn!(%error, "the notice could not be sent to the webhook");
                }
            }
        };
        let time = if soon { SHORT_PATIENCE } else { PATIENCE };
        if timeout(time, async { tokio::join!(push, notify) }).await.is_err() {
            tracing::warn!("not everything could be sent within {} s", time.as_secs());
        }
    }
}
