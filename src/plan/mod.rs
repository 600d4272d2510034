//! What a run would do: its targets, each once, due or skipped, and the guards that may refuse it.

mod error;
mod guards;
mod protection;
mod selection;
mod targets;

pub use error::PlanError;
pub use guards::{Extent, Guards, ListingExtent, Refusal};
pub use protection::Protection;
pub use selection::{KnownGone, Rules, Selection, SelectionCounts};
pub use targets::{ListFacts, Targets, TargetsBuilder};
