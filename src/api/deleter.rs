//! Sends one deletion and reads its reply. This is the only place where a deletion can leave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Request, Response};
use tokio::time::{timeout, timeout_at};
use tracing::{Instrument, Span};
use url::Url;

use super::client::{ApiOptions, authorization, build};
use super::transport::Failure;
use super::{ApiError, Body, BodyEnd, Classification, classify, classify_datamart};
use crate::domain::{Answer, Clock, Credentials, Resource, ResourceKind, Token, Verdict, error_chain};
use crate::ratelimit::RateLimitHeaders;

/// What RFC 3986 leaves unreserved; everything else is encoded, so that a space is never a plus.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of a body is read at most, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// Deletes datasources and datamarts. The only type that can; a dry run never builds one.
pub struct Deleter {
    client: Client,
    datasources: Url,
    datamarts: Url,
    credentials: Credentials,
    may_be_proxied: bool,
    clock: Arc<dyn Clock>,
    response_timeout: Duration,
    attempt_timeout: Duration,
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The verdict and what is recorded with it. The token is redacted.
    pub answer: Answer,
    /// Another attempt may get another verdict.
    pub retriable: bool,
    /// No other target may be sent after this reply.
    pub stops: bool,
    /// The token was not accepted, and there is another one by now.
    pub token_renewed: bool,
    /// What the headers say about the rate limit.
    pub headers: RateLimitHeaders,
    /// From the first byte sent to the last byte read.
    pub latency: Duration,
}

impl Reply {
    /// Of a request that was held back at the last moment, for this reason.
    #[must_use]
    pub fn not_sent(code: &str, why: &str) -> Self {
        let answer = Answer {
            verdict: Verdict::NotSent,
            http_status: None,
            error_code: Some(code.to_owned()),
            message: Some(why.to_owned()),
            datasource_id: None,
        };
        Self {
            answer,
            retriable: false,
            stops: false,
            token_renewed: false,
            headers: RateLimitHeaders::default(),
            latency: Duration::ZERO,
        }
    }
}

