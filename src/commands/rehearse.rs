//! `decom rehearse`: the whole of a run against an embedded emulator of the API.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::access::ApiAccess;
use super::along::{TakeAlong, Which};
use super::context::{Context, Options, VERSION, World, quoted};
use super::ending::Closing;
use super::execution::Job;
use super::intake::{self, InputRequest, Intake};
use super::log::with_log;
use super::observed::{Observed, observed};
use super::output::stdout;
use super::proposal::show;
use super::runtime::block_on;
use super::survey::{ONLY_THE_API, Survey};
use super::{CommandError, permission};
use crate::api::BaseUrl;
use crate::domain::{Credentials, ExitStatus, Token};
use crate::emulator::{Emulator, EmulatorOptions, Faults, HeaderGeneration, WindowLimit};
use crate::plan::{PlannedSkips, Rules, Selection};
use crate::ratelimit::Rate;
use crate::report::{grouped, rounded};
use crate::run::Supply;

/// By how much the emulator's limit is faster than that of the real API.
const FASTER: u32 = 60;

/// The public API's limit (its documentation, "Rate limiting").
const REAL_REQUESTS: u32 = 500;
const REAL_WINDOW: Duration = Duration::from_mins(2);

/// How many datamarts read a datasource at most, if they are taken along.
const MOST_DATAMARTS: u8 = 3;

/// The only token that the emulator knows. It opens nothing else.
const REHEARSAL_TOKEN: &str = "dbn_rehearsal_0000";

/// What `decom rehearse` is asked for.
#[derive(Debug, Clone)]
pub struct RehearseRequest {
    pub input: InputRequest,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// The same seed gives the same faults.
    pub seed: u64,
    /// How long the emulator takes for each reply.
    pub latency: Duration,
    /// Keep to the real API's pace.
    pub real_time: bool,
}

/// Rehearses a run.
///
/// # Errors
/// If the input or the configuration is wrong, or the emulator cannot be started.
pub fn rehearse(
    request: &RehearseRequest,
    options: &Options,
    world: &World,
) -> Result<ExitStatus, CommandError> {
    let mut context = Context::new(options, world)?;
    let (flags, settings) = (&options.flags, &mut context.settings);
    // Neither the real log nor the real metrics may show deletions that never happened, unless a flag names them.
    if flags.log.audit_db.is_none() {
        settings.audit.db = beside(&settings.audit.db);
    }
    if flags.run.metrics_file.is_none() {
        settings.watch.metrics_file = None;
    }
    if flags.run.push_gateway.is_none() {
        settings.watch.push_gateway = None;
    }
    observed(context, Observed::Rehearsal, |context| rehearse_run(request, context))
}

/// The API of the rehearsal, in which all of `names` exist.
fn start_emulator(
    request: &RehearseRequest,
    options: &Options,
    names: Vec<String>,
    limit: Option<WindowLimit>,
) -> Result<Emulator, CommandError> {
    Ok(Emulator::start(EmulatorOptions {
        faults: request.faults,
        seed: request.seed,
        latency: request.latency,
        datamarts: if options.with_datamarts { MOST_DATAMARTS } else { 0 },
        limit,
        header_generation: HeaderGeneration::default(),
        ..EmulatorOptions::new(REHEARSAL_TOKEN, names)
    })?)
}

fn access_to(emulator: &Emulator, context: &Context<'_>, rate: Rate) -> Result<ApiAccess, CommandError> {
    let base_url = BaseUrl::new(emulator.base_url(), false)?;
    let token = Token::new(REHEARSAL_TOKEN).map_err(|error| CommandError::Usage(error.to_string()))?;
    ApiAccess::new(context, base_url, token.clone(), Credentials::new(token, None), rate)
}

