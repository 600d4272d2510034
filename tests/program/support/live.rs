//! `decom` as a process that is looked at, and sent signals, while it runs.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::session::{Ended, HASTY};
use super::{Sandbox, TOKEN, server::Server};

/// No step of a test takes longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A `decom` that was started and may still run.
pub struct Running {
    pid: Pid,
    output: Receiver<Output>,
}

/// Starts `decom ARGUMENTS` as [`super::session::decom`] does.
pub fn start(sandbox: &Sandbox, server: &Server, arguments: &[&str], settings: &[(&str, &str)]) -> Running {
    let mut command = command(sandbox, arguments);
    command.envs(HASTY.iter().copied()).env("DECOM_BASE_URL", server.url()).arg("--yes");
    command.envs(settings.iter().copied());
    Running::of(command)
}

/// `decom ARGUMENTS` in `sandbox`, as a command of the standard library.
pub fn command(sandbox: &Sandbox, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_decom"));
    command.current_dir(sandbox.path("")).env_clear().env("DATABRAIN_TOKEN", TOKEN).env("USER", "tester");
    command.args(arguments);
    command
}

impl Running {
    /// Starts `command` with nothing to read.
    pub fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            // Nobody listens any more where the test has failed already.
            let _ = sender.send(child.wait_with_output().unwrap());
        });
        Self { pid, output }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// A file of its folder in `/proc`.
    pub fn proc(&self, file: &str) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/{file}", self.pid.as_raw_nonzero())).unwrap()
    }

    /// Waits until it is over.
    pub fn ended(mut self, sandbox: &Sandbox) -> Ended {
        let output = wait(&mut self.output);
        // Reaped: its id may be somebody else's by now.
        std::mem::forget(self);
        Ended::of(sandbox, output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test failed while it ran. Where it is over already, its thread has sent that.
        if self.output.try_recv().is_err() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Waits for something that another thread sends.
#[track_caller]
pub fn wait<T>(receiver: &mut Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => panic!("nothing happened for {PATIENCE:?}"),
        RecvTimeoutError::Disconnected => panic!("whoever was waited for is gone"),
    })
}
