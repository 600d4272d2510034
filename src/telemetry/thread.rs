//! A separate thread serves metrics and writes them to the file, so that neither depends on what the run does.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::file::MetricsFile;
use super::metrics::Metrics;
use super::{WatchError, server};

/// How often the file is written.
const INTERVAL: Duration = Duration::from_secs(15);

/// Dropping it closes every connection and waits for the end of the thread.
pub(super) struct WatchThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WatchThread {
    /// Serves at `address`, which accepts connections on return, and writes to `file`.
    pub(super) fn start(
        address: Option<SocketAddr>,
        file: Option<Arc<MetricsFile>>,
        metrics: Metrics,
    ) -> Result<Self, WatchError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(WatchError::Thread)?;
        let listener = match address {
            None => None,
            Some(address) => {
                let failed = |source| WatchError::Listen { address, source };
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                tracing::info!("metrics are served at http://{address}/metrics");
                let _entered = runtime.enter();
                Some(tokio::net::TcpListener::from_std(listener).map_err(failed)?)
            }
        };
        let (stop, stopped) = oneshot::channel();
        let work = async move {
            let serve = async {
                match listener {
                    Some(listener) => server::serve(listener, metrics).await,
                    None => std::future::pending().await,
                }
            };
            let write = async {
                match file {
                    Some(file) => write_periodically(&file).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = serve => {}
                () = write => {}
                // Also when the sender is dropped.
                _ = stopped => {}
            }
        };
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || runtime.block_on(work))
            .map_err(WatchError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for WatchThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Writes the file until it is dropped. Of repeated failures only the first is logged.
async fn write_periodically(file: &MetricsFile) {
    let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut succeeded = true;
    loop {
        ticks.tick().await;
        match file.write() {
            Ok(()) => succeeded = true,
            Err(error) if succeeded => {
                tracing::warn!(%error, "the metrics could not be written; trying again");
                succeeded = false;
            }
            Err(_) => {}
        }
    }
}
