//! What one attempt showed.

use std::fmt;

/// What one attempt, that is one HTTP request for one target, showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The documented success: the API says that it deleted the resource.
    Deleted,
    /// `DATASOURCE_NAME_ERROR`: there is no datasource of that name.
    NotFound,
    /// `INVALID_REQUEST_BODY` for a datamart: there is none of that name, or the request is malformed. Only a listing
    /// shows which.
    NotFoundOrInvalid,
    /// `DATASOURCE_IN_USE`: something depends on it.
    InUse,
    /// Any other definite refusal.
    Rejected,
    /// The token is missing, invalid or expired: any other name would be refused as well.
    Unauthorized,
    /// 429: refused before anything was done.
    Throttled,
    /// 408 or 5xx. A proxy may have sent it after the deletion was carried out.
    ServerError,
    /// The request may have been carried out, but no clear reply arrived: a timeout, a cut connection, a reply cut
    /// short, a status that the API does not document.
    NoAnswer,
    /// No connection was made, so that the request cannot have been carried out.
    NotSent,
}

impl Verdict {
    pub const ALL: [Self; 10] = [
        Self::Deleted,
        Self::NotFound,
        Self::NotFoundOrInvalid,
        Self::InUse,
        Self::Rejected,
        Self::Unauthorized,
        Self::Throttled,
        Self::ServerError,
        Self::NoAnswer,
        Self::NotSent,
    ];

    /// Returns the word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::NotFound => "not_found",
            Self::NotFoundOrInvalid => "not_found_or_invalid",
            Self::InUse => "in_use",
            Self::Rejected => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::NoAnswer => "no_answer",
            Self::NotSent => "not_sent",
        }
    }

    /// Returns true if the API itself must have replied, and accepted the token.
    #[must_use]
    pub const fn accepts_token(self) -> bool {
        matches!(self, Self::Deleted | Self::NotFound | Self::InUse)
    }

    /// Returns true if the deletion may have been carried out although no reply says so.
    #[must_use]
    pub const fn raises_doubt(self) -> bool {
        matches!(self, Self::ServerError | Self::NoAnswer)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
