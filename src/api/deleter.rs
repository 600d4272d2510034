//! The client that deletes: retry, then pace, then record and send.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryTransientMiddleware, Retryable, RetryableStrategy};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::attempt::{AttemptLayer, Delivered, Delivery, Shown};
use super::client::{ApiOptions, build, described};
use super::dependants::Dependants;
use super::pacing::PaceLayer;
use super::{ApiError, Ledger, Lister};
use crate::domain::{Clock, Target, Token};
use crate::ratelimit::Pacer;

/// What RFC 3986 leaves unreserved; all else is encoded, so that a space is never a plus.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How often, and how far apart, a target is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryOptions {
    /// How many attempts a target gets, the first included. At least 1.
    pub max_attempts: u32,
    /// The longest wait before the second attempt; it doubles with each further one, and the wait
    /// is drawn evenly between nothing and that.
    pub first_backoff: Duration,
    /// The longest wait between two attempts.
    pub longest_backoff: Duration,
}

/// Deletes datasources. The only type that can; a dry run never builds one.
pub struct Deleter {
    stack: ClientWithMiddleware,
    endpoint: Url,
    stop: CancellationToken,
    dependants: Arc<Dependants>,
}

/// What a [`Deleter`] is built from.
pub struct DeleterParts {
    /// Takes the record of every attempt.
    pub ledger: Arc<dyn Ledger>,
    /// The pace that all share.
    pub pacer: Pacer,
    /// How many requests may be under way at once. More may be recorded as about to leave.
    pub slots: usize,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when no new attempt may start.
    pub stop: CancellationToken,
    /// The id of the run, from which the ids of its requests are made.
    pub run_id: String,
}

impl Deleter {
    /// Builds the stack on one HTTP client.
    ///
    /// # Errors
    /// Where the client cannot be set up from `options`.
    pub fn new(
        options: &ApiOptions,
        retry: RetryOptions,
        token: &Token,
        parts: DeleterParts,
    ) -> Result<Self, ApiError> {
        let client = build(options, token)?;
        let dependants = Arc::new(Dependants::from(Lister::over(client.clone(), options, &parts)));
        Self::over(client, dependants, options, retry, token, parts)
    }

    /// Another one, with an HTTP client of its own, for another runtime. What this one has looked up it
    /// knows as well.
    ///
    /// # Errors
    /// Where the client cannot be set up from `options`.
    pub fn beside(
        &self,
        options: &ApiOptions,
        retry: RetryOptions,
        token: &Token,
        parts: DeleterParts,
    ) -> Result<Self, ApiError> {
        Self::over(build(options, token)?, self.dependants.clone(), options, retry, token, parts)
    }

    fn over(
        client: Client,
        dependants: Arc<Dependants>,
        options: &ApiOptions,
        retry: RetryOptions,
        token: &Token,
        parts: DeleterParts,
    ) -> Result<Self, ApiError> {
        let policy = ExponentialBackoff::builder()
            .retry_bounds(retry.first_backoff, retry.longest_backoff)
            .jitter(Jitter::Full)
            .base(2)
            .build_with_max_retries(retry.max_attempts.saturating_sub(1));
        let attempt = AttemptLayer {
            ledger: parts.ledger,
            clock: parts.clock.clone(),
            token: token.clone(),
            run_id: parts.run_id,
            max_attempts: retry.max_attempts,
            response_timeout: options.response_timeout,
            attempt_timeout: options.attempt_timeout,
            dependants: dependants.clone(),
            slots: Semaphore::new(parts.slots),
            stop: parts.stop.clone(),
        };
        let stack = ClientBuilder::new(client)
            .with(RetryTransientMiddleware::new_with_policy_and_strategy(policy, AsShown))
            .with(PaceLayer { pacer: parts.pacer, stop: parts.stop.clone(), clock: parts.clock })
            .with(attempt)
            .build();
        let endpoint = options.base_url.endpoint("/api/v2/datasource")?;
        Ok(Self { stack, endpoint, stop: parts.stop, dependants })
    }

    /// Deletes `target`, with retries. `None` where the run stops before it is settled: no attempt
    /// is in flight then, and the target is still due.
    ///
    /// # Errors
    /// Where the run cannot go on: the ledger refused, or the pace cannot be kept.
    #[tracing::instrument(
        level = "debug",
        name = "target",
        skip_all,
        fields(datasource = target.name.as_str(), target = target.number)
    )]
    pub async fn delete(&self, target: Target) -> Result<Option<Delivered>, ApiError> {
        let mut url = self.endpoint.clone();
        let mut query = String::with_capacity(128);
        query.push_str("datasourceName=");
        query.extend(utf8_percent_encode(target.name.as_str(), ENCODED));
        url.set_query(Some(&query));
        let delivery = Arc::new(Delivery::of(target));
        // Without headers of its own, which the client adds: each layer makes a copy of it.
        let request = reqwest::Request::new(Method::DELETE, url);
        let mut extensions = http::Extensions::new();
        extensions.insert(delivery.clone());
        let sending = self.stack.execute_with_extensions(request, &mut extensions);
        tokio::pin!(sending);
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            () = self.stop.cancelled() => {
                if !delivery.is_in_flight() {
                    // Waiting for a turn or a backoff: nothing of it is under way.
                    return Ok(None);
                }
                // Its answer is waited for; the pace gives no turn for another attempt.
                self.until_landed(&delivery, sending).await
            }
        };
        match sent {
            Ok(_) => Ok(delivery.take_result()),
            Err(error) => match cause(&error) {
                ApiError::Pace(crate::ratelimit::PaceError::Stopped) => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Waits for the attempt in flight. A backoff that would follow it is not waited for.
    async fn until_landed<F>(
        &self,
        delivery: &Delivery,
        mut sending: std::pin::Pin<&mut F>,
    ) -> reqwest_middleware::Result<reqwest::Response>
    where
        F: Future<Output = reqwest_middleware::Result<reqwest::Response>>,
    {
        std::future::poll_fn(|context| match sending.as_mut().poll(context) {
            std::task::Poll::Ready(sent) => std::task::Poll::Ready(sent),
            // Every change of this state happens inside the poll above.
            std::task::Poll::Pending if !delivery.is_in_flight() => {
                let stopped = ApiError::Pace(crate::ratelimit::PaceError::Stopped);
                std::task::Poll::Ready(Err(reqwest_middleware::Error::Middleware(stopped.into())))
            }
            std::task::Poll::Pending => std::task::Poll::Pending,
        })
        .await
    }
}

/// Tries again where the innermost layer, which has read the answer, says so.
struct AsShown;

impl RetryableStrategy for AsShown {
    fn handle(&self, result: &Result<reqwest::Response, reqwest_middleware::Error>) -> Option<Retryable> {
        let shown = result.as_ref().ok()?.extensions().get::<Shown>()?;
        shown.try_again.then_some(Retryable::Transient)
    }
}

/// The error of ours inside what the layers made of it.
fn cause(error: &reqwest_middleware::Error) -> ApiError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<ApiError>() {
            return ours.clone();
        }
        // Transparent as well: without a retry before, its source is what lies behind the error that it holds.
        if let Some(reqwest_retry::RetryError::Error(held)) = error.downcast_ref() {
            next = Some(held);
            continue;
        }
        next = match error.downcast_ref::<reqwest_middleware::Error>() {
            // Transparent: its source is what lies behind the error that it holds.
            Some(reqwest_middleware::Error::Middleware(held)) => Some(held.as_ref()),
            _ => error.source(),
        };
    }
    ApiError::Client { why: described(error) }
}
