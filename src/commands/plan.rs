//! `decom plan`: shows what a run would do, and saves it. Deletes nothing.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::access::ApiAccess;
use super::along::{TakeAlong, Which};
use super::context::{Context, Options, World, random_hex};
use super::intake::{self, InputRequest, Intake};
use super::log::known_gone;
use super::observed::{Observed, observed};
use super::output::{Destination, refuse_log, stdout, to_file};
use super::survey::Survey;
use super::{CommandError, clock};
use crate::config::ConfigError;
use crate::domain::{CustomerRequest, ExitStatus, NewTarget, Place, Seq, Timestamp};
use crate::plan::{
    PlannedSkips, Rules, SavedDatamart, SavedGuards, SavedPlan, SavedSkip, SavedTarget, Selection, is_expired,
};
use crate::report::{Forecast, counted, delimited, grouped, visible};
use crate::telemetry::{MadePlan, SavedPlanFile};

/// What `decom plan` is asked for.
#[derive(Debug, Clone)]
pub enum PlanRequest {
    /// Make a plan.
    Make {
        input: InputRequest,
        out: Option<PathBuf>,
        /// From when on the saved plan may be run.
        not_before: Option<Timestamp>,
        offline: bool,
        /// Show every name.
        all: bool,
        /// Replace a file that is there.
        force: bool,
    },
    /// Show a saved one.
    Show(PathBuf),
}

/// Shows what a run would do.
///
/// # Errors
/// If the input or the configuration is wrong, or a saved plan was altered.
pub fn plan(request: &PlanRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let options = Options { dry_run: true, ..options.clone() };
    let context = Context::new(&options, world)?;
    if matches!(request, PlanRequest::Make { out: Some(out), .. } if out.as_os_str() == "-") {
        return Err(CommandError::Usage(
            "a plan is saved to a file, which is then reviewed, signed and run; name one with --out FILE"
                .to_owned(),
        ));
    }
    match request {
        PlanRequest::Show(path) => show_saved(&context, path),
        PlanRequest::Make { input, out, not_before, offline, all, force } => {
            let out = Destination { path: out.as_deref(), force: *force };
            observed(context, Observed::Plan, |context| {
                make(context, input, out, *not_before, *offline, *all)
            })
        }
    }
}

fn make(
    context: &Context<'_>,
    input: &InputRequest,
    out: Destination<'_>,
    not_before: Option<Timestamp>,
    offline: bool,
    all: bool,
) -> Result<ExitStatus, CommandError> {
    if let Some(out) = out.path {
        refuse_log(out, &context.settings.audit.db)?;
    }
    let base_url = context.base_url()?;
    let rate = context.settings.pace.rate;
    let access = if offline {
        None
    } else {
        Some(ApiAccess::configured(context).map_err(|error| match error {
            CommandError::Config(error @ ConfigError::NoToken) => {
                CommandError::Usage(format!("{error}; or plan without the API by --offline"))
            }
            error => error,
        })?)
    };
    let (protection, allow_shared) = (context.protection()?, context.allow_shared()?);
    let holds = context.holds().current()?;
    let with_datamarts = context.options.with_datamarts;
    if offline && with_datamarts {
        return Err(CommandError::Usage(
            "which datamarts go along only the API says; leave out --offline, or --with-datamarts".to_owned(),
        ));
    }
    let along = TakeAlong::new(with_datamarts.then_some(Which::Listed), &context.protect_datamart(&[]))?;
    let log = &context.settings.audit.db;
    let Intake { targets, label, sha256, .. } =
        intake::read(input, &intake::folder_of(log), None, context.token().as_ref())?;
    clock::check_log(context)?;
    let known_gone = known_gone(log, base_url.as_str(), Seq(0), None)?;
    let mut selection = Selection::new(
        targets,
        Rules { protection, holds, known_gone, in_doubt: None, planned: PlannedSkips::new() },
    )?;
    let guards = context.guards();
    let survey = match &access {
        Some(access) => Survey::online(context, &mut selection, access, guards, &allow_shared, along, true)?,
        None => Survey::offline(guards, &mut selection, "the API was not asked", true)?,
    };
    let mut survey = survey.with_budget(context, base_url.as_str(), &mut selection)?;
    let planned = Forecast { all, ..survey.planned(context, &selection, base_url.host(), rate) };
    let mut stdout = io::BufWriter::new(stdout());
    planned.write(&mut stdout, context.options.json)?;
    // A plan that is saved is sealed with the token, which `--offline` does without.
    let mut file = None;
    if let (Some(path), Some(access)) = (out.path.filter(|_| survey.refusals.is_empty()), &access) {
        let saved = freeze(context, &mut selection, access, &survey, not_before, (label, sha256))?;
        if out.force {
            to_file(path, log, Place::Kind(SavedPlan::BEGINNINGS), |out| saved.write_to(out))?;
        } else {
            saved.write(path)?;
        }
        if !context.options.json {
            let from = saved.not_before.as_ref().map(|at| format!("from {at} ")).unwrap_or_default();
            let (path, until) = (path.display(), &saved.expires_at);
            writeln!(stdout, "(dry run) saved as {path}, to be run {from}until {until}")?;
            writeln!(stdout, "(dry run) digest {}", saved.digest)?;
        }
        let (digest, expires_at) = (saved.digest, saved.expires_at);
        file = Some(SavedPlanFile { file: path.display().to_string(), digest, expires_at });
    }
    if let Some(path) = out.path.filter(|_| !survey.refusals.is_empty() && !context.options.json) {
        writeln!(stdout, "(dry run) not saved as {}: a run of it would be refused", path.display())?;
    }
    stdout.flush()?;
    drop(stdout);
    survey.check().map_err(CommandError::after_output)?;
    context.observers.add_plan(MadePlan {
        planned: planned.count,
        to_delete: planned.due,
        saved: file,
        wants_approval: false,
        names: context.settings.watch.notify_names.then(|| planned.first.clone()),
    });
    Ok(ExitStatus::Done)
}

