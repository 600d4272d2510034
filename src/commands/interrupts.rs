//! SIGHUP, SIGINT and SIGTERM, from the program's start to its end. In a container decom is process 1, on which
//! these signals have no effect unless it listens for them.

use std::fs;
use std::io;
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::domain::lock;
use crate::run::{Interrupt, StopReason};

/// More signals than this that no run has taken say nothing new.
const WAITING: usize = 8;

/// Listens for the signals. Until a run takes them, each ends the process at once: nothing was sent then, and what is
/// being written to an audit log is written whole or not at all.
#[derive(Debug, Clone)]
pub struct Interrupts {
    run: Arc<Mutex<Option<mpsc::Sender<Interrupt>>>>,
}

impl Interrupts {
    /// Listens from now on, on a thread of its own: the others may be waiting for a disk or a user.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        let run: Arc<Mutex<Option<mpsc::Sender<Interrupt>>>> = Arc::default();
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut hup, mut int, mut term) = {
            let _entered = runtime.enter();
            let hup = (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose()?;
            (hup, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        {
            let _entered = runtime.enter();
            // Whoever listens survives it: writing then fails as on a full disk, and the log fails closed. The handler
            // stays when its receiver is dropped.
            drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        }
        let interrupts = Self { run };
        let listener = interrupts.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    listener.came(tokio::select! {
                        Some(()) = next(hup.as_mut()) => Interrupt::Hup,
                        Some(()) = int.recv() => Interrupt::Int,
                        Some(()) = term.recv() => Interrupt::Term,
                        else => return,
                    });
                }
            });
        })?;
        Ok(interrupts)
    }

    /// From now on the signals are the run's, which decides what they do.
    pub(super) fn hand_over(&self) -> mpsc::Receiver<Interrupt> {
        let (sender, receiver) = mpsc::channel(WAITING);
        *lock(&self.run) = Some(sender);
        receiver
    }

    fn came(&self, interrupt: Interrupt) {
        let run = lock(&self.run);
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
            // If it cannot be written, the exit code is all there is.
            let _ =
                rustix::io::write(rustix::stdio::stderr(), format!("\ndecom: {reason}; {what}\n").as_bytes());
            process::exit(reason.exit().code().into());
        }
    }
}

async fn next(signal: Option<&mut Signal>) -> Option<()> {
    signal?.recv().await
}

/// Returns true if the process was started with SIGHUP ignored, as `nohup` does: then it stays ignored.
fn ignores_hangup() -> bool {
    // SIGHUP is signal 1, and so the lowest bit.
    const HANGUP: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & HANGUP != 0)
}
