//! The program as a process that can be watched and killed while it goes on.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Sandbox, TOKEN};

/// Longer than this nothing that a test waits for may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// A settings file for tests: no limits but those that a test is about, and timeouts that pass soon.
pub const QUICK: &str = r#"
[api]
connect_timeout = "2s"
response_timeout = "2s"
attempt_timeout = "4s"
[pace]
rate = "unlimited"
concurrency = 1
[retry]
max_attempts = 3
first_backoff = "1ms"
longest_backoff = "5ms"
[safety]
max_deletes = 100000
max_share = 100.0
"#;

/// A process of the program.
pub struct Running {
    child: Child,
    output: [PathBuf; 2],
}

/// How it ended.
#[derive(Debug)]
pub struct Finished {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    /// Starts `decom ARGUMENTS` in the sandbox.
    pub fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decom"));
        command.args(arguments);
        Self::of(sandbox, command)
    }

    /// Starts `command` in the sandbox, with the environment that decom gets there.
    pub fn of(sandbox: &Sandbox, command: Command) -> Self {
        Self::told_in(sandbox, sandbox, command)
    }

    /// As [`Running::of`], and keeps what the process says in another sandbox.
    pub fn told_in(told: &Sandbox, sandbox: &Sandbox, mut command: Command) -> Self {
        let output = ["stdout", "stderr"].map(|name| told.path(name));
        let [out, err] = output.each_ref().map(|path| Stdio::from(File::create(path).unwrap()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .current_dir(sandbox.path(""))
            .env_clear()
            .env("PATH", path)
            .env("DATABRAIN_TOKEN", TOKEN)
            .env("USER", "tester");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = loop {
            match command.spawn() {
                // A copy of a program is busy while another test's child holds what it was written through.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now()
                }
                started => break started.unwrap(),
            }
        };
        Self { child, output }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.output[1]).unwrap()
    }

    /// Waits until `condition` holds.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !condition(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || condition(self), "ended before {what}: {}", self.stderr());
            assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub fn finish(mut self) -> Finished {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > DEADLINE {
                self.child.kill().unwrap();
                panic!("does not end: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let [stdout, stderr] = self.output.each_ref().map(|path| std::fs::read_to_string(path).unwrap());
        Finished { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is gone already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sandbox {
    /// `decom ARGUMENTS` with [`QUICK`] settings against `base_url`, to its end.
    pub fn quick(&self, base_url: &str, arguments: &[&str]) -> Finished {
        self.start_quick(base_url, arguments).finish()
    }

    /// As [`Sandbox::quick`], and does not wait for the end.
    pub fn start_quick(&self, base_url: &str, arguments: &[&str]) -> Running {
        if !self.path("quick.toml").exists() {
            self.file("quick.toml", QUICK);
        }
        let mut all = arguments.to_vec();
        all.extend(["--config", "quick.toml", "--yes", "--base-url", base_url]);
        Running::start(self, &all)
    }

    /// A file with a header and these names.
    pub fn names(&self, file: &str, names: &[&str]) {
        self.file(file, format!("name\n{}\n", names.join("\n")));
    }
}
