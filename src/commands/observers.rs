//! The observers of a command: metrics, spans, and the webhook that gets a notice of how its runs ended. None of
//! them changes how the command ends.

use std::cell::RefCell;
use std::path::{Path, absolute};

use super::CommandError;
use super::context::{Context, VERSION, host, quoted};
use super::execution::block_on;
use crate::audit::{AuditError, AuditReader};
use crate::config::{NoticeForm, find_webhook};
use crate::domain::{Counts, ExitStatus, LogState, RunEvent, RunSummary, Webhook};
use crate::ratelimit::Rate;
use crate::run::{RunReport, StopReason, Watcher};
use crate::telemetry::{self, MetricsWatcher, Notice, Outside, Watch, WatchOptions};
use crate::terminal::Progress;

/// The observers of one command, and the runs that it carried out.
#[derive(Default)]
pub(super) struct Observers {
    watch: Option<Watch>,
    webhook: Option<Webhook>,
    outside: Option<Outside>,
    is_rehearsal: bool,
    runs: RefCell<Vec<ObservedRun>>,
}

struct ObservedRun {
    id: String,
    api_host: String,
    exit: ExitStatus,
    stopped: Option<StopReason>,
    counts: Counts,
}

/// Carries out `command`, observed as the settings say; a dry run leaves no trace.
///
/// # Errors
/// If an observer cannot be started: then nothing is begun. Otherwise what `command` returns.
pub(super) fn observed<'a>(
    mut context: Context<'a>,
    is_rehearsal: bool,
    command: impl FnOnce(&Context<'a>) -> Result<ExitStatus, CommandError>,
) -> Result<ExitStatus, CommandError> {
    if !context.options.dry_run {
        context.observers = Observers::start(&context, is_rehearsal)?;
    }
    let result = command(&context);
    let exit = result.as_ref().map_or_else(CommandError::exit, |exit| *exit);
    context.observers.finish(&context, exit);
    result
}

impl Observers {
    fn start(context: &Context<'_>, is_rehearsal: bool) -> Result<Self, CommandError> {
        let (settings, api) = (&context.settings.watch, &context.settings.api);
        let webhook = find_webhook(settings, api.allow_http)?;
        let sends = webhook.is_some() || settings.push_gateway.is_some();
        let options = || WatchOptions {
            metrics_addr: settings.metrics_addr,
            metrics_file: settings.metrics_file.clone(),
            push_gateway: settings.push_gateway.clone(),
            version: VERSION,
            host: host(),
            clock: context.world.clock.clone(),
        };
        let watches = sends || settings.metrics_addr.is_some() || settings.metrics_file.is_some();
        Ok(Self {
            watch: watches.then(|| Watch::start(options())).transpose()?,
            outside: sends.then(|| Outside::new(api.ca_file.as_deref())).transpose()?,
            webhook,
            is_rehearsal,
            runs: RefCell::default(),
        })
    }

    /// The observers of a run at this rate.
    pub(super) fn of_run(&self, context: &Context<'_>, rate: Rate) -> RunObservers {
        let progress = if context.options.quiet {
            Progress::none()
        } else if context.world.stderr_is_terminal {
            Progress::bar(&context.logging.bars())
        } else {
            Progress::lines()
        };
        RunObservers { progress, metrics: self.watch.as_ref().map(|watch| watch.watcher(rate)) }
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

    /// The command is over. A signal cuts short what is sent now, and changes nothing else.
    fn finish(&self, context: &Context<'_>, exit: ExitStatus) {
        let Some(watch) = &self.watch else { return };
        watch.over(exit);
        let Some(outside) = &self.outside else { return };
        let notices = self.notices(context);
        if !watch.has_farewell(&notices) {
            return;
        }
        let mut interrupts = context.world.interrupts.hand_over();
        let soon = exit >= ExitStatus::HungUp;
        let sent = block_on(async {
            tokio::select! {
                () = watch.farewell(outside, &notices, soon) => {}
                Some(_) = interrupts.recv() => {
                    tracing::warn!("interrupted while the end was being reported; not all observers may have it");
                }
            }
        });
        if let Err(error) = sent {
            tracing::warn!(%error, "the end could not be reported to the observers");
        }
    }

    fn notices(&self, context: &Context<'_>) -> Vec<Notice> {
        let Some(webhook) = &self.webhook else { return Vec::new() };
        let runs = self.runs.take().into_iter();
        runs.map(|run| self.notice(context, run, webhook.clone())).collect()
    }

    fn notice(&self, context: &Context<'_>, run: ObservedRun, webhook: Webhook) -> Notice {
        let settings = &context.settings;
        let path = absolute(&settings.audit.db).unwrap_or_else(|_| settings.audit.db.clone());
        let (summary, log) = match read(&path, &run.id) {
            Ok((summary, log)) => (Some(summary), Some(log)),
            Err(error) => {
                tracing::warn!(%error, "the notice to the webhook lacks what the audit log says of the run");
                (None, None)
            }
        };
        let audit_db = path.display().to_string();
        let report = ["decom", "report", &run.id, "--audit-db", &audit_db].map(str::to_owned);
        let ended = summary.as_ref().map(|run| run.status.clone()).filter(|status| status != "unfinished");
        Notice {
            webhook,
            form: match settings.watch.notify_form {
                NoticeForm::Json => telemetry::NoticeForm::Json,
                NoticeForm::Slack => telemetry::NoticeForm::Slack,
            },
            status: ended
                .unwrap_or_else(|| run.stopped.as_ref().map_or("finished", StopReason::status).to_owned()),
            exit_code: run.exit.code(),
            stopped: run.stopped.as_ref().map(ToString::to_string),
            counts: run.counts,
            rehearsal: self.is_rehearsal,
            api_host: run.api_host,
            host: host(),
            version: VERSION,
            report: quoted(&report),
            audit_db,
            summary,
            log,
            run_id: run.id,
        }
    }
}

/// What the log says of a run, and of itself.
fn read(path: &Path, run_id: &str) -> Result<(RunSummary, LogState), AuditError> {
    let reader = AuditReader::open(path)?;
    Ok((reader.run(Some(run_id))?, reader.log_now(run_id)?))
}

/// All that observe one run: the progress on the terminal, and the metrics.
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
