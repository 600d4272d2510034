//! The emulator's own account of deletions, against which a test can hold the client's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

/// A file that gets a line of JSON for each DELETE request before its answer goes out.
#[derive(Debug)]
pub(super) struct RequestLog(File);

/// One DELETE request.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    /// When the request was looked at, in microseconds of Unix time.
    pub(super) at: u64,
    /// Its `X-Request-Id`.
    pub(super) request_id: Option<&'a str>,
    /// The datasource; `null` where the query names none.
    pub(super) name: Option<&'a str>,
    /// What it did to the datasource.
    pub(super) did: Did,
    /// The HTTP status about to be sent; `null` where the connection is dropped instead.
    pub(super) status: Option<u16>,
}

/// What a request did to its datasource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Did {
    Deleted,
    Nothing,
}

impl RequestLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Hands the line to the operating system in one piece: it outlives this process.
    pub(super) fn append(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

/// `time` in microseconds since the epoch.
pub(super) fn unix_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
