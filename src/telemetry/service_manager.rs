//! Reports to systemd, if it has started this process and wants to know, that a run is active, and that it stops.

use sd_notify::NotifyState;

use crate::domain::RunEvent;

/// Reports the event of a run. Without systemd, nothing happens.
pub fn notify_service_manager(event: &RunEvent) {
    match event {
        RunEvent::Begun { .. } => send(&[NotifyState::Ready, NotifyState::Status("a run is active")]),
        RunEvent::QueueUnreachable => {
            send(&[NotifyState::Status("the queue cannot be reached; waiting for it")]);
        }
        RunEvent::QueueReachable => send(&[NotifyState::Status("a run is active")]),
        RunEvent::Stopping { .. } => send(&[NotifyState::Stopping]),
        _ => {}
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}
