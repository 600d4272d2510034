//! Logs that are passed on: exported for other programs, merged into one file for reports, closed for
//! good.

mod export;
mod merge;
mod rotation;

pub use merge::{LogPart, Merged, Overlap, SameLog, merge};
pub use rotation::{Closed, Rotated, rotate};
