//! `decom check`: what a run needs, looked at one by one, each with what to do if it is not as it should be. Deletes
//! nothing, and changes no audit log.

mod connection;
mod finding;
mod storage;

use serde_json::json;

use super::CommandError;
use super::context::{Context, Options, World};
use super::output::to_stdout;
use crate::domain::ExitStatus;
use crate::report::visible;
use finding::{Finding, Status};

/// Checks the token, the API, the audit log and the queue, and ends as the gravest finding asks.
///
/// # Errors
/// If the configuration is wrong, or nothing can be printed.
pub fn check(options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let mut findings = vec![configuration(&context)];
    findings.extend(connection::findings(&context)?);
    findings.extend(storage::findings(&context)?);
    let exit = findings.iter().map(Finding::exit).max().unwrap_or(ExitStatus::Done);
    to_stdout(|out| {
        if options.json {
            let checks: Vec<_> = findings.iter().map(Finding::object).collect();
            let object =
                json!({ "ok": exit == ExitStatus::Done, "exit_code": exit.code(), "checks": checks });
            return writeln!(out, "{object}");
        }
        let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
        for Finding { what, status, text } in &findings {
            writeln!(out, "{:<7}  {what:<width$}  {}", status.word(), visible(text))?;
        }
        Ok(())
    })?;
    Ok(exit)
}

/// The settings are valid by now.
fn configuration(context: &Context<'_>) -> Finding {
    let variable = context.world.environment.get("DECOM_CONFIG").ok().flatten();
    let file = context.options.config.as_ref().map(|path| path.display().to_string());
    let text = match file.or_else(|| variable.map(str::to_owned)) {
        Some(file) => format!("{file} is valid"),
        None => "no file; defaults, environment and flags are valid".to_owned(),
    };
    Finding::new("configuration", Status::Ok, text)
}
