//! SIGINT and SIGTERM, handed to the run.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::run::Interrupt;

/// Listens from now on. Must be called inside the runtime.
pub(super) fn listen() -> std::io::Result<mpsc::Receiver<Interrupt>> {
    let (sender, receiver) = mpsc::channel(8);
    for (kind, interrupt) in
        [(SignalKind::interrupt(), Interrupt::Int), (SignalKind::terminate(), Interrupt::Term)]
    {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(interrupt).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}