fn freeze(
    context: &Context<'_>,
    selection: &mut Selection,
    access: &ApiAccess,
    survey: &Survey,
    not_before: Option<Timestamp>,
    (input, input_sha256): (String, Option<String>),
) -> Result<SavedPlan, CommandError> {
    let now = context.world.clock.timestamp();
    // Its time begins when it may be run.
    let begins = not_before.map_or(now, |at| at.max(now));
    let safety = &context.settings.safety;
    let shared: HashMap<_, _> =
        survey.shared.iter().map(|(name, datamart)| (name.as_str(), datamart.as_str())).collect();
    let (mut targets, mut skipped) = (Vec::new(), Vec::new());
    let with_datamarts = selection.cascade().is_some();
    selection.each_group(|target, group| {
        let datamarts = group.iter().map(SavedDatamart::from).collect();
        let NewTarget { name, reason, ticket, request, skip, .. } = target;
        let request = Some(request).filter(|request| *request != CustomerRequest::default());
        let name = name.to_string();
        match skip {
            None => {
                let shared_by = shared.get(name.as_str()).map(|datamart| (*datamart).to_owned());
                targets.push(SavedTarget { name, reason, ticket, request, shared_by, datamarts });
            }
            Some((skip, why)) => {
                let skip = skip.into();
                skipped.push(SavedSkip { name, skip, why, reason, ticket, request, datamarts });
            }
        }
    })?;
    let plan = SavedPlan {
        format: 0,
        plan_id: random_hex(16),
        created_at: now.to_string(),
        not_before: not_before.map(|at| at.to_string()),
        expires_at: begins.after(safety.plan_validity).to_string(),
        creator: context.operator()?,
        creator_login: context.login()?,
        base_url: access.base_url().to_owned(),
        input,
        input_sha256,
        reason: context.settings.run.reason.clone(),
        ticket: context.settings.run.ticket.clone(),
        guards: SavedGuards {
            max_deletes: safety.max_deletes,
            max_share: safety.max_share,
            protect: safety.protect.clone(),
            allow_shared: context.options.allow_shared.clone(),
            protect_datamart: safety.protect_datamart.clone(),
        },
        with_datamarts,
        targets,
        skipped,
        token_seal: String::new(),
        digest: String::new(),
    };
    Ok(plan.sealed(&access.token))
}

