//! Reads the listings before a run.

use std::collections::HashMap;

use super::CommandError;
use super::access::ApiAccess;
use super::context::Context;
use crate::api::ApiError;
use crate::domain::Datamart;
use crate::plan::{Dependant, Guards, is_shared};

/// What the API lists.
pub(super) struct ReadListings {
    pub(super) datasources: Option<Vec<String>>,
    /// Or why they cannot be read.
    pub(super) datamarts: Result<Vec<Datamart>, String>,
    /// Why the datasources cannot be read.
    pub(super) failure: Option<String>,
}

/// Reads both listings.
///
/// # Errors
/// If they cannot be read for a reason that may pass, and the run needs them.
pub(super) async fn read(
    context: &Context<'_>,
    access: &ApiAccess,
    guards: Guards,
    takes_along: bool,
) -> Result<ReadListings, CommandError> {
    let lister = access.lister(context)?;
    match lister.datasources().await {
        Ok(datasources) => {
            let datamarts = match lister.datamarts().await {
                Ok(datamarts) => Ok(datamarts),
                Err(error @ ApiError::Unauthorized { .. }) if takes_along => {
                    return Err(CommandError::Unauthorized(error));
                }
                Err(error) if takes_along && error.may_pass() => {
                    return Err(CommandError::Unavailable(error));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not read the list of datamarts; dependants were not checked");
                    Err(error.to_string())
                }
            };
            Ok(ReadListings { datasources: Some(datasources), datamarts, failure: None })
        }
        // No guard has to be asked: no request would be accepted.
        Err(error @ ApiError::Unauthorized { .. }) => Err(CommandError::Unauthorized(error)),
        Err(error) if error.may_pass() && (takes_along || guards.need_listing()) => {
            Err(CommandError::Unavailable(error))
        }
        Err(error) => {
            tracing::warn!(%error, "could not read the list of datasources; existence was not checked");
            let why = error.to_string();
            Ok(ReadListings { datasources: None, datamarts: Err(why.clone()), failure: Some(why) })
        }
    }
}

/// Refuses entries that hold the service token: they would be kept for good.
pub(super) fn check_token(datamarts: &[Datamart], access: &ApiAccess) -> Result<(), CommandError> {
    match datamarts.iter().find(|datamart| access.token.is_in(&datamart.definition)) {
        None => Ok(()),
        Some(datamart) => {
            let name = access.credentials.redact(datamart.name.clone());
            Err(CommandError::Refused(format!(
                "the entry of the datamart `{name}` holds the service token, which would be written to a file with it; remove it there, and use another token"
            )))
        }
    }
}

/// The datamarts that read each datasource, without their definitions.
pub(super) fn by_datasource(datamarts: &[Datamart]) -> HashMap<String, Vec<Dependant>> {
    let mut by_datasource: HashMap<_, Vec<_>> = HashMap::new();
    for datamart in datamarts {
        let Datamart { name, datasource, tenancy, .. } = datamart;
        let (name, tenancy) = (name.clone(), tenancy.clone());
        let dependant = Dependant { name, tenancy, is_shared: is_shared(datamart) };
        by_datasource.entry(datasource.clone()).or_default().push(dependant);
    }
    by_datasource
}
