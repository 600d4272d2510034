//! Tells others of a run, while it goes on and when it is over: Prometheus, and whoever waits for a
//! webhook. Nothing here can hold up a run, or change how it ends.

mod error;
mod file;
mod metrics;
mod notice;
mod post;
mod server;
mod text;
mod thread;
#[cfg(feature = "otlp")]
mod traces;
mod watcher;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use url::Url;

pub use error::WatchError;
pub use notice::{Notice, NoticeForm};
pub use post::Outside;
#[cfg(feature = "otlp")]
pub use traces::{ENDPOINTS, Traces};
pub use watcher::MetricsWatcher;

use crate::domain::{Clock, ExitStatus};
use crate::ratelimit::Rate;
use file::MetricsFile;
use metrics::Metrics;
use thread::WatchThread;

/// How long all that is told at the end may take together.
const FAREWELL: Duration = Duration::from_secs(10);

/// The same after a signal: whoever sent it does not wait for long.
const SHORT_FAREWELL: Duration = Duration::from_secs(3);

/// Who is told, and of what.
pub struct WatchOptions {
    /// Where metrics are served.
    pub metrics_addr: Option<SocketAddr>,
    /// The file that metrics are written to.
    pub metrics_file: Option<PathBuf>,
    /// Where metrics are pushed to at the end.
    pub push_gateway: Option<Url>,
    /// The version of decom.
    pub version: &'static str,
    /// The machine, as a push gateway files it.
    pub host: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Watches one command from its beginning to its end.
pub struct Watch {
    metrics: Metrics,
    thread: Option<WatchThread>,
    file: Option<Arc<MetricsFile>>,
    push_gateway: Option<Url>,
    host: String,
    clock: Arc<dyn Clock>,
}

impl Watch {
    /// Begins to serve, and to write. Nothing is ready before a run begins.
    ///
    /// # Errors
    /// Where the address cannot be listened at, or the file not be written.
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
        let WatchOptions { push_gateway, host, clock, .. } = options;
        Ok(Self { metrics, thread, file, push_gateway, host, clock })
    }

    /// What a run at this rate tells of itself.
    #[must_use]
    pub fn watcher(&self, rate: Rate) -> MetricsWatcher {
        MetricsWatcher::new(self.metrics.clone(), rate, self.clock.clone())
    }

    /// Whether there is anybody who is told at the end.
    #[must_use]
    pub const fn has_farewell(&self, notices: &[Notice]) -> bool {
        self.push_gateway.is_some() || !notices.is_empty()
    }

    /// The command is over. From here on nothing is ready; the file has its last content.
    pub fn over(&self, exit: ExitStatus) {
        self.metrics.over(self.clock.timestamp(), exit);
        if let Some(file) = &self.file
            && let Err(error) = file.write()
        {
            tracing::warn!(%error, "the metrics of the end could not be written");
        }
    }

    /// Tells the push gateway and the webhook. What goes wrong is a warning, and takes no longer than
    /// a few seconds.
    pub async fn farewell(&self, outside: &Outside, notices: &[Notice], soon: bool) {
        let push = async {
            let Some(gateway) = &self.push_gateway else { return };
            if let Err(error) = post::push(outside, gateway, &self.host, self.metrics.text()).await {
                tracing::warn!(%error, "the metrics could not be pushed");
            }
        };
        let notify = async {
            for notice in notices {
                if let Err(error) = post::notify(outside, notice).await {
                    tracing::warn!(%error, "the webhook could not be told how the run ended");
                }
            }
        };
        let time = if soon { SHORT_FAREWELL } else { FAREWELL };
        if timeout(time, async { tokio::join!(push, notify) }).await.is_err() {
            tracing::warn!("not all could be told of the end within {} s", time.as_secs());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.thread.take());
    }
}
