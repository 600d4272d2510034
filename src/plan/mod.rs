//! What a run would do: its targets, each once, due or skipped, and the guards that may refuse it.

mod approval;
mod error;
mod glob;
mod guards;
mod preview;
mod protection;
mod saved;
mod selection;
mod targets;

pub use approval::{Approval, ApprovalCheck, ApprovalError, PURPOSE, is_same};
pub use error::PlanError;
pub use guards::{Extent, Guards, ListingExtent, Refusal};
pub use preview::{Listings, Preview};
pub use protection::Protection;
pub use saved::{PlanRefusal, SavedGuards, SavedPlan, SavedSkip, SavedTarget};
pub use selection::{Ends, KnownGone, Rules, Selection, SelectionCounts};
pub use targets::{ListFacts, Targets, TargetsBuilder};
