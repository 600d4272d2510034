//! Where attempts are recorded: the API room knows only that it must be told, and when to wait.

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{AttemptEnd, AttemptStart, DatasourceName};

/// Takes the record of every attempt.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Returns once the record of the attempt is durable: only then may its first byte leave.
    ///
    /// # Errors
    /// Where it cannot be made durable: the attempt must not be sent.
    async fn attempt_starts(&self, start: AttemptStart) -> Result<(), LedgerError>;

    /// Takes the record of how the attempt ended, without waiting until it is durable.
    fn attempt_ended(&self, name: &DatasourceName, end: AttemptEnd);
}
