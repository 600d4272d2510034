//! The harness that all tests of the program share.
//!
//! [`Sandbox`] is a folder of one test, [`decom`] runs the real binary in it, [`Server`] stands for the API and
//! for everything else that speaks HTTP, and [`log`] asks the audit log. [`Estate`] is a sandbox beside the
//! embedded emulator.

pub mod cuts;
pub mod datamarts;
pub mod draining;
pub mod estate;
pub mod faketime;
pub mod fetch;
pub mod forgery;
pub mod gate;
pub mod history;
pub mod keys;
pub mod listings;
pub mod log;
#[cfg(feature = "sqs")]
pub mod moto;
pub mod nats;
pub mod page;
pub mod process;
pub mod queues;
pub mod rabbit;
pub mod raw_amqp;
pub mod raw_nats;
pub mod redis;
pub mod reply;
pub mod server;
pub mod servers;
pub mod socks;
pub mod tls;
pub mod tsa;
pub mod venv;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub use self::estate::Estate;
pub use self::log::{column, rows};
pub use self::process::{Decom, Output, PATIENCE, Running, csv, decom, run, run_with};
pub use self::reply::{Fault, Reply};
pub use self::server::{Request, Server};

/// A token that must never be seen anywhere.
pub const TOKEN: &str = "dbn_live_c4n4ry0123456789abcdef";

/// A folder of its own for one test.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: TempDir::new_in(fast_folder()).unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Makes a pipe that nobody writes to.
    pub fn pipe(&self, name: &str) {
        let made = std::process::Command::new("mkfifo").arg(self.path(name)).status().unwrap();
        assert!(made.success());
    }

    /// Writes a CSV file with a header and these names.
    pub fn names(&self, file: &str, names: &[impl AsRef<str>]) {
        let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        self.file(file, format!("name\n{}\n", names.join("\n")));
    }

    /// The default audit log.
    pub fn log(&self) -> PathBuf {
        self.path("decom-audit.db")
    }
}

/// A folder in memory if there is one with plenty of space: what takes longest otherwise is waiting for the disk.
pub fn fast_folder() -> PathBuf {
    const PLENTY: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let has_space = |stat: rustix::fs::StatVfs| stat.f_bavail * stat.f_frsize > PLENTY;
    if std::env::var_os("TMPDIR").is_none() && rustix::fs::statvfs(memory).is_ok_and(has_space) {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// The names of the entries of a folder, sorted.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Returns true if strace cannot trace here, so that `test` is skipped.
pub fn strace_is_missing(test: &str) -> bool {
    let trial = std::process::Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let missing = !trial.is_ok_and(|output| output.status.success());
    if missing {
        skipped(test, "strace cannot be run, or may not trace");
    }
    missing
}

/// Reports prominently that a test was not run. Under `TEST_ALL`, as in `.ci/run`, it fails instead.
pub fn skipped(test: &str, why: &str) {
    use std::io::Write;
    assert!(std::env::var_os("TEST_ALL").is_none(), "{test} cannot be run: {why}");
    // Directly to the file: the test harness captures what a passing test prints.
    let mut out = std::io::stderr();
    writeln!(out, "\nSKIPPED {test}: {why}").unwrap();
}
