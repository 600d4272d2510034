//! The Databrain API: the requests that can be sent, and what the replies show.
//!
//! [`Deleter`] sends one deletion of a datasource or a datamart, once; [`Lister`] reads the listings and cannot delete. Failures of one target are
//! data (an [`Answer`](crate::domain::Answer)); an [`ApiError`] means that the API cannot be used.

mod client;
mod deleter;
mod dependants;
mod error;
mod lister;
mod listing;
mod observation;
mod page;
mod success;
mod transport;
mod verdict;

pub use client::{ApiOptions, BaseUrl, LONGEST_CA_FILE, trusted};
pub use deleter::{Deleter, Reply};
pub use dependants::Dependants;
pub use error::ApiError;
pub use lister::{Lister, Probe};
pub use observation::{ServerFacts, ServerObservation};
pub use verdict::{Body, BodyEnd, Classification, classify, classify_datamart};
