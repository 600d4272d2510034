//! SIGINT and SIGTERM, from the program's start to its end. In a container decom is process 1, on
//! which these signals do nothing unless somebody listens.

use std::io;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::run::{Interrupt, StopReason};

/// More signals than this, while nobody takes them, say nothing new.
const WAITING: usize = 8;

/// Listens for SIGINT and SIGTERM. Until a run takes them, either ends the process at once: nothing
/// was sent then, and what is being written to an audit log is written whole or not at all.
#[derive(Debug, Clone)]
pub struct Interrupts {
    run: Arc<Mutex<Option<mpsc::Sender<Interrupt>>>>,
}

impl Interrupts {
    /// Listens from now on, on a thread of its own: the others may be waiting for a disk or a person.
    ///
    /// # Errors
    /// Where the system does not let it.
    pub fn listen() -> io::Result<Self> {
        let run: Arc<Mutex<Option<mpsc::Sender<Interrupt>>>> = Arc::default();
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut int, mut term) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let interrupts = Self { run };
        let listener = interrupts.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    listener.came(tokio::select! {
                        Some(()) = int.recv() => Interrupt::Int,
                        Some(()) = term.recv() => Interrupt::Term,
                        else => return,
                    });
                }
            });
        })?;
        Ok(interrupts)
    }

    /// From here on the signals are the run's, which decides what they do.
    pub(super) fn hand_over(&self) -> mpsc::Receiver<Interrupt> {
        let (sender, receiver) = mpsc::channel(WAITING);
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    fn came(&self, interrupt: Interrupt) {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, closed) = match &*run {
            None => (true, true),
            Some(sender) => {
                (false, matches!(sender.try_send(interrupt), Err(mpsc::error::TrySendError::Closed(_))))
            }
        };
        if closed {
            let reason = StopReason::Interrupted(interrupt);
            let what = if before { "nothing was sent" } else { "the run was over; `decom report` shows it" };
            // Past the locks of the standard library, one of which a question to the user may hold.
            // Where it cannot be written, the exit code alone tells it.
            let _ =
                rustix::io::write(rustix::stdio::stderr(), format!("\ndecom: {reason}; {what}\n").as_bytes());
            process::exit(reason.exit().code().into());
        }
    }
}
