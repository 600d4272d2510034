//! What a command is about to do: shown, held against the guards, and confirmed.

use std::io::{self, Write};

use super::access::ApiAccess;
use super::context::Context;
use super::output::stdout;
use super::survey::Survey;
use super::{CommandError, session};
use crate::domain::Unusual;
use crate::plan::{PlanRefusal, Selection, is_expired};
use crate::report::{Forecast, grouped};
use crate::terminal::{ControllingTerminal, ask, phrase};

pub(super) struct Proposal {
    pub(super) planned: Forecast,
    survey: Survey,
    due: u64,
    /// How many datamarts go along; `None` if none are to.
    datamarts: Option<u64>,
    /// Until when the saved plan that is carried out may be run.
    expires_at: Option<String>,
}

/// The saved plan that a run carries out.
#[derive(Debug, Clone)]
pub(super) struct PlanOfRun {
    pub(super) digest: String,
    pub(super) approved_by: Option<String>,
    /// It was made with another token: the listing has to show its targets.
    pub(super) is_of_other_token: bool,
    /// Until when it may be run; `None` if the run began in time.
    pub(super) expires_at: Option<String>,
}

impl Proposal {
    /// Proposes to send what is due of `selection`, which carries out `plan` if there is one.
    pub(super) fn new(
        context: &Context<'_>,
        selection: &Selection,
        mut survey: Survey,
        access: &ApiAccess,
        plan: Option<PlanOfRun>,
    ) -> Result<Self, CommandError> {
        let mut planned = survey.planned(context, selection, access.host(), access.pacer.rate());
        let due = selection.share().map_or(selection.counts().due, |(_, due)| due);
        let (plan, expires_at) = plan.map(|plan| ((plan.digest, plan.approved_by), plan.expires_at)).unzip();
        planned.plan = plan;
        planned.unusual = session::facts(context, access)?.unusual().iter().map(Unusual::before).collect();
        let datamarts = selection.cascade().map(|_| selection.datamarts_here());
        Ok(Self { planned, survey, due, datamarts, expires_at: expires_at.flatten() })
    }

    /// Shows it on standard output, where nothing else is going to happen, with `verdict` if no guard refuses.
    pub(super) fn preview(
        &self,
        context: &Context<'_>,
        verdict: impl FnOnce() -> Result<String, CommandError>,
    ) -> Result<(), CommandError> {
        let mut out = stdout();
        self.planned.write(&mut out, context.options.json)?;
        self.survey.check().map_err(CommandError::after_output)?;
        let verdict = verdict().map_err(CommandError::after_output)?;
        if !context.options.json {
            writeln!(out, "(dry run) nothing was sent; {verdict}")?;
        }
        Ok(())
    }

    /// Shows it on stderr, and passes if nothing opposes it: no guard, no answer to the question, and not the time,
    /// much of which may have passed meanwhile.
    pub(super) fn confirm(&self, context: &Context<'_>) -> Result<(), CommandError> {
        show(context, self.due, |out| self.planned.print(out))?;
        self.survey.check()?;
        let (due, host) = ((self.due, self.datamarts), &self.planned.host);
        confirm(context, due, host, self.planned.effect().as_deref())?;
        match &self.expires_at {
            Some(at) if is_expired(at, context.world.clock.timestamp()) => {
                Err(CommandError::PlanRefused(PlanRefusal::Expired { at: at.clone() }))
            }
            _ => Ok(()),
        }
    }
}

/// Returns true if a question can be asked: a terminal controls this process, and at least one of its standard streams
/// shows that it was started from there.
#[must_use]
pub fn can_ask(any_stream_is_terminal: bool) -> bool {
    any_stream_is_terminal && ControllingTerminal::open().is_ok()
}

/// Shows on stderr what is about to be done, unless it is to be quiet. What a user is asked to confirm is always
/// shown, and on the terminal too if stderr is not there.
pub(super) fn show(
    context: &Context<'_>,
    due: u64,
    print: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    let will_ask = context.will_ask(due);
    if context.options.quiet && !will_ask {
        return Ok(());
    }
    let mut out = io::stderr().lock();
    print(&mut out)?;
    out.flush()?;
    if will_ask && !context.world.stderr_is_terminal {
        print(&mut ControllingTerminal::open()?.output)?;
    }
    Ok(())
}

/// Asks on the terminal whether so many datasources on `host` may be deleted, and datamarts if they are taken along,
/// unless that was answered by flag. `effect` is what will happen, in words.
pub(super) fn confirm(
    context: &Context<'_>,
    (count, datamarts): (u64, Option<u64>),
    host: &str,
    effect: Option<&str>,
) -> Result<(), CommandError> {
    if context.options.yes || count == 0 {
        return Ok(());
    }
    if !context.world.can_ask {
        return Err(CommandError::Refused(
            "there is no terminal to confirm on; run again with --yes".to_owned(),
        ));
    }
    let mut terminal = ControllingTerminal::open()?;
    if let Some(effect) = effect {
        let all = count + datamarts.unwrap_or(0);
        let sent =
            if all == 1 { "1 name is sent".to_owned() } else { format!("{} names are sent", grouped(all)) };
        writeln!(terminal.output, "{sent}: {effect}.")?;
    }
    if ask(&phrase(count, datamarts, host), &mut terminal.input, &mut terminal.output)? {
        return Ok(());
    }
    Err(CommandError::Refused("not confirmed".to_owned()))
}
