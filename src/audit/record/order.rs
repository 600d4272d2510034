//! Records are in order of time.

use std::time::Duration;

use crate::audit::AuditError;
use crate::domain::Timestamp;

/// The time of a record at `at` after one at `last_us`. Small steps back (threads that finish at once, a clock being
/// slewed) are levelled; a jump back is an error, as the log would then say something false.
pub(in crate::audit) fn not_before(
    at: Timestamp,
    last_us: i64,
    tolerance: Duration,
) -> Result<i64, AuditError> {
    let at_us = at.as_micros();
    let behind = last_us.saturating_sub(at_us);
    if i128::from(behind) > i128::try_from(tolerance.as_micros()).unwrap_or(i128::MAX) {
        return Err(AuditError::ClockWentBack {
            by_seconds: behind / 1_000_000,
            last: Timestamp::from_micros(last_us),
        });
    }
    Ok(at_us.max(last_us))
}
