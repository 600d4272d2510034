//! Runs the real binary, to its end or beside the test, and looks at what it prints and records.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};
use rustix::process::{Pid, Signal, kill_process};

use super::log::{ResultRow, results};
use super::{Sandbox, Server, TOKEN};

/// Longer than any step of a test takes, on a busy machine as well.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The settings of a run that waits for nothing and reads no listing. They are variables, so that a flag
/// still overrides each.
const FAST: &[(&str, &str)] = &[
    ("DECOM_RATE", "unlimited"),
    ("DECOM_MAX_SHARE", "100"),
    ("DECOM_MAX_DELETES", "100000"),
    ("DECOM_SAFETY_LISTING_CHECK", "false"),
    ("DECOM_API_LISTING_PATIENCE", "0s"),
    ("DECOM_SAFETY_BREAKER_FAILURES", "1000"),
    ("DECOM_SAFETY_BREAKER_WINDOW", "1000"),
    ("DECOM_RETRY_FIRST_BACKOFF", "1ms"),
    ("DECOM_RETRY_LONGEST_BACKOFF", "1ms"),
    ("DECOM_MAX_ATTEMPTS", "3"),
];

/// The settings of a run that sends one request at a time and checks against the listing what is gone.
pub const SEQUENTIAL: &[(&str, &str)] = &[
    ("DECOM_RATE", "unlimited"),
    ("DECOM_CONCURRENCY", "1"),
    ("DECOM_API_LISTING_PATIENCE", "0s"),
    ("DECOM_MAX_SHARE", "100"),
    ("DECOM_MAX_DELETES", "100000"),
    ("DECOM_RETRY_FIRST_BACKOFF", "1ms"),
    ("DECOM_RETRY_LONGEST_BACKOFF", "5ms"),
    ("DECOM_MAX_ATTEMPTS", "3"),
];

/// A `decom` command that is about to be run.
#[derive(Debug)]
pub struct Decom {
    command: Command,
    log: PathBuf,
    stdin: Vec<u8>,
}

impl Decom {
    /// A command in `folder` with an environment of its own, which may be `decom` or run it.
    pub fn of(mut command: Command, folder: &Path) -> Self {
        command.current_dir(folder);
        Self { command, log: folder.join("decom-audit.db"), stdin: Vec::new() }
    }

    /// Sends its requests to `url` as fast as it can, and reads no listing.
    pub fn fast(&mut self, url: &str) -> &mut Self {
        self.envs(FAST).env("DECOM_BASE_URL", url)
    }

    /// Sends its requests to `url`, one at a time, and checks against the listing what is gone.
    pub fn sequential(&mut self, url: &str) -> &mut Self {
        self.envs(SEQUENTIAL).env("DECOM_BASE_URL", url)
    }

    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(arguments);
        self
    }

    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub fn envs(&mut self, variables: &[(&str, &str)]) -> &mut Self {
        self.command.envs(variables.iter().copied());
        self
    }

    pub fn env_remove(&mut self, name: &str) -> &mut Self {
        self.command.env_remove(name);
        self
    }

    /// What it can read from its standard input; otherwise that is empty.
    pub fn stdin(&mut self, text: impl Into<Vec<u8>>) -> &mut Self {
        self.stdin = text.into();
        self
    }

    /// The command itself, for what is not done here.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it on a pseudo-terminal of its own.
    pub fn on_terminal(self, options: Options) -> PtySession {
        let patience = PATIENCE.as_millis().try_into().unwrap();
        spawn_with_options(self.command, options.timeout_ms(Some(patience))).unwrap()
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&mut self) -> Output {
        self.start().finish()
    }

    /// Starts it.
    #[track_caller]
    pub fn start(&mut self) -> Running {
        let input = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        self.command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = loop {
            match self.command.spawn() {
                // A copied program is busy while a process that another test starts holds the file open.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now()
                }
                started => break started.unwrap(),
            }
        };
        if let Some(mut input) = child.stdin.take() {
            let text = self.stdin.clone();
            // It need not read all of it.
            std::thread::spawn(move || drop(input.write_all(&text)));
        }
        let stdout = Printed::collect(child.stdout.take().unwrap());
        let stderr = Printed::collect(child.stderr.take().unwrap());
        Running { child, log: self.log.clone(), stdout, stderr, read_to: 0 }
    }
}

/// What a process has printed so far.
struct Printed(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_complete: bool,
}

impl Printed {
    /// Collects what comes from `pipe`, in a thread of its own.
    fn collect(mut pipe: impl Read + Send + 'static) -> Self {
        let printed = Self(Arc::default());
        let shared = printed.0.clone();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let read = pipe.read(&mut chunk).unwrap_or(0);
                let mut text = shared.0.lock().unwrap();
                text.bytes.extend_from_slice(&chunk[..read]);
                text.is_complete = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        printed
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// All of it; `None` if it does not end in time.
    fn whole(&self) -> Option<String> {
        let text = self.0.0.lock().unwrap();
        let (text, result) = self.0.1.wait_timeout_while(text, PATIENCE, |text| !text.is_complete).unwrap();
        (!result.timed_out()).then(|| String::from_utf8(text.bytes.clone()).unwrap())
    }
}

/// A `decom` that was started and may still run. It is killed when it is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
    stdout: Printed,
    stderr: Printed,
    /// How much of stderr [`Running::wait_for_line`] has been through.
    read_to: usize,
}

