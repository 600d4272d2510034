//! `decom run`: deletes what the input names.

use serde_json::json;

use super::context::{Context, Shared, World};
use super::execution::{Closing, Job, Reach, where_the_log_is};
use super::intake::{self, InputRequest, Intake};
use super::{CommandError, resume};
use crate::audit::{AuditReader, OpenRun};
use crate::config::find_token;
use crate::plan::{Rules, Selection};
use crate::vocabulary::{ExitStatus, Seq};

/// What `decom run` is asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Where the names are.
    pub input: InputRequest,
    /// Send also what the audit log knows to be gone, and begin anew where a run was interrupted.
    pub again: bool,
}

/// Deletes what the input names.
///
/// # Errors
/// Where nothing could be begun. What goes wrong in a run is in its exit status.
pub fn run(request: &RunRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let folder = intake::folder_of(&context.settings.audit.db);
    let protection = context.protection()?;
    let base_url = context.base_url()?;
    let token = find_token(shared.token_file.as_deref(), &world.environment)?;
    let Intake { targets, label, sha256, rows } = intake::read(&request.input, &folder)?;

    let reach = context.reach(base_url, token, context.settings.pace.rate)?;
    let origin = json!({ "command": "run", "rows": rows });
    let job = |selection| Job { selection, label: label.clone(), input_sha256: sha256.clone(), origin };
    if !request.again
        && let Some(open) = interrupted(&context, targets.sha256(), reach.api.base_url.as_str())?
    {
        return resume::carry_on(&context, open, reach);
    }
    let base_url = reach.api.base_url.as_str().to_owned();
    begin(&context, reach, request.again, &base_url, |rules| {
        Ok(job(Selection::new(targets, Rules { protection, ..rules })?))
    })
}

fn interrupted(
    context: &Context<'_>,
    targets: &str,
    base_url: &str,
) -> Result<Option<OpenRun>, CommandError> {
    match AuditReader::open_if_there(&context.settings.audit.db)? {
        Some(reader) => Ok(reader.open_run_of(targets, base_url)?),
        None => Ok(None),
    }
}

/// Shows, guards, confirms, begins and executes the job that `make` makes of the rules.
pub(super) fn begin(
    context: &Context<'_>,
    reach: Reach,
    again: bool,
    base_url: &str,
    make: impl FnOnce(Rules) -> Result<Job, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let path = &context.settings.audit.db;
    // Held from here on, so that nobody else deletes between what is shown and what is done.
    let log = if context.shared.dry_run { None } else { Some(context.open_log(path)?) };
    let known_gone = if again { None } else { Context::known_gone(path, base_url, Seq(0))? };
    let job = make(Rules { protection: context.protection()?, known_gone })?;
    let host = reach.api.base_url.host();

    context.show(&job.selection, &host, reach.rate)?;
    let refusals = Context::block_on(context.refusals(&job.selection, &reach))??;
    if !refusals.is_empty() {
        let all: Vec<_> = refusals.iter().map(ToString::to_string).collect();
        return Err(CommandError::Refused(all.join("; ")));
    }
    let Some(log) = log else {
        println_dry("nothing was sent; a run would start");
        return Ok(ExitStatus::Done);
    };
    context.confirm(job.selection.counts().due, &host)?;
    let note = where_the_log_is(path);
    Context::block_on(async {
        let run = context.begin(&log, job, &reach).await?;
        let notes = |_: &str, _: u64| vec![note.clone()];
        context.carry_out(log, run, reach, Closing { next: true, notes: &notes }).await
    })?
}

#[expect(clippy::print_stdout, reason = "the result of a dry run")]
fn println_dry(line: &str) {
    println!("(dry run) {line}");
}
