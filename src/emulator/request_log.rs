//! The emulator's own account of deletions, with which a test compares the client's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

/// A file that gets a line of JSON for each DELETE request before the reply is sent.
#[derive(Debug)]
pub(super) struct RequestLog(File);

/// One DELETE request.
#[derive(Debug, Serialize)]
pub(super) struct LoggedRequest<'a> {
    /// When the request was decided, in microseconds of Unix time.
    pub(super) at: u64,
    /// Its `X-Request-Id`.
    pub(super) request_id: Option<&'a str>,
    /// `datasource` or `datamart`.
    pub(super) kind: &'static str,
    /// The datasource or datamart; `null` if the query names none.
    pub(super) name: Option<&'a str>,
    pub(super) did: Effect,
    /// The HTTP status about to be sent; `null` if the connection is cut instead.
    pub(super) status: Option<u16>,
}

/// What a request did to its datasource or datamart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    Deleted,
    Nothing,
}

impl RequestLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Hands the line to the operating system in one piece, so it outlives this process.
    pub(super) fn append(&mut self, request: &LoggedRequest<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

/// `time` in microseconds since the epoch.
pub(super) fn unix_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
