//! Watches a command from its beginning to its end, and tells at the end those who are to be told.

use std::cell::RefCell;
use std::path::{Path, absolute};

use super::CommandError;
use super::context::{Context, VERSION, host, quoted};
use super::watching::{Ran, Watchers, Watching};
use crate::audit::{AuditError, AuditReader};
use crate::config::{NoticeForm, find_webhook};
use crate::domain::{ExitStatus, LogState, RunSummary, Webhook};
use crate::ratelimit::Rate;
use crate::run::{Interrupt, StopReason};
use crate::telemetry::{self, Notice, Outside, Watch, WatchOptions};
use crate::terminal::Progress;

impl<'a> Context<'a> {
    /// Carries out `command`, and tells of it whom the settings name. Nothing of that changes how it
    /// ends.
    ///
    /// # Errors
    /// Where nobody can be told as the settings want it; nothing is begun then. Otherwise what
    /// `command` returns.
    pub(super) fn watched(
        mut self,
        command: impl FnOnce(&mut Context<'a>) -> Result<ExitStatus, CommandError>,
    ) -> Result<ExitStatus, CommandError> {
        // A dry run is to leave no trace.
        if !self.options.dry_run {
            self.watching = self.watching(false)?;
        }
        self.and_tell(command)
    }

    /// The same for a rehearsal. Figures of deletions that never were must not stand among the real
    /// ones: a file or a gateway that a flag names is meant.
    pub(super) fn watched_rehearsal(
        mut self,
        command: impl FnOnce(&mut Context<'a>) -> Result<ExitStatus, CommandError>,
    ) -> Result<ExitStatus, CommandError> {
        let flags = &self.options.flags.run;
        let (file, gateway) = (flags.metrics_file.is_some(), flags.push_gateway.is_some());
        let watch = &mut self.settings.watch;
        watch.metrics_file = watch.metrics_file.take().filter(|_| file);
        watch.push_gateway = watch.push_gateway.take().filter(|_| gateway);
        if !self.options.dry_run {
            self.watching = self.watching(true)?;
        }
        self.and_tell(command)
    }

    fn and_tell(
        mut self,
        command: impl FnOnce(&mut Context<'a>) -> Result<ExitStatus, CommandError>,
    ) -> Result<ExitStatus, CommandError> {
        let result = command(&mut self);
        let exit = result.as_ref().map_or_else(CommandError::exit, |exit| *exit);
        if let Some(watch) = &self.watching.watch {
            watch.over(exit);
        }
        if let Some(outside) = &self.watching.outside {
            self.farewell(outside, exit);
        }
        result
    }

    /// Who watches a run at this rate.
    pub(super) fn watchers(&self, rate: Rate) -> Watchers {
        let progress = if self.options.quiet {
            Progress::none()
        } else if self.world.stderr_is_terminal {
            Progress::bar(&self.logging.bars())
        } else {
            Progress::lines()
        };
        Watchers { progress, metrics: self.watching.watch.as_ref().map(|watch| watch.watcher(rate)) }
    }

    fn watching(&self, rehearsal: bool) -> Result<Watching, CommandError> {
        let (settings, api) = (&self.settings.watch, &self.settings.api);
        let webhook = find_webhook(settings, api.allow_http)?;
        let tells = webhook.is_some() || settings.push_gateway.is_some();
        let watches = settings.metrics_addr.is_some() || settings.metrics_file.is_some();
        let options = || WatchOptions {
            metrics_addr: settings.metrics_addr,
            metrics_file: settings.metrics_file.clone(),
            push_gateway: settings.push_gateway.clone(),
            version: VERSION,
            host: host(),
            clock: self.world.clock.clone(),
        };
        Ok(Watching {
            watch: (tells || watches).then(|| Watch::start(options())).transpose()?,
            outside: tells.then(|| Outside::new(api.ca_file.as_deref())).transpose()?,
            webhook,
            rehearsal,
            ran: RefCell::default(),
        })
    }

    /// Tells of the end. A signal cuts it short, and changes nothing else.
    fn farewell(&self, outside: &Outside, exit: ExitStatus) {
        let Some(watch) = &self.watching.watch else { return };
        let notices = self.notices();
        if !watch.has_farewell(&notices) {
            return;
        }
        let mut interrupts = self.world.interrupts.hand_over();
        let soon = matches!(exit, ExitStatus::Interrupted | ExitStatus::Terminated);
        let told = Self::block_on(async {
            tokio::select! {
                () = watch.farewell(outside, &notices, soon) => {}
                Some(Interrupt::Int | Interrupt::Term) = interrupts.recv() => {
                    tracing::warn!("interrupted while others were told of the end; not all may know");
                }
            }
        });
        if let Err(error) = told {
            tracing::warn!(%error, "nobody could be told of the end");
        }
    }

    /// What the webhook is told of the runs that were carried out, where there is one.
    fn notices(&self) -> Vec<Notice> {
        let ran = self.watching.ran.take();
        let Some(webhook) = &self.watching.webhook else { return Vec::new() };
        ran.into_iter().map(|ran| self.notice(ran, webhook.clone())).collect()
    }

    fn notice(&self, ran: Ran, webhook: Webhook) -> Notice {
        let path = absolute(&self.settings.audit.db).unwrap_or_else(|_| self.settings.audit.db.clone());
        let (summary, log) = match read(&path, &ran.run_id) {
            Ok((summary, log)) => (Some(summary), Some(log)),
            Err(error) => {
                tracing::warn!(%error, "the webhook is not told what the audit log says of the run");
                (None, None)
            }
        };
        let audit_db = path.display().to_string();
        let report = ["decom", "report", &ran.run_id, "--audit-db", &audit_db].map(str::to_owned);
        let ended = summary.as_ref().map(|run| run.status.clone()).filter(|status| status != "unfinished");
        Notice {
            webhook,
            form: match self.settings.watch.notify_form {
                NoticeForm::Json => telemetry::NoticeForm::Json,
                NoticeForm::Slack => telemetry::NoticeForm::Slack,
            },
            status: ended
                .unwrap_or_else(|| ran.stopped.as_ref().map_or("finished", StopReason::status).to_owned()),
            exit_code: ran.exit.code(),
            stopped: ran.stopped.as_ref().map(ToString::to_string),
            counts: ran.counts,
            rehearsal: self.watching.rehearsal,
            api_host: ran.api_host,
            host: host(),
            version: VERSION,
            report: quoted(&report),
            audit_db,
            summary,
            log,
            run_id: ran.run_id,
        }
    }
}

/// What the log says of a run, and of itself.
fn read(path: &Path, run_id: &str) -> Result<(RunSummary, LogState), AuditError> {
    let reader = AuditReader::open(path)?;
    Ok((reader.run(Some(run_id))?, reader.log_now(run_id)?))
}
