//! What audit logs record as deleted, or as perhaps deleted, since a point in time.

use super::{ResourceKind, Timestamp};

/// The deletions of a host that were recorded since a point in time, and the attempts that may have been some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecentDeletions {
    /// When each deletion was recorded, confirmed or not.
    pub at: Vec<Timestamp>,
    /// Resources that an attempt may have deleted, as nothing settles it, each with the time of the last such attempt.
    pub in_doubt: Vec<(ResourceKind, String, Timestamp)>,
}