impl Running {
    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits for the next line of stderr that contains `words`, and returns it.
    #[track_caller]
    pub fn wait_for_line(&mut self, words: &str) -> String {
        let begun = Instant::now();
        let (text, changed) = &*self.stderr.0;
        let mut text = text.lock().unwrap();
        loop {
            while let Some(length) = text.bytes[self.read_to..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&text.bytes[self.read_to..][..length]).into_owned();
                self.read_to += length + 1;
                if line.contains(words) {
                    return line;
                }
            }
            let so_far = String::from_utf8_lossy(&text.bytes);
            assert!(!text.is_complete, "ended without `{words}`: {so_far}");
            assert!(begun.elapsed() < PATIENCE, "no line with `{words}` within {PATIENCE:?}: {so_far}");
            text = changed.wait_timeout(text, PATIENCE).unwrap().0;
        }
    }

    /// Waits until `condition` holds, and fails if the process ends before.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            let has_ended = self.child.try_wait().unwrap().is_some();
            assert!(!has_ended || condition(), "ended before {what}: {}", self.stderr());
            assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// A file of its folder in `/proc`.
    pub fn proc(&self, file: &str) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/{file}", self.id())).unwrap()
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        let (Some(stdout), Some(stderr)) = (self.stdout.whole(), self.stderr.whole()) else {
            panic!("still running after {PATIENCE:?}: {}", self.stderr());
        };
        let code = code(self.child.wait().unwrap());
        Output { code, stdout, stderr, log: self.log.clone(), results: OnceCell::new() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing if it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code, or the negative number of the signal that ended the process.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap())
}

/// How a process ended, what it printed, and what the audit log of its folder holds.
#[derive(Debug)]
pub struct Output {
    /// The exit code, or the negative number of the signal that ended the process.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    log: PathBuf,
    /// Read when they are first asked for.
    results: OnceCell<BTreeMap<String, ResultRow>>,
}

impl Output {
    /// Fails, showing everything, if the exit code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The message that the program ended with, without what it logged before.
    #[track_caller]
    pub fn message(&self) -> &str {
        let (_, message) =
            self.stderr.split_once("decom: ").unwrap_or_else(|| panic!("no message: {self:?}"));
        message.trim_end()
    }

    /// The results of the newest run when this is first called, by name.
    #[track_caller]
    pub fn results(&self) -> &BTreeMap<String, ResultRow> {
        self.results.get_or_init(|| {
            assert!(self.log.parent().is_some_and(Path::exists), "the sandbox is gone");
            results(&self.log)
        })
    }

    #[track_caller]
    pub fn result(&self, name: &str) -> &ResultRow {
        self.results().get(name).unwrap_or_else(|| panic!("{name:?} is not in the results: {self:#?}"))
    }

    #[track_caller]
    pub fn outcome(&self, name: &str) -> &str {
        &self.result(name).outcome
    }

    /// `outcome evidence` of a name.
    #[track_caller]
    pub fn outcome_and_evidence(&self, name: &str) -> String {
        let row = self.result(name);
        format!("{} {}", row.outcome, row.evidence)
    }

    /// Returns true if there are targets in the newest run, and all have this outcome.
    pub fn all_are(&self, outcome: &str) -> bool {
        !self.results().is_empty() && self.results().values().all(|row| row.outcome == outcome)
    }
}

/// Writes `names` as a CSV file.
pub fn csv(sandbox: &Sandbox, names: &[impl AsRef<str>]) -> String {
    let row = |name: &str| format!("\"{}\"\n", name.replace('"', "\"\""));
    let rows: String = names.iter().map(|name| row(name.as_ref())).collect();
    sandbox.file("names.csv", format!("datasource_name\n{rows}"));
    "names.csv".to_owned()
}

/// `decom ARGUMENTS --yes` against `server` as fast as it can.
pub fn decom(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    let mut command = sandbox.decom(arguments);
    command.fast(&server.url()).arg("--yes");
    command
}

/// Deletes `names` as fast as it can.
#[track_caller]
pub fn run(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>]) -> Output {
    run_with(sandbox, server, names, &[])
}

/// The same with further arguments.
#[track_caller]
pub fn run_with(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>], arguments: &[&str]) -> Output {
    let input = csv(sandbox, names);
    decom(sandbox, server, &["run", &input]).args(arguments).run()
}

impl Sandbox {
    /// `decom` in this folder, with an environment that holds the token and little else.
    pub fn decom(&self, arguments: &[impl AsRef<OsStr>]) -> Decom {
        let mut decom = self.program(env!("CARGO_BIN_EXE_decom"));
        decom.args(arguments);
        decom
    }

    /// Another program, which may run `decom`, in this folder and with the same environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Decom {
        let mut command = Command::new(program);
        command.env_clear().env("DATABRAIN_TOKEN", TOKEN).env("USER", "tester");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Decom::of(command, &self.path(""))
    }

    /// `decom ARGUMENTS --yes` against `server`, one request at a time, to its end.
    #[track_caller]
    pub fn run(&self, server: &Server, arguments: &[&str]) -> Output {
        self.sequential(server, arguments).run()
    }

    /// As [`Sandbox::run`], and does not wait for the end.
    #[track_caller]
    pub fn start(&self, server: &Server, arguments: &[&str]) -> Running {
        self.sequential(server, arguments).start()
    }

    /// As [`Sandbox::run`], and does not run yet.
    pub fn sequential(&self, server: &Server, arguments: &[&str]) -> Decom {
        let mut command = self.decom(arguments);
        command.sequential(&server.url()).arg("--yes");
        command
    }
}
