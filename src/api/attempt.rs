//! One attempt, the innermost layer: recorded durably, sent, read, understood, recorded again.
//!
//! This is the one place where a deletion can leave.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::client::described;
use super::dependants::Dependants;
use super::pacing::{Waited, costs_nothing};
use super::{ApiError, Body, BodyEnd, Ledger, Reading, classify};
use crate::domain::{Answer, AttemptEnd, AttemptStart, Clock, Evidence, Outcome, Target, Token, Verdict};
use crate::ratelimit::PaceError;

/// How much of a body is read at the most, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// What stands for the status of a response where there was none; it never leaves this room.
const NO_ANSWER: u16 = 599;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The delivery of one target through all its attempts; travels with the request.
#[derive(Debug)]
pub(super) struct Delivery {
    target: Target,
    /// The number of the last attempt, over all processes.
    number: AtomicU32,
    /// How many attempts of this delivery count against `--max-attempts`.
    counted: AtomicU32,
    doubted: AtomicBool,
    in_flight: AtomicBool,
    result: Mutex<Option<Delivered>>,
}

/// How the delivery of a target ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The API's answer settled it; the outcome is recorded with the answer.
    Settled(Outcome),
    /// All attempts are used up, or trying again cannot help, and nothing is settled.
    Exhausted {
        /// The last answer.
        answer: Answer,
        /// Whether one of the attempts may have been carried out.
        doubted: bool,
    },
    /// The token is not accepted: no other name would fare better.
    Unauthorized(Answer),
}

impl Delivery {
    pub(super) fn of(target: Target) -> Self {
        Self {
            number: AtomicU32::new(target.attempts),
            counted: AtomicU32::new(0),
            doubted: AtomicBool::new(target.doubted),
            in_flight: AtomicBool::new(false),
            result: Mutex::new(None),
            target,
        }
    }

    /// Whether an attempt is recorded as begun, and not yet as ended.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn take_result(&self) -> Option<Delivered> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What an attempt showed, handed outwards with its response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Whether another attempt may help, and one is left.
    pub(super) try_again: bool,
}

/// Records, sends, reads and understands one attempt.
pub(super) struct AttemptLayer {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) token: Token,
    pub(super) run_id: String,
    pub(super) max_attempts: u32,
    pub(super) response_timeout: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) dependants: Arc<Dependants>,
    /// One for each request that may be under way.
    pub(super) slots: Semaphore,
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl Middleware for AttemptLayer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let Some(delivery) = extensions.get::<Arc<Delivery>>().cloned() else {
            return Err(Error::Middleware(anyhow::anyhow!("a deletion without a target was not sent")));
        };
        let waited = extensions.get::<Waited>().map_or(Duration::ZERO, |waited| waited.0);
        let target = &delivery.target;
        let number = delivery.number.fetch_add(1, Ordering::Relaxed) + 1;
        let mut request_id = String::with_capacity(self.run_id.len() + 24);
        request_id.push_str(&self.run_id);
        // Writing to a string cannot fail.
        let _ = write!(request_id, "-{}-{number}", target.number);
        if let Ok(value) = HeaderValue::try_from(request_id) {
            request.headers_mut().insert(X_REQUEST_ID, value);
        }

        delivery.in_flight.store(true, Ordering::Relaxed);
        let start = AttemptStart { target: target.seq, number, at: self.clock.timestamp(), waited };
        if let Err(error) = self.ledger.attempt_starts(start).await {
            delivery.in_flight.store(false, Ordering::Relaxed);
            return Err(Error::Middleware(ApiError::Ledger(error).into()));
        }

        let Some(_slot) = self.slot().await else {
            self.ledger.attempt_ended(&target.name, self.not_sent(target, number));
            delivery.in_flight.store(false, Ordering::Relaxed);
            return Err(Error::Middleware(ApiError::Pace(PaceError::Stopped).into()));
        };

        let span = tracing::debug_span!(
            "attempt",
            attempt = number,
            http.request.method = "DELETE",
            http.request.resend_count = number - 1,
            server.address = request.url().host_str(),
            server.port = request.url().port_or_known_default(),
            http.response.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        let began = Instant::now();
        let (reading, mut response) = self.exchange(request, extensions, next).instrument(span.clone()).await;
        let latency = began.elapsed();

        let answer = self.redacted(reading.answer);
        let doubted = delivery.doubted.load(Ordering::Relaxed);
        let outcome = answer.verdict.settles(doubted || target.redelivered);
        if answer.verdict.leaves_doubt() {
            delivery.doubted.store(true, Ordering::Relaxed);
        }
        let free = costs_nothing(response.status().as_u16(), response.headers());
        let counted = delivery.counted.fetch_add(u32::from(!free), Ordering::Relaxed) + u32::from(!free);
        let try_again = reading.transient && !free && counted < self.max_attempts;
        let mut dependants =
            if outcome == Some(Outcome::InUse) { self.dependants.of(&target.name).await } else { Vec::new() };
        for name in &mut dependants {
            *name = self.token.redact(std::mem::take(name));
        }
        log(&span, &answer, try_again || free, latency);
        if !free && !try_again {
            let result = match (outcome, answer.verdict) {
                (Some(outcome), _) => Delivered::Settled(outcome),
                (None, Verdict::Unauthorized) => Delivered::Unauthorized(answer.clone()),
                (None, _) => Delivered::Exhausted {
                    answer: answer.clone(),
                    doubted: delivery.doubted.load(Ordering::Relaxed) || target.redelivered,
                },
            };
            *delivery.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
        self.ledger.attempt_ended(
            &target.name,
            AttemptEnd {
                target: target.seq,
                number,
                at: self.clock.timestamp(),
                latency,
                answer,
                outcome: outcome.map(|outcome| (outcome, evidence(outcome, doubted))),
                dependants,
            },
        );
        delivery.in_flight.store(false, Ordering::Relaxed);
        response.extensions_mut().insert(Shown { try_again });
        Ok(response)
    }
}

