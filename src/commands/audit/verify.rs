//! `decom audit verify`: whether anybody has altered the log.

use super::super::CommandError;
use super::super::context::{Context, Shared, World};
use crate::audit::AuditReader;
use crate::vocabulary::ExitStatus;

/// What `decom audit verify` is asked for.
#[derive(Debug, Clone)]
pub struct VerifyRequest {}

/// Checks the chain of the log.
///
/// # Errors
/// Where the log cannot be read, or a record does not match its hash.
pub fn verify(_request: &VerifyRequest, shared: &Shared, world: &World) -> Result<ExitStatus, CommandError> {
    let context = Context::new(shared, world)?;
    let reader = AuditReader::open(&context.settings.audit.db)?;
    reader.verify_chain()?;
    // Nothing outside of the log vouches for it yet.
    Ok(ExitStatus::Exceptions)
}
