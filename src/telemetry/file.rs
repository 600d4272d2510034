//! The metrics in a file for the textfile collector of `node_exporter`: a reader finds the old file or the new
//! one, never a part.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::WatchError;
use super::metrics::Metrics;
use crate::domain::{Place, check_writable, lock, write_whole_file};

/// The collector runs as another user.
const MODE: u32 = 0o644;

/// What a file with decom's metrics begins with.
const KIND: Place = Place::Kind(&["# HELP decom_", "# TYPE decom_"]);

/// The file that metrics are written to.
pub(super) struct MetricsFile {
    path: PathBuf,
    metrics: Metrics,
    /// Locked during a write, so that older content never replaces newer.
    writing: Mutex<()>,
}

impl MetricsFile {
    pub(super) fn new(path: PathBuf, metrics: Metrics) -> Self {
        Self { path, metrics, writing: Mutex::new(()) }
    }

    /// Takes over the end of the last run from the file, so that it stays there during the next run.
    pub(super) fn resume(&self) {
        let Ok(text) = fs::read_to_string(&self.path) else { return };
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let end = value("decom_last_run_end_timestamp_seconds").and_then(|value| value.parse().ok());
        let exit = value("decom_last_run_exit_code").and_then(|value| value.parse().ok());
        if let (Some(end), Some(exit)) = (end, exit) {
            self.metrics.set_last_run(end, exit);
        }
    }

    /// Checks, and changes nothing, that metrics could be written to `path`.
    pub(super) fn check(path: &Path) -> Result<(), WatchError> {
        check_writable(path, KIND).map_err(|source| WatchError::File { path: path.to_owned(), source })
    }

    /// Replaces the file by the current metrics.
    pub(super) fn write(&self) -> Result<(), WatchError> {
        let _writing = lock(&self.writing);
        // The collector only reads files that end in .prom.
        write_whole_file(&self.path, KIND, Some(MODE), |out| out.write_all(self.metrics.text().as_bytes()))
            .map_err(|source| WatchError::File { path: self.path.clone(), source })
    }
}
