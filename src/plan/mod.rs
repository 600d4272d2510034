//! What a run would do: its targets, each once, due or skipped, and the guards that may refuse it.

mod along;
mod approval;
mod cascade;
mod day_budget;
mod error;
mod glob;
mod guards;
mod holds;
mod name_globs;
mod name_set;
mod preview;
mod protection;
mod saved;
mod selection;
mod shard;
mod target_file;
mod targets;
mod tenancy;

pub use approval::{Approval, ApprovalCheck, ApprovalError, PURPOSE, check_second_person};
pub use cascade::{Cascade, Obstacle, ObstacleReason, PlannedDatamart};
pub use day_budget::{BUDGET_WINDOW, DayBudget};
pub use error::{PlanError, PlanRefusal};
pub use guards::{Extent, Guards, ListingExtent, Refusal};
pub use holds::{HoldEntry, HoldError, HoldList, HoldSource, Holds, HoldsUnreadable};
pub use name_globs::NameGlobs;
pub use preview::{Dependant, GroupsPreview, ListingPreview, Listings, NearMiss, Preview};
pub use protection::{Protection, ProtectionMatch};
pub use saved::{SavedDatamart, SavedGuards, SavedPlan, SavedSkip, SavedSkipReason, SavedTarget, is_expired};
pub use selection::{Excerpt, InDoubt, KnownGone, PlannedSkips, Rules, Selection, SelectionCounts};
pub use shard::Shard;
pub use targets::{ListFacts, Targets, TargetsBuilder};
pub use tenancy::{AllowShared, is_shared};
