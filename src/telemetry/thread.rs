//! A thread of its own for what must go on whatever the run does: serving metrics, and writing them
//! now and then.

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
const EVERY: Duration = Duration::from_secs(15);

/// The thread. Dropping it closes every connection and waits for its end.
pub(super) struct WatchThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WatchThread {
    /// Serves at `address` and writes to `file`. The address accepts connections on return.
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
                    Some(file) => keep(&file).await,
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
            // A panic of that thread has been printed; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// Writes the file now and then, for ever. Of troubles that stay, only the first is told.
async fn keep(file: &MetricsFile) {
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut well = true;
    loop {
        ticks.tick().await;
        match file.write() {
            Ok(()) => well = true,
            Err(error) if well => {
                tracing::warn!(%error, "the metrics could not be written; trying again");
                well = false;
            }
            Err(_) => {}
        }
    }
}
