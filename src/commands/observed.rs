//! Carries out a command with its observers: starts them before it, and tells them at its end how its runs ended.

use std::cell::RefCell;
use std::path::{Path, absolute};
use std::sync::Arc;

use super::CommandError;
use super::context::{Context, VERSION, host, quoted};
use super::observers::{ObservedRun, Observers};
use super::output::refuse_log;
use super::runtime::block_on;
use crate::audit::{AuditError, AuditReader};
use crate::config::{NoticeForm, check_proxies, find_webhook};
use crate::domain::{ExitStatus, LogState, RunSummary, Webhook};
use crate::run::StopReason;
use crate::telemetry::{self, Notice, Outside, Timestamps, Watch, WatchOptions};

/// Carries out `command`, observed as the settings say. A dry run leaves no trace, and is refused as a run would be.
///
/// # Errors
/// If an observer cannot be started: then nothing is begun. Otherwise what `command` returns.
pub(super) fn observed<'a>(
    mut context: Context<'a>,
    is_rehearsal: bool,
    command: impl FnOnce(&Context<'a>) -> Result<ExitStatus, CommandError>,
) -> Result<ExitStatus, CommandError> {
    context.observers = start(&context, is_rehearsal)?;
    let result = command(&context);
    let exit = result.as_ref().map_or_else(CommandError::exit, |exit| *exit);
    finish(&context, exit);
    result
}

fn start(context: &Context<'_>, is_rehearsal: bool) -> Result<Observers, CommandError> {
    let (settings, api) = (&context.settings.watch, &context.settings.api);
    if let Some(file) = &settings.metrics_file {
        refuse_log(file, &context.settings.audit.db)?;
    }
    let webhook = find_webhook(settings, api.allow_http)?;
    let sends = webhook.is_some() || settings.push_gateway.is_some();
    if sends {
        check_proxies(&context.world.environment)?;
    }
    let options = || WatchOptions {
        metrics_addr: settings.metrics_addr,
        metrics_file: settings.metrics_file.clone(),
        push_gateway: settings.push_gateway.clone(),
        version: VERSION,
        host: host(),
        clock: context.world.clock.clone(),
    };
    if context.options.dry_run {
        settings.metrics_file.as_deref().map(Watch::check_file).transpose()?;
        return Ok(Observers::default());
    }
    let watches = sends || settings.metrics_addr.is_some() || settings.metrics_file.is_some();
    Ok(Observers {
        watch: watches.then(|| Watch::start(options())).transpose()?,
        outside: sends.then(|| Outside::new(api.ca_file.as_deref())).transpose()?,
        webhook,
        timestamps: timestamps(context)?,
        is_rehearsal,
        runs: RefCell::default(),
    })
}

/// Starts to fetch time stamps of checkpoints, if the settings name an authority.
pub(super) fn timestamps(context: &Context<'_>) -> Result<Option<Arc<Timestamps>>, CommandError> {
    let (audit, api) = (&context.settings.audit, &context.settings.api);
    let Some(url) = audit.timestamp_url.clone() else { return Ok(None) };
    check_proxies(&context.world.environment)?;
    Ok(Some(Timestamps::start(url, Outside::new(api.ca_file.as_deref())?)?))
}

/// The command is over. A signal cuts short what is sent now, and changes nothing else.
fn finish(context: &Context<'_>, exit: ExitStatus) {
    if let Some(timestamps) = &context.observers.timestamps {
        timestamps.finish(exit >= ExitStatus::HungUp);
    }
    let Some(watch) = &context.observers.watch else { return };
    watch.over(exit);
    let Some(outside) = &context.observers.outside else { return };
    let notices = notices(context);
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

fn notices(context: &Context<'_>) -> Vec<Notice> {
    let Some(webhook) = &context.observers.webhook else { return Vec::new() };
    let runs = context.observers.runs.take().into_iter();
    runs.map(|run| notice(context, run, webhook.clone())).collect()
}

fn notice(context: &Context<'_>, run: ObservedRun, webhook: Webhook) -> Notice {
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
        rehearsal: context.observers.is_rehearsal,
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

/// What the log says of a run, and of itself.
fn read(path: &Path, run_id: &str) -> Result<(RunSummary, LogState), AuditError> {
    let reader = AuditReader::open(path)?;
    Ok((reader.run(Some(run_id))?, reader.log_now(run_id)?))
}
