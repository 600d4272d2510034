//! Holds this machine's clock against the last record of the log.

use std::time::Duration;

use super::CommandError;
use super::context::Context;
use crate::audit::AuditReader;

/// A log that is used at all is used more often than this.
const LONG: Duration = Duration::from_hours(366 * 24);

/// Refuses a clock before the last record of the log, as writing to it would, and warns of one long after that: the
/// log would then be ahead of the time once the clock is right again.
pub(super) fn check_log(context: &Context<'_>) -> Result<(), CommandError> {
    let audit = &context.settings.audit;
    let Ok(Some(reader)) = AuditReader::open_if_there(&audit.db) else { return Ok(()) };
    let now = context.world.clock.timestamp();
    if let Some(last) = reader.check_clock(now, audit.clock_tolerance)?
        && now.since(last) > LONG
    {
        let days = now.since(last).as_secs() / (24 * 60 * 60);
        tracing::warn!(
            "this machine's clock ({now}) is {days} days after the last record of the audit log ({last}); stop, and set the clock right, if it is wrong: a log that is ahead of the time can only be rotated"
        );
    }
    Ok(())
}
