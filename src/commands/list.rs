//! `decom list`: the datasources that exist, as CSV that is valid input.

use std::collections::HashMap;

use super::CommandError;
use super::access::ApiAccess;
use super::context::{Context, Options, World};
use super::output::to_stdout;
use super::runtime::block_on;
use crate::domain::{DatasourceName, ExitStatus};
use crate::plan::NameGlobs;
use crate::report::{InventoryEntry, visible, write_inventory_csv, write_inventory_json};

/// What `decom list` is asked for.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Globs of which one has to match a name; all names are listed if there is none.
    pub globs: Vec<String>,
    /// Only datasources that no datamart reads.
    pub without_datamarts: bool,
}

/// The names of the datamarts that read a datasource, by its name.
type Datamarts = HashMap<String, Vec<String>>;

/// Lists the datasources that exist, in the order of their names.
///
/// # Errors
/// If the listing cannot be read.
pub fn list(request: &ListRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(options, world)?;
    let globs = NameGlobs::new(&request.globs)?;
    let access = ApiAccess::configured(&context)?.impatient();
    let (mut names, datamarts) = read(request, &context, &access)?;
    let all = names.len();
    names.sort_unstable();
    names.retain(|name| globs.select(name));
    let mut entries: Vec<_> = names
        .into_iter()
        .map(|name| InventoryEntry {
            datamarts: datamarts.as_ref().map(|all| all.get(&name).cloned().unwrap_or_default()),
            name,
        })
        .collect();
    if request.without_datamarts {
        entries.retain(|entry| entry.datamarts.as_ref().is_some_and(Vec::is_empty));
    }
    if entries.is_empty() {
        tracing::warn!("none of the {all} datasources that exist is asked for; nothing is listed");
    }
    if !options.json {
        entries.retain(|entry| is_valid_input(&entry.name));
    }
    to_stdout(|out| {
        if options.json { write_inventory_json(out, &entries) } else { write_inventory_csv(out, &entries) }
    })?;
    Ok(ExitStatus::Done)
}

/// Reads the names of all datasources, and what reads them if that is asked for.
fn read(
    request: &ListRequest,
    context: &Context<'_>,
    access: &ApiAccess,
) -> Result<(Vec<String>, Option<Datamarts>), CommandError> {
    block_on(async {
        let lister = access.lister(context)?;
        let names = lister.datasources().await?;
        if !request.without_datamarts && !context.options.json {
            return Ok((names, None));
        }
        match lister.dependants().await {
            Ok(datamarts) => Ok((names, Some(datamarts))),
            Err(error) if request.without_datamarts => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "could not read the list of datamarts; they are not listed");
                Ok((names, None))
            }
        }
    })?
}

/// Returns true if an input may hold this name. One that it may not hold is warned about.
fn is_valid_input(name: &str) -> bool {
    match DatasourceName::new(name) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!("\"{}\" exists, and decom cannot delete it: {error}; not listed", visible(name));
            false
        }
    }
}
