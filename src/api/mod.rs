//! The Databrain API: what can be asked of it, and what its answers mean.
//!
//! A deletion passes through one stack, outermost first: retry → [pace](crate::ratelimit) → attempt
//! (record durably, send, read, understand, record). Failures of a target are data
//! ([`Delivered`]); an [`ApiError`] means that the run cannot go on.

mod attempt;
mod classify;
mod client;
mod deleter;
mod dependants;
mod error;
mod ledger;
mod lister;
mod pacing;

pub use attempt::Delivered;
pub use classify::{Body, BodyEnd, Reading, classify};
pub use client::{ApiOptions, BaseUrl, described, trusted};
pub use deleter::{Deleter, DeleterParts, RetryOptions};
pub use error::{ApiError, LedgerError};
pub use ledger::Ledger;
pub use lister::Lister;