fn show_saved(context: &Context<'_>, path: &Path) -> Result<ExitStatus, CommandError> {
    let (plan, bytes) = SavedPlan::read(path)?;
    let mut out = io::BufWriter::new(stdout());
    if context.options.json {
        out.write_all(&bytes)?;
        out.flush()?;
        return Ok(ExitStatus::Done);
    }
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let over = is_expired(&plan.expires_at, context.world.clock.timestamp());
    let until = if over { "EXPIRED at" } else { "may be run until" };
    let facts = [
        ("plan", plan.plan_id.clone()),
        ("digest", format!("{} (it fits)", plan.digest)),
        ("made", format!("{} by {} (logged in as {})", plan.created_at, plan.creator, plan.creator_login)),
        ("may be run from", plan.not_before.clone().unwrap_or_default()),
        (until, plan.expires_at.clone()),
        ("API", plan.base_url.clone()),
        ("seal of the token", plan.token_seal.clone()),
        ("input", plan.input.clone()),
        ("input SHA-256", optional(&plan.input_sha256)),
        ("reason", optional(&plan.reason)),
        ("ticket", optional(&plan.ticket)),
        (
            "guards",
            format!(
                "max_deletes {}, max_share {} %, protected: {}{}",
                plan.guards.max_deletes,
                plan.guards.max_share,
                if plan.guards.protect.is_empty() {
                    "none".to_owned()
                } else {
                    plan.guards.protect.join(" ")
                },
                [
                    (", protected datamarts: ", &plan.guards.protect_datamart),
                    (", allowed although shared: ", &plan.guards.allow_shared),
                ]
                .map(|(what, globs)| match globs.as_slice() {
                    [] => String::new(),
                    globs => format!("{what}{}", globs.join(" ")),
                })
                .concat()
            ),
        ),
    ];
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "(dry run) {label}: {}", visible(&value))?;
    }
    let (sources, marts) = plan.counts();
    if plan.with_datamarts {
        writeln!(
            out,
            "(dry run) {} to delete, and {} with them:",
            counted(sources, "datasource"),
            counted(marts, "datamart").to_uppercase()
        )?;
    } else {
        writeln!(out, "(dry run) {} to delete:", grouped(sources))?;
    }
    for target in &plan.targets {
        let said = said_of(target.reason.as_deref(), target.ticket.as_deref(), target.request.as_ref());
        let shared = target.shared_by.as_ref().map(|datamart| {
            format!(
                "  PROBABLY SHARED BY SEVERAL CUSTOMERS: its datamart `{}` has the tenancy level TABLE",
                visible(datamart)
            )
        });
        let shared = shared.unwrap_or_default();
        writeln!(out, "(dry run)     {}{said}{shared}", delimited(&target.name))?;
        show_datamarts(&mut out, &target.datamarts, "deleted first")?;
    }
    if !plan.skipped.is_empty() {
        writeln!(out, "(dry run) {} skipped:", grouped(plan.skipped.len() as u64))?;
        for skip in &plan.skipped {
            let said = said_of(skip.reason.as_deref(), skip.ticket.as_deref(), skip.request.as_ref());
            writeln!(out, "(dry run)     {}  {}{said}", delimited(&skip.name), visible(&skip.why))?;
            show_datamarts(&mut out, &skip.datamarts, "stays")?;
        }
    }
    out.flush()?;
    Ok(ExitStatus::Done)
}

fn show_datamarts(out: &mut dyn Write, datamarts: &[SavedDatamart], what: &str) -> io::Result<()> {
    for SavedDatamart { name, tenancy, tables, columns, .. } in datamarts {
        let (tables, columns) = (counted(*tables, "table"), counted(*columns, "column"));
        let tenancy =
            tenancy.as_deref().map_or_else(String::new, |level| format!(", tenancy {}", visible(level)));
        writeln!(
            out,
            "(dry run)         datamart {}  {what} ({tables}, {columns}{tenancy})",
            delimited(name)
        )?;
    }
    Ok(())
}

/// What the input says of a target, to be shown after its name.
fn said_of(reason: Option<&str>, ticket: Option<&str>, request: Option<&CustomerRequest>) -> String {
    let customer = request.and_then(|request| request.customer.as_deref());
    let requested_at = request.and_then(|request| request.requested_at.as_deref());
    let said =
        [("reason", reason), ("ticket", ticket), ("customer", customer), ("requested at", requested_at)];
    let said = said.into_iter().filter_map(|(what, text)| Some(format!("  {what}: {}", visible(text?))));
    said.collect()
}
