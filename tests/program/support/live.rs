//! `decom` as a process that is looked at, and sent signals, while it runs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
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
    stderr: Receiver<String>,
    /// The lines of stderr that were looked at already.
    heard: Vec<String>,
    /// It was waited for, and its id may be somebody else's by now.
    pid_is_free: bool,
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
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        // Nobody listens any more to the threads where the test has failed already.
        let (line, stderr) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|found| line.send(found)));
        let (sender, output) = channel();
        std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        Self { pid, output, stderr, heard: Vec::new(), pid_is_free: false }
    }

    /// Waits until a line of stderr has `words` in it, and returns it.
    #[track_caller]
    pub fn wait_to_hear(&mut self, words: &str) -> String {
        loop {
            let line = wait(&mut self.stderr);
            let found = line.contains(words);
            self.heard.push(line.clone());
            if found {
                return line;
            }
        }
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
        let mut output = wait(&mut self.output);
        // Whoever wrote to it is gone, so this ends.
        self.heard.extend(self.stderr.iter());
        output.stderr = self.heard.join("\n").into_bytes();
        self.pid_is_free = true;
        Ended::of(sandbox, output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test failed while it ran. Where it is over already, its thread has sent that.
        if !self.pid_is_free && self.output.try_recv().is_err() {
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
