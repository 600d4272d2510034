//! Why the API cannot be used at all. Failures of one target are data, not errors.

use std::path::PathBuf;

use crate::ratelimit::PaceError;

/// Why the API cannot be used at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    #[error("base URL `{url}`: {why}")]
    BaseUrl {
        url: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    #[error("{}: cannot use this CA file: {why}; it must hold PEM certificates", path.display())]
    CaFile { path: PathBuf, why: String },
    #[error("cannot set up the HTTP client: {why}")]
    Client { why: String },
    /// The run is stopping, or the server asks for too long a pause.
    #[error(transparent)]
    Pace(#[from] PaceError),
    /// A request for a listing was refused for its token.
    #[error("the API does not accept the token (HTTP {status}); check DATABRAIN_TOKEN or the token file")]
    Unauthorized { status: u16 },
    /// No connection for reading a listing could be made.
    #[error("cannot reach {url}: {why}; check --base-url and the network")]
    Unreachable { url: String, why: String },
    /// A listing could not be read for as long as it was tried, for a reason that may pass.
    #[error("cannot read the list of {what} at present: {why}")]
    Unavailable {
        /// `datasources` or `datamarts`.
        what: &'static str,
        why: String,
    },
    #[error("cannot read the list of {what}: {why}")]
    Listing {
        /// `datasources` or `datamarts`.
        what: &'static str,
        why: String,
    },
}

impl ApiError {
    /// Returns true if the same request may succeed later, with nothing changed here.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Pace(_))
    }
}
