//! Carries out a command with its observers: starts them before it, and tells them at its end how it went.

use std::cell::{Cell, RefCell};
use std::path::absolute;
use std::sync::Arc;

use super::CommandError;
use super::context::{Context, VERSION, host};
use super::instance::instance;
use super::notices;
use super::observers::Observers;
use super::output::refuse_log;
use super::runtime::block_on;
use crate::config::{check_proxies, find_webhook};
use crate::domain::ExitStatus;
use crate::telemetry::{Outside, Timestamps, Watch, WatchOptions};

/// What is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observed {
    /// A command that deletes.
    Run,
    Rehearsal,
    /// `decom plan`: it is over soon, so that only its end is reported.
    Plan,
}

/// Carries out `command`, observed as the settings say. A dry run of a command that deletes leaves no trace, and is
/// refused as a run would be.
///
/// # Errors
/// If an observer cannot be started: then nothing is begun. Otherwise what `command` returns.
pub(super) fn observed<'a>(
    mut context: Context<'a>,
    what: Observed,
    command: impl FnOnce(&Context<'a>) -> Result<ExitStatus, CommandError>,
) -> Result<ExitStatus, CommandError> {
    context.observers = start(&context, what)?;
    let result = command(&context);
    finish(&context, &result);
    result
}

fn start(context: &Context<'_>, what: Observed) -> Result<Observers, CommandError> {
    let (settings, api) = (&context.settings.watch, &context.settings.api);
    let is_plan = what == Observed::Plan;
    let metrics_file = settings.metrics_file.clone().filter(|_| !is_plan);
    let metrics_addr = settings.metrics_addr.filter(|_| !is_plan);
    if let Some(file) = &metrics_file {
        refuse_log(file, &context.settings.audit.db)?;
    }
    let webhook = find_webhook(settings, api.allow_http)?;
    let sends = webhook.is_some() || settings.push_gateway.is_some();
    if sends {
        check_proxies(&context.world.environment)?;
    }
    let watches = sends || metrics_addr.is_some() || metrics_file.is_some();
    let options = || WatchOptions {
        metrics_addr,
        metrics_file,
        push_gateway: settings.push_gateway.clone(),
        version: VERSION,
        instance: settings.instance.clone().unwrap_or_else(|| instance(&host(), &context.world.environment)),
        command: is_plan.then_some("plan"),
        clock: context.world.clock.clone(),
    };
    if context.options.dry_run && !is_plan {
        settings.metrics_file.as_deref().map(Watch::check_file).transpose()?;
        return Ok(Observers::default());
    }
    let audit_db = &context.settings.audit.db;
    let audit_db = absolute(audit_db).unwrap_or_else(|_| audit_db.clone()).display().to_string();
    Ok(Observers {
        watch: watches.then(|| Watch::start(options())).transpose()?,
        outside: sends.then(|| Outside::new(api.ca_file.as_deref())).transpose()?.map(Arc::new),
        webhook,
        timestamps: if is_plan { None } else { timestamps(context)? },
        is_rehearsal: what == Observed::Rehearsal,
        audit_db,
        has_begun: Cell::default(),
        runs: RefCell::default(),
        plans: RefCell::default(),
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
fn finish(context: &Context<'_>, result: &Result<ExitStatus, CommandError>) {
    let exit = result.as_ref().map_or_else(CommandError::exit, |exit| *exit);
    if let Some(timestamps) = &context.observers.timestamps {
        timestamps.finish(exit >= ExitStatus::HungUp);
    }
    let Some(watch) = &context.observers.watch else { return };
    watch.over(exit);
    let Some(outside) = &context.observers.outside else { return };
    let notices = notices::at_the_end(context, result);
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