impl Deleter {
    /// # Errors
    /// If the HTTP client cannot be set up from `options`.
    pub fn new(
        options: &ApiOptions,
        credentials: &Credentials,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            client: build(options, false)?,
            datasources: options.base_url.endpoint("/api/v2/datasource")?,
            datamarts: options.base_url.endpoint("/api/v2/data-app/datamart")?,
            credentials: credentials.clone(),
            may_be_proxied: !options.base_url.is_loopback(),
            clock,
            response_timeout: options.response_timeout.min(options.attempt_timeout),
            attempt_timeout: options.attempt_timeout,
        })
    }

    /// Sends one request to delete `resource`, its attempt number `number`, and reads the reply. Whatever happens is a
    /// reply, never an error, and nothing is sent twice.
    pub async fn delete(&self, resource: Resource<'_>, number: u32, request_id: &str) -> Reply {
        let span = self.span(number);
        let (token, number) = self.credentials.current();
        let mut reply = match self.request(resource, request_id, &token) {
            Ok(request) => self.exchange(resource, request).instrument(span.clone()).await,
            Err(error) => Reply::not_sent("request_failed", &error.to_string()),
        };
        if reply.answer.verdict == Verdict::Unauthorized {
            reply.token_renewed = self.credentials.renew(number);
            reply.stops &= !reply.token_renewed;
        } else if reply.answer.verdict.accepts_token() {
            self.credentials.accepted(number);
        }
        span.record("http.response.status_code", reply.answer.http_status);
        span.record("error.type", reply.answer.error_code.as_deref());
        let (verdict, latency_ms) =
            (reply.answer.verdict.as_str(), u64::try_from(reply.latency.as_millis()).unwrap_or(u64::MAX));
        tracing::debug!(parent: &span, verdict, error.message = reply.answer.message, latency_ms, "attempt ended");
        reply
    }

    /// The span of one attempt, with OpenTelemetry's names for what is HTTP. At level debug: all of it is in the audit
    /// log.
    fn span(&self, number: u32) -> Span {
        tracing::debug_span!(
            "attempt",
            attempt = number,
            http.request.method = "DELETE",
            http.request.resend_count = number - 1,
            server.address = self.datasources.host_str(),
            server.port = self.datasources.port_or_known_default(),
            http.response.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        )
    }

    /// Returns true if a proxy answered instead of the API.
    fn is_of_proxy(&self, status: StatusCode) -> bool {
        self.may_be_proxied && status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
    }

    async fn exchange(&self, resource: Resource<'_>, request: Request) -> Reply {
        let began = Instant::now();
        let deadline = tokio::time::Instant::now() + self.attempt_timeout;
        let (Classification { answer, retriable, stops }, headers) =
            match timeout(self.response_timeout, self.client.execute(request)).await {
                Ok(Ok(response)) if self.is_of_proxy(response.status()) => {
                    (Failure::of_proxy().classification(), RateLimitHeaders::default())
                }
                Ok(Ok(mut response)) => {
                    let headers = RateLimitHeaders::read(response.headers(), self.clock.now());
                    (self.read(resource, &mut response, deadline).await, headers)
                }
                Ok(Err(error)) => (Failure::of(&error).classification(), RateLimitHeaders::default()),
                Err(_) => {
                    (Failure::timeout(self.response_timeout).classification(), RateLimitHeaders::default())
                }
            };
        let (answer, latency) = (self.redacted(answer), began.elapsed());
        Reply { answer, retriable, stops, token_renewed: false, headers, latency }
    }

    fn request(&self, resource: Resource<'_>, request_id: &str, token: &Token) -> Result<Request, ApiError> {
        let (endpoint, parameter) = match resource.kind {
            ResourceKind::Datasource => (&self.datasources, "datasourceName="),
            ResourceKind::Datamart => (&self.datamarts, "datamartName="),
        };
        let mut url = endpoint.clone();
        let mut query = String::with_capacity(128);
        query.push_str(parameter);
        query.extend(utf8_percent_encode(resource.name.as_str(), ENCODED));
        url.set_query(Some(&query));
        let mut request = Request::new(Method::DELETE, url);
        if let Ok(value) = HeaderValue::from_str(request_id) {
            request.headers_mut().insert("x-request-id", value);
        }
        request.headers_mut().extend([authorization(token)?]);
        Ok(request)
    }

    async fn read(
        &self,
        resource: Resource<'_>,
        response: &mut Response,
        deadline: tokio::time::Instant,
    ) -> Classification {
        let status = response.status().as_u16();
        let body = read_bounded(response, deadline).await;
        let mut classification = match resource.kind {
            ResourceKind::Datasource => classify(status, &body),
            ResourceKind::Datamart => classify_datamart(resource.name.as_str(), status, &body),
        };
        if let (300..=399, Some(location)) = (status, response.headers().get(http::header::LOCATION)) {
            // Cut only after the redaction, which does not recognise half a token.
            let location = self.credentials.redact(String::from_utf8_lossy(location.as_bytes()).into_owned());
            let location: String = location.chars().take(200).collect();
            classification.answer.message = Some(format!("redirect to {location}, not followed"));
        }
        classification
    }

    /// Takes the token, which a server may echo, out of the answer.
    fn redacted(&self, mut answer: Answer) -> Answer {
        for text in [&mut answer.error_code, &mut answer.message, &mut answer.datasource_id] {
            *text = text.take().map(|text| self.credentials.redact(text));
        }
        answer
    }
}

async fn read_bounded(response: &mut Response, deadline: tokio::time::Instant) -> Body {
    let mut bytes = Vec::new();
    let end = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let left = LONGEST_BODY - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(left)]);
                if chunk.len() > left {
                    break BodyEnd::Longer;
                }
            }
            Ok(Ok(None)) => break BodyEnd::Whole,
            Ok(Err(error)) => {
                tracing::debug!(error = error_chain(&error), "a reply was cut short");
                break BodyEnd::CutShort;
            }
            Err(_) => break BodyEnd::CutShort,
        }
    };
    Body { bytes, end }
}
