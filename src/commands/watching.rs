//! Who watches a command, and the runs that it carries out.

use std::cell::RefCell;

#[cfg(feature = "otlp")]
use super::CommandError;
#[cfg(feature = "otlp")]
use crate::config::{Environment, Settings};
use crate::domain::{Counts, ExitStatus, RunEvent, Webhook};
use crate::run::{RunReport, StopReason, Watcher};
#[cfg(feature = "otlp")]
use crate::telemetry::{ENDPOINTS, Traces};
use crate::telemetry::{MetricsWatcher, Outside, Watch};
use crate::terminal::Progress;

/// Who watches a command, and the runs that it carried out.
#[derive(Default)]
pub(super) struct Watching {
    pub(super) watch: Option<Watch>,
    pub(super) webhook: Option<Webhook>,
    pub(super) outside: Option<Outside>,
    pub(super) rehearsal: bool,
    pub(super) ran: RefCell<Vec<Ran>>,
}

/// A run that was carried out.
pub(super) struct Ran {
    pub(super) run_id: String,
    pub(super) api_host: String,
    pub(super) exit: ExitStatus,
    pub(super) stopped: Option<StopReason>,
    pub(super) counts: Counts,
}

/// All that watch one run: somebody in front of the terminal, and those who are elsewhere.
pub(super) struct Watchers {
    pub(super) progress: Progress,
    pub(super) metrics: Option<MetricsWatcher>,
}

impl Watchers {
    /// The run is over; where it could be carried out, with this report.
    pub(super) fn finish(&mut self, report: Option<&RunReport>) {
        self.progress.finish();
        if let (Some(metrics), Some(report)) = (&mut self.metrics, report) {
            metrics.ended(&report.counts);
        }
    }
}

impl Watcher for Watchers {
    fn event(&mut self, event: &RunEvent, counts: &Counts) {
        self.progress.event(event, counts);
        if let Some(metrics) = &mut self.metrics {
            metrics.event(event, counts);
        }
    }

    fn tick(&mut self, counts: &Counts) {
        self.progress.tick(counts);
        if let Some(metrics) = &mut self.metrics {
            metrics.tick(counts);
        }
    }
}

impl Watching {
    /// A run was carried out, which is told at the end.
    pub(super) fn note(&self, run_id: &str, api_host: String, report: &RunReport) {
        let (stopped, counts) = (report.stopped.clone(), report.counts);
        let run_id = run_id.to_owned();
        self.ran.borrow_mut().push(Ran { run_id, api_host, exit: report.exit, stopped, counts });
    }
}

/// Spans to a collector, where the environment names one.
#[cfg(feature = "otlp")]
pub(super) fn traces(
    environment: &Environment,
    settings: &Settings,
    version: &'static str,
) -> Result<Option<Traces>, CommandError> {
    for variable in ENDPOINTS {
        if environment.get(variable)?.is_some_and(|address| !address.is_empty()) {
            return Ok(Some(Traces::start(settings.api.ca_file.as_deref(), version)?));
        }
    }
    Ok(None)
}
