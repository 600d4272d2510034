//! The metrics in a file, for the textfile collector of `node_exporter`: always whole.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::WatchError;
use super::metrics::Metrics;
use crate::domain::lock;

/// The file that metrics are written to.
pub(super) struct MetricsFile {
    path: PathBuf,
    metrics: Metrics,
    /// Held while it is written, so that nothing older goes over something newer.
    writing: Mutex<()>,
}

impl MetricsFile {
    pub(super) fn new(path: PathBuf, metrics: Metrics) -> Self {
        Self { path, metrics, writing: Mutex::new(()) }
    }

    /// Takes over what the file tells of the last run's end, so that this does not vanish while the
    /// next one goes on.
    pub(super) fn resume(&self) {
        // Where there is none, or something else, there is nothing to take over.
        let Ok(text) = fs::read_to_string(&self.path) else { return };
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let end = value("decom_last_run_end_timestamp_seconds").and_then(|value| value.parse().ok());
        let exit = value("decom_last_run_exit_code").and_then(|value| value.parse().ok());
        if let (Some(end), Some(exit)) = (end, exit) {
            self.metrics.remember(end, exit);
        }
    }

    /// Writes the metrics of now beside it, and gives that its name.
    pub(super) fn write(&self) -> Result<(), WatchError> {
        let failed = |source| WatchError::File { path: self.path.clone(), source };
        let _writing = lock(&self.writing);
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // The collector takes names that end in .prom, and is somebody else.
        let mut file = tempfile::Builder::new()
            .prefix(".decom-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .map_err(failed)?;
        file.write_all(self.metrics.text().as_bytes()).map_err(failed)?;
        file.persist(&self.path).map(drop).map_err(|error| failed(error.error))
    }
}
