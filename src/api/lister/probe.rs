//! One request for a listing, to see if the API can be reached and what it says of its rate limit.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::reply::{Content, Trouble, refused};
use super::{ApiError, Lister, NamedEntry};
use crate::ratelimit::RateLimitHeaders;

/// What one request showed.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// From the first byte sent to the last byte read.
    pub latency: Duration,
    /// What the headers of the reply say about the rate limit.
    pub headers: RateLimitHeaders,
}

impl Lister {
    /// Requests the list of datasources once, and looks at the reply, not at the list.
    ///
    /// # Errors
    /// If there is no reply, or it is not a listing and no refusal to list without pages.
    pub async fn probe(&self) -> Result<Probe, ApiError> {
        let turn = self.pacer.turn(&self.stop).await?;
        let began = Instant::now();
        let (token, _) = self.credentials.current();
        let attempt = self.attempt::<NamedEntry>("datasources", "/api/v2/datasource", &token).await;
        turn.answered(&attempt.headers, attempt.throttled);
        match attempt.content {
            Ok(Content::Refused(status)) if status != StatusCode::BAD_REQUEST => {
                Err(refused("datasources", status))
            }
            Ok(_) => Ok(Probe { latency: began.elapsed(), headers: attempt.headers }),
            Err(Trouble::Passing(error) | Trouble::Lasting(error)) => Err(error),
        }
    }
}