fn rehearse_run(request: &RehearseRequest, context: &Context<'_>) -> Result<ExitStatus, CommandError> {
    let options = context.options;
    let path = &context.settings.audit.db;
    let folder = intake::folder_of(path);
    // What the real run would be refused for is found here as well.
    context.base_url()?;
    let (protection, allow_shared) = (context.protection()?, context.allow_shared()?);
    let holds = context.holds().current()?;
    let Intake { mut targets, label, sha256, rows } =
        intake::read(&request.input, &folder, None, context.token().as_ref())?;

    let mut names = Vec::new();
    targets.each(|target| names.push(target.name.as_str().to_owned()))?;
    let pace = |faster| if request.real_time { 1 } else { faster };
    let real_rate = context.settings.pace.rate;
    let limit = (real_rate != Rate::Unlimited)
        .then_some(WindowLimit { requests: REAL_REQUESTS, window: REAL_WINDOW / pace(FASTER) });
    let emulator = start_emulator(request, options, names, limit)?;
    let mut access = access_to(&emulator, context, real_rate.scaled(pace(FASTER)))?;

    let mut selection = Selection::new(
        targets,
        Rules { protection, holds, known_gone: None, in_doubt: None, planned: PlannedSkips::new() },
    )?;
    let along =
        TakeAlong::new(options.with_datamarts.then_some(Which::Listed), &context.protect_datamart(&[]))?;
    let survey = if along.is_some() {
        // Its datamarts are those of the emulator.
        Survey::rehearsed(context, &mut selection, &access, &allow_shared, along)?
    } else {
        Survey::offline(context.guards(), &mut selection, ONLY_THE_API, false)?
    };
    let mut survey = survey.with_whole_budget(
        context,
        &selection,
        "only the real audit log knows what was deleted before",
    );
    let canary = survey.canary();
    // A dry run shows the real run, and not the faster rehearsal.
    let shown_rate = if options.dry_run { real_rate } else { access.pacer.rate() };
    let planned = survey.planned(context, &selection, "the embedded emulator".to_owned(), shown_rate);
    let refused = refusals(context, &survey);
    let unchecked = survey.unchecked().map(|why| {
        format!("Whether it stays below max_share {} % was not checked: {why}.", context.guards().max_share)
    });
    let unknown = options.with_datamarts.then(|| {
        "The datamarts are the emulator's: `decom plan --with-datamarts` shows the real ones, and counts them.".to_owned()
    });
    if options.dry_run {
        let mut out = stdout();
        planned.write(&mut out, options.json)?;
        if !options.json {
            let verdict = if refused.is_empty() { "start" } else { "be refused" };
            writeln!(out, "(dry run) nothing was sent; the real run would {verdict}")?;
        }
        return Ok(if refused.is_empty() { ExitStatus::Done } else { ExitStatus::Refused });
    }
    show(context, 0, |out| planned.print(out))?;
    for line in &refused {
        tracing::warn!("{line}");
    }

    let origin = json!({
        "command": "rehearse",
        "rows": rows,
        "faults": request.faults.to_string(),
        "seed": request.seed,
        "emulator": VERSION,
    });
    let job = Job {
        selection,
        of_queue: false,
        label: format!("{label} (rehearsal)"),
        input_sha256: sha256,
        purpose: (None, None),
        protect: context.protect(&[]),
        allow_shared,
        protect_datamart: context.protect_datamart(&[]),
        along: None,
        plan: None,
        origin,
    };
    let finished = with_log(context, |log| {
        // It is not a dry run.
        let Some(log) = log else { return Ok(None) };
        block_on(async {
            let kept = job.selection.protected_groups();
            let run = job.open(context, log, &access).await?;
            let supply = Supply::Log { protection: context.protection()?, kept, canary };
            run.execute(context, log, &mut access, supply).await
        })?
        .map(Some)
    })?;
    emulator.shutdown();
    let lines = |run_id: &str, requests: u64| {
        let mut lines = vec![
            "This was a rehearsal: nothing real was deleted.".to_owned(),
            real_time(real_rate, requests),
        ];
        lines.extend(unknown.iter().chain(&refused).chain(&unchecked).cloned());
        lines.extend([String::new(), format!("Audit log: {}", path.display()), "Ask it:".to_owned()]);
        lines.extend(queries(path, run_id).into_iter().map(|query| format!("  {query}")));
        lines
    };
    Ok(finished.map_or(ExitStatus::Done, |run| run.print(context, &Closing::Lines(&lines))))
}

/// Why the real run would be refused, if it would.
fn refusals(context: &Context<'_>, survey: &Survey) -> Vec<String> {
    let unapproved = permission::need_no_approval(context).err().map(|error| match error {
        CommandError::Refused(why) => why,
        other => other.to_string(),
    });
    let refused = survey.refusals.iter().map(ToString::to_string).chain(unapproved);
    refused.map(|why| format!("The real run would be refused: {why}")).collect()
}

/// The rehearsal's log, beside the real one.
fn beside(log: &Path) -> PathBuf {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    let extension = log.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    log.with_file_name(format!("{stem}-rehearsal{extension}"))
}

fn real_time(rate: Rate, attempts: u64) -> String {
    let requests = format!("{} requests", grouped(attempts));
    match rate.time_for(attempts) {
        Some(time) => format!("The real run would take about {}: {requests} at {rate}.", rounded(time)),
        None if rate == Rate::Auto => {
            let public = Rate::DEFAULT;
            let time = public.time_for(attempts).map_or_else(String::new, |time| rounded(time).to_string());
            format!("The real run would take about {time} if the limit is {public}: {requests}.")
        }
        None => {
            format!("The API alone decides how long the real run would take: {requests} without a limit.")
        }
    }
}

fn queries(path: &Path, run_id: &str) -> [String; 2] {
    let sqlite =
        |query: String| quoted(&["sqlite3".to_owned(), "-box".to_owned(), path.display().to_string(), query]);
    [
        sqlite(format!(
            "SELECT outcome, count(*) AS targets FROM results WHERE run_id = '{run_id}' GROUP BY outcome"
        )),
        sqlite(format!(
            "SELECT started_at, datasource, attempt, verdict, http_status, message FROM attempts WHERE run_id = '{run_id}' AND attempt > 1 ORDER BY started_at LIMIT 20"
        )),
    ]
}
