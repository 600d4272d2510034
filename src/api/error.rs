//! Why the API cannot be used at all. Failures of one target are data, not errors.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ratelimit::PaceError;

/// Why the API cannot be used at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// The base URL cannot be one.
    #[error("base URL `{url}`: {why}")]
    BaseUrl {
        /// As it was given.
        url: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The file with the private certificate authority cannot be used.
    #[error("{}: cannot use this CA file: {why}; it must hold PEM certificates", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client: {why}")]
    Client {
        /// What it said.
        why: String,
    },
    /// The record of an attempt could not be made durable, so nothing was sent.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The pace cannot be kept: the run is stopping, or the server asks for too long a pause.
    #[error(transparent)]
    Pace(#[from] PaceError),
    /// The token is not accepted, as reading a listing showed.
    #[error("the API does not accept the token (HTTP 401)")]
    Unauthorized,
    /// A listing could not be read.
    #[error("cannot read the list of {what}: {why}")]
    Listing {
        /// `datasources` or `datamarts`.
        what: &'static str,
        /// What happened.
        why: String,
    },
}

/// The ledger refused an attempt. Holds the reason as it was given.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct LedgerError(pub Arc<dyn std::error::Error + Send + Sync>);
