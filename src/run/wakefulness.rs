//! Notices that the process slept: it was stopped, or its machine was suspended.
//!
//! What was checked when a run began, its listing, guards and plan, was true then. A run that slept for long stops, and
//! `resume` checks all of that again.

use std::sync::Mutex;
use std::time::Duration;

use super::StopReason;
use crate::domain::{BootTime, lock};

/// How often a process that is awake notes that it is.
const NOTE: Duration = Duration::from_secs(1);

/// Notices that the process slept for longer than a run may.
#[derive(Debug)]
pub(super) struct Wakefulness {
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    awake_at: BootTime,
    slept: Option<Duration>,
}

impl Wakefulness {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, state: Mutex::new(State { awake_at: BootTime::now(), slept: None }) }
    }

    /// Passes unless the process has slept for too long since this was made.
    pub(super) fn check(&self) -> Result<(), StopReason> {
        let mut state = lock(&self.state);
        let gap = state.awake_at.elapsed();
        if gap > self.longest && state.slept.is_none() {
            state.slept = Some(gap);
        }
        state.awake_at = BootTime::now();
        match state.slept {
            Some(gap) => Err(StopReason::Slept { gap, longest: self.longest }),
            None => Ok(()),
        }
    }

    /// Notes again and again that the process is awake, until this is dropped.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(NOTE).await;
            // What it finds is remembered, and stops the run before its next request.
            let _ = self.check();
        }
    }
}
