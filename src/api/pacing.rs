//! The layer that waits for its turn before each request, and tells the pace what the server said.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Extensions, HeaderMap};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use tokio_util::sync::CancellationToken;

use super::ApiError;
use crate::domain::Clock;
use crate::ratelimit::{Pacer, ServerWord};

/// How long the request waited for its turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waited(pub(super) Duration);

/// Whether an answer with this status and these headers uses up none of a target's attempts: the
/// server turned it away and said to come back.
pub(super) fn costs_nothing(status: u16, headers: &HeaderMap) -> bool {
    status == 429
        || (matches!(status, 408 | 500 | 502 | 503 | 504) && headers.contains_key(http::header::RETRY_AFTER))
}

/// Waits for its turn, and sends again after a pause that the server asked for.
pub(super) struct PaceLayer {
    pub(super) pacer: Pacer,
    pub(super) stop: CancellationToken,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Middleware for PaceLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        loop {
            let turn = self
                .pacer
                .turn(&self.stop)
                .await
                .map_err(|error| Error::Middleware(ApiError::Pace(error).into()))?;
            extensions.insert(Waited(turn.waited));
            let Some(copy) = request.try_clone() else {
                return Err(Error::Middleware(anyhow::anyhow!("the request cannot be sent more than once")));
            };
            let response = next.clone().run(copy, extensions).await?;
            let word = ServerWord::from_headers(response.headers(), self.clock.now());
            let free = costs_nothing(response.status().as_u16(), response.headers());
            turn.answered(&word, free);
            if !free {
                return Ok(response);
            }
        }
    }
}