/// How an outcome is known that an answer settled. What is gone without a doubtful attempt in this log was asked for
/// by a message that another worker had, and did not give back: that one's log knows.
const fn evidence(outcome: Outcome, doubted: bool) -> Evidence {
    match outcome {
        Outcome::DeletedUnconfirmed if !doubted => Evidence::NotFoundAfterRedelivery,
        outcome => Evidence::of_answer(outcome),
    }
}

impl AttemptLayer {
    /// The leave to send one of as many requests as may be under way; none where the run stops meanwhile.
    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        if self.stop.is_cancelled() {
            return None;
        }
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            slot = self.slots.acquire() => slot.ok(),
        }
    }

    /// How an attempt ended of which the record was durable when the run stopped.
    fn not_sent(&self, target: &Target, number: u32) -> AttemptEnd {
        let said = "the run stopped before this attempt left".to_owned();
        AttemptEnd {
            target: target.seq,
            number,
            at: self.clock.timestamp(),
            latency: Duration::ZERO,
            answer: failure(Verdict::NotSent, "stopped", said).answer,
            outcome: None,
            dependants: Vec::new(),
        }
    }

    /// Sends the request and reads the answer. Whatever happens is a reading, never an error; it comes with the
    /// response for the layers further out, of which the body is read.
    async fn exchange(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> (Reading, Response) {
        let deadline = tokio::time::Instant::now() + self.attempt_timeout;
        let answer_by = self.response_timeout.min(self.attempt_timeout);
        let mut response = match tokio::time::timeout(answer_by, next.run(request, extensions)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return (unanswered(&error), bare(NO_ANSWER, HeaderMap::new())),
            Err(_) => {
                let said = format!("no answer within {}", humantime::format_duration(answer_by));
                let reading = failure(Verdict::NoAnswer, "response_timeout", said);
                return (reading, bare(NO_ANSWER, HeaderMap::new()));
            }
        };
        let body = read_bounded(&mut response, deadline).await;
        let status = response.status().as_u16();
        let mut reading = classify(status, &body);
        if let (300..=399, Some(location)) = (status, response.headers().get(http::header::LOCATION)) {
            // Cut only behind the redaction, which does not know a token by its half.
            let location = self.token.redact(String::from_utf8_lossy(location.as_bytes()).into_owned());
            let location: String = location.chars().take(200).collect();
            reading.answer.message = Some(format!("redirect to {location}, not followed"));
        }
        if body.end != BodyEnd::Whole {
            // What was not read to its end holds a connection for as long as there is a response.
            response = bare(status, std::mem::take(response.headers_mut()));
        }
        (reading, response)
    }

    /// The answer without the token, which a server may echo.
    fn redacted(&self, mut answer: Answer) -> Answer {
        for text in [&mut answer.error_code, &mut answer.message, &mut answer.datasource_id] {
            *text = text.take().map(|text| self.token.redact(text));
        }
        answer
    }
}

/// Tells the log how an attempt ended, with OpenTelemetry's names for what is HTTP. At level debug:
/// all of it is in the audit log.
fn log(span: &Span, answer: &Answer, try_again: bool, latency: Duration) {
    span.record("http.response.status_code", answer.http_status);
    span.record("error.type", answer.error_code.as_deref());
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    let what = if try_again { "attempt failed; trying again" } else { "attempt ended" };
    let verdict = answer.verdict.as_str();
    tracing::debug!(parent: span, verdict, error.message = answer.message, latency_ms, "{what}");
}

async fn read_bounded(response: &mut Response, deadline: tokio::time::Instant) -> Body {
    let mut bytes = Vec::new();
    let end = loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = LONGEST_BODY - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break BodyEnd::Longer;
                }
            }
            Ok(Ok(None)) => break BodyEnd::Whole,
            Ok(Err(_)) | Err(_) => break BodyEnd::CutShort,
        }
    };
    Body { bytes, end }
}

/// What a failure below HTTP means.
fn unanswered(error: &Error) -> Reading {
    let Error::Reqwest(error) = error else {
        return failure(Verdict::NotSent, "client_error", error.to_string());
    };
    let (verdict, code) = if error.is_connect() || error.is_builder() {
        (Verdict::NotSent, if error.is_timeout() { "connect_timeout" } else { "connect_failed" })
    } else if error.is_timeout() {
        (Verdict::NoAnswer, "attempt_timeout")
    } else {
        (Verdict::NoAnswer, "connection_lost")
    };
    let mut message = described(error);
    if message.contains("UnknownIssuer") {
        message.push_str(" (name the certificates of a private authority with --ca-file)");
    }
    failure(verdict, code, message)
}

fn failure(verdict: Verdict, code: &str, message: String) -> Reading {
    let answer = Answer {
        verdict,
        http_status: None,
        error_code: Some(code.to_owned()),
        message: Some(message),
        datasource_id: None,
    };
    Reading { answer, transient: true }
}

/// A response without a body.
fn bare(status: u16, headers: HeaderMap) -> Response {
    let mut response = http::Response::new("");
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    *response.headers_mut() = headers;
    response.into()
}
