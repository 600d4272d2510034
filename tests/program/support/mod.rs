//! What the tests of the program share: a clean environment, a folder of their own, and questions
//! to the audit log.

pub mod cuts;
pub mod draining;
pub mod fetch;
pub mod forgery;
pub mod gate;
pub mod history;
pub mod keys;
pub mod live;
#[cfg(feature = "sqs")]
pub mod moto;
pub mod nats;
pub mod page;
pub mod postbox;
pub mod process;
pub mod queues;
pub mod rabbit;
pub mod redis;
pub mod reply;
pub mod scripted;
pub mod server;
pub mod servers;
pub mod session;
pub mod tls;
pub mod venv;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A token that must never be seen anywhere.
pub const TOKEN: &str = "dbn_live_c4n4ry0123456789abcdef";

/// A folder of its own for one test.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
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

    /// `decom` in this folder, with an environment that holds the token and nothing else.
    pub fn decom(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("decom").unwrap();
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("DATABRAIN_TOKEN", TOKEN)
            .env("USER", "tester")
            .args(arguments);
        command
    }

    /// The audit log where no other was named.
    pub fn log(&self) -> PathBuf {
        self.path("decom-audit.db")
    }
}

/// SHA-256, in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Says where nobody can miss it that a test was not run. Where all have to be, as in `.ci/run`, it
/// fails.
pub fn skipped(test: &str, why: &str) {
    use std::io::Write;
    assert!(std::env::var_os("TEST_ALL").is_none(), "{test} cannot be run: {why}");
    // Straight to the file: the test harness keeps what a test that passes prints to itself.
    let mut out = std::io::stderr();
    writeln!(out, "\nSKIPPED {test}: {why}").unwrap();
}

/// One column of the rows that a query of the audit log finds, as text.
pub fn column(log: &Path, query: &str) -> Vec<String> {
    let connection =
        rusqlite::Connection::open_with_flags(log, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement
        .query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Null => String::new(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Real(value) => value.to_string(),
                other => String::from_utf8_lossy(other.as_bytes()?).into_owned(),
            })
        })
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
