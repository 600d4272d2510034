//! Asks for the holds before each request. While they cannot be read, it is unknown what may be deleted, and the run
//! pauses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::domain::{DatasourceName, Target, TargetRole};
use crate::plan::{HoldList, Holds, HoldsUnreadable};

/// How often it is tried to read the holds while that fails.
const INTERVAL: Duration = Duration::from_secs(1);

/// The holds of a run, which all its workers share.
#[derive(Clone)]
pub(super) struct HoldCheck {
    holds: Holds,
    /// The holds could not be read when they were waited for last.
    is_paused: Arc<AtomicBool>,
}

impl HoldCheck {
    pub(super) fn new(holds: Holds) -> Self {
        Self { holds, is_paused: Arc::default() }
    }

    /// Why `target` must not be deleted now, if it must not: it is on hold, or the datasource that it goes with is.
    pub(super) fn on(&self, target: &Target) -> Result<Option<String>, HoldsUnreadable> {
        let holds = self.holds.current()?;
        if let Some(why) = holds.on(&target.name) {
            return Ok(Some(why));
        }
        let TargetRole::Dependant { of, .. } = &target.role else { return Ok(None) };
        let datasource = DatasourceName::new(of).ok().and_then(|name| holds.on(&name));
        Ok(datasource.map(|why| format!("its datasource `{of}` is on hold: {why}")))
    }

    /// The holds, as soon as they can be read; `None` if the run stops before.
    pub(super) async fn wait(&self, stop: &CancellationToken) -> Option<Arc<HoldList>> {
        loop {
            match self.holds.current() {
                Ok(holds) => {
                    if self.is_paused.swap(false, Ordering::Relaxed) {
                        tracing::info!("the holds can be read again; the run continues");
                    }
                    return Some(holds);
                }
                Err(error) if !self.is_paused.swap(true, Ordering::Relaxed) => {
                    tracing::warn!("the run pauses until the holds can be read: {error}");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = stop.cancelled() => return None,
            }
        }
    }
}
