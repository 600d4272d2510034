//! `decom plan`: shows what a run would do, and saves it. Deletes nothing.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::context::{Context, Shared, World, random_hex};
use super::intake::{self, InputRequest, Intake};
use super::survey::Survey;
use super::{CommandError, execution::Reach};
use crate::config::find_token;
use crate::plan::{Rules, SavedGuards, SavedPlan, SavedSkip, SavedTarget, Selection};
use crate::report::{grouped, visible};
use crate::vocabulary::{ExitStatus, Seq, Timestamp};

/// What `decom plan` is asked for.
#[derive(Debug, Clone)]
pub enum PlanRequest {
    /// Make a plan.
    Make {
        /// Where the names are.
        input: InputRequest,
        /// Where it is saved.
        out: Option<PathBuf>,
        /// Do not ask the API.
        offline: bool,
    },
    /// Show a saved one.
    Show(PathBuf),
}

/// Shows what a run would do.
///
/// # Errors
/// Where the input or the configuration is wrong, or a saved plan was altered.
pub fn plan(request: &PlanRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let shared = Shared { dry_run: true, ..shared.clone() };
    let context = Context::new(&shared, world)?;
    match request {
        PlanRequest::Show(path) => show_saved(&context, path),
        PlanRequest::Make { input, out, offline } => make(&context, input, out.as_deref(), *offline),
    }
}

fn make(
    context: &Context<'_>,
    input: &InputRequest,
    out: Option<&Path>,
    offline: bool,
) -> Result<ExitStatus, CommandError> {
    let base_url = context.base_url()?;
    let rate = context.settings.pace.rate;
    let host = base_url.host();
    let place = base_url.as_str().to_owned();
    let reach = if offline {
        None
    } else {
        let token = find_token(context.shared.token_file.as_deref(), &context.world.environment).map_err(
            |error| match error {
                crate::config::ConfigError::NoToken => {
                    CommandError::Usage(format!("{error}; or plan without the API by --offline"))
                }
                error => error.into(),
            },
        )?;
        Some(context.reach(base_url, token, rate)?)
    };
    let protection = context.protection()?;
    let log = &context.settings.audit.db;
    let Intake { targets, label, sha256, .. } = intake::read(input, &intake::folder_of(log))?;
    let known_gone = Context::known_gone(log, &place, Seq(0))?;
    let mut selection = Selection::new(targets, Rules { protection, known_gone })?;
    let survey = match &reach {
        Some(reach) => Context::block_on(context.survey(&mut selection, reach, context.guards()))??,
        None => Survey::offline(context.guards(), &selection),
    };
    let planned = context.planned(&mut selection, &survey, &host, rate, true)?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    planned.write(&mut stdout, context.shared.json)?;
    if let Some(path) = out.filter(|_| survey.refusals.is_empty()) {
        let saved = freeze(context, &mut selection, reach.as_ref(), place, label, sha256)?;
        saved.write(path)?;
        if !context.shared.json {
            writeln!(stdout, "(dry run) saved as {}, to be run until {}", path.display(), saved.expires_at)?;
            writeln!(stdout, "(dry run) digest {}", saved.digest)?;
        }
    }
    if let Some(path) = out.filter(|_| !survey.refusals.is_empty() && !context.shared.json) {
        writeln!(stdout, "(dry run) not saved as {}: a run of it would be refused", path.display())?;
    }
    stdout.flush()?;
    drop(stdout);
    survey.check()?;
    Ok(ExitStatus::Done)
}

fn freeze(
    context: &Context<'_>,
    selection: &mut Selection,
    reach: Option<&Reach>,
    base_url: String,
    input: String,
    input_sha256: Option<String>,
) -> Result<SavedPlan, CommandError> {
    let now = context.world.clock.now();
    let plan_id = random_hex(16);
    let safety = &context.settings.safety;
    let (mut targets, mut skipped) = (Vec::new(), Vec::new());
    selection.each_due(|target| {
        targets.push(SavedTarget {
            name: target.name.to_string(),
            reason: target.reason,
            ticket: target.ticket,
        });
    })?;
    selection.each_skipped(|target, _, why| {
        skipped.push(SavedSkip { name: target.name.to_string(), why });
    })?;
    let plan = SavedPlan {
        format: 0,
        created_at: Timestamp::from(now).to_string(),
        expires_at: Timestamp::from(now + safety.plan_validity).to_string(),
        creator: context.operator()?,
        base_url,
        token_fingerprint: reach.map(|reach| reach.token.fingerprint(&plan_id)),
        plan_id,
        input,
        input_sha256,
        reason: context.settings.run.reason.clone(),
        ticket: context.settings.run.ticket.clone(),
        guards: SavedGuards {
            max_deletes: safety.max_deletes,
            max_share: safety.max_share,
            protect: safety.protect.clone(),
        },
        targets,
        skipped,
        digest: String::new(),
    };
    Ok(plan.sealed())
}

fn show_saved(context: &Context<'_>, path: &Path) -> Result<ExitStatus, CommandError> {
    let (plan, bytes) = SavedPlan::read(path)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if context.shared.json {
        out.write_all(&bytes)?;
        out.flush()?;
        return Ok(ExitStatus::Done);
    }
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let facts = [
        ("plan", plan.plan_id.clone()),
        ("digest", format!("{} (it fits)", plan.digest)),
        ("made", format!("{} by {}", plan.created_at, plan.creator)),
        ("may be run until", plan.expires_at.clone()),
        ("API", plan.base_url.clone()),
        ("token fingerprint", optional(&plan.token_fingerprint)),
        ("input", plan.input.clone()),
        ("input SHA-256", optional(&plan.input_sha256)),
        ("reason", optional(&plan.reason)),
        ("ticket", optional(&plan.ticket)),
        (
            "guards",
            format!(
                "max_deletes {}, max_share {} %, protected: {}",
                plan.guards.max_deletes,
                plan.guards.max_share,
                if plan.guards.protect.is_empty() {
                    "none".to_owned()
                } else {
                    plan.guards.protect.join(" ")
                }
            ),
        ),
    ];
    for (label, value) in facts {
        writeln!(out, "(dry run) {label}: {}", visible(&value))?;
    }
    writeln!(out, "(dry run) {} to delete:", grouped(plan.targets.len() as u64))?;
    for target in &plan.targets {
        writeln!(out, "(dry run)     {}", visible(&target.name))?;
    }
    if !plan.skipped.is_empty() {
        writeln!(out, "(dry run) {} skipped:", grouped(plan.skipped.len() as u64))?;
        for skip in &plan.skipped {
            writeln!(out, "(dry run)     {}  {}", visible(&skip.name), visible(&skip.why))?;
        }
    }
    out.flush()?;
    Ok(ExitStatus::Done)
}
