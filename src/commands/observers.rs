//! The observers of a command: the progress on the terminal, metrics, and the webhook. None of them changes how the
//! command ends.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::domain::{Counts, ExitStatus, RunEvent, Webhook};
use crate::ratelimit::Rate;
use crate::run::{RunReport, StopReason, Watcher};
use crate::telemetry::{MadePlan, MetricsWatcher, Outside, Timestamps, Watch, notify_service_manager};
use crate::terminal::Progress;

/// The observers of one command, and the runs that it carried out.
#[derive(Default)]
pub(super) struct Observers {
    pub(super) watch: Option<Watch>,
    pub(super) webhook: Option<Webhook>,
    pub(super) outside: Option<Arc<Outside>>,
    pub(super) timestamps: Option<Arc<Timestamps>>,
    pub(super) is_rehearsal: bool,
    /// The audit log's file.
    pub(super) audit_db: String,
    /// A run began.
    pub(super) has_begun: Cell<bool>,
    pub(super) runs: RefCell<Vec<ObservedRun>>,
    pub(super) plans: RefCell<Vec<MadePlan>>,
}

pub(super) struct ObservedRun {
    pub(super) id: String,
    pub(super) api_host: String,
    pub(super) exit: ExitStatus,
    pub(super) stopped: Option<StopReason>,
    pub(super) counts: Counts,
}

impl Observers {
    /// The observers of a run at this rate.
    pub(super) fn of_run(&self, progress: Progress, rate: Rate) -> RunObservers {
        RunObservers { progress, metrics: self.watch.as_ref().map(|watch| watch.watcher(rate)) }
    }

    /// The broker of the queue can be reached, or cannot, before a run begins.
    pub(super) fn queue(&self, is_reachable: bool) {
        if !is_reachable {
            notify_service_manager(&RunEvent::QueueUnreachable);
        }
        if let Some(watch) = &self.watch {
            watch.queue(is_reachable);
        }
    }

    /// A plan was made.
    pub(super) fn add_plan(&self, plan: MadePlan) {
        self.plans.borrow_mut().push(plan);
    }

    /// A run was carried out.
    pub(super) fn add(&self, run_id: &str, api_host: String, report: &RunReport) {
        self.runs.borrow_mut().push(ObservedRun {
            id: run_id.to_owned(),
            api_host,
            exit: report.exit,
            stopped: report.stopped.clone(),
            counts: report.counts,
        });
    }
}

/// All that observe one run: the progress on the terminal, systemd, and the metrics.
pub(super) struct RunObservers {
    progress: Progress,
    metrics: Option<MetricsWatcher>,
}

impl RunObservers {
    /// The run is over, with this report if it could be carried out.
    pub(super) fn finish(&mut self, report: Option<&RunReport>) {
        self.progress.finish();
        if let (Some(metrics), Some(report)) = (&mut self.metrics, report) {
            metrics.ended(&report.counts);
        }
    }
}

impl Watcher for RunObservers {
    fn event(&mut self, event: &RunEvent, counts: &Counts) {
        self.progress.event(event, counts);
        notify_service_manager(event);
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
