//! The meaning of a reply of SQS, and of its absence.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::timeout;

use crate::domain::error_chain;
use crate::queue::QueueError;
use crate::queue::error_context::ErrorContext;

/// How long a call may take beside its wait.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Transient errors: too many requests, or a key that is about to be renewed.
const TRANSIENT: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
];

/// Errors of a delivery whose lease ended.
const EXPIRED: &[&str] = &["InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"];

/// Errors of a queue that does not exist.
const MISSING: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// Why a call failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The error code, if SQS replied with one.
    code: Option<String>,
    why: String,
    is_transient: bool,
}

impl Failure {
    /// Returns true if the lease of the delivery ended.
    pub(super) fn is_expired(&self) -> bool {
        self.code.as_deref().is_some_and(|code| EXPIRED.contains(&code))
    }

    /// Returns true if the queue does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.code.as_deref().is_some_and(|code| MISSING.contains(&code))
    }

    /// The failure of one entry of a batch.
    pub(super) fn of_entry(code: &str, message: Option<&str>, sender_fault: bool) -> Self {
        let why = format!("{code}: {}", message.unwrap_or("no reason given"));
        Self { code: Some(code.to_owned()), why, is_transient: !sender_fault || TRANSIENT.contains(&code) }
    }

    /// The failure of a request that cannot be built.
    pub(super) fn of_client(error: &(dyn Error + 'static)) -> Self {
        Self { code: None, why: error_chain(error), is_transient: false }
    }

    pub(super) fn into_error(self, errors: &ErrorContext, action: &'static str) -> QueueError {
        if self.is_transient { errors.unreachable(self.why) } else { errors.refused(action, self.why) }
    }
}

/// The reply to a call, which may take `wait` and some seconds.
pub(super) async fn reply_of<T, E>(
    wait: Duration,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let limit = wait + TIMEOUT;
    match timeout(limit, call).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(Failure {
            code: None,
            why: format!("no reply within {} s", limit.as_secs()),
            is_transient: true,
        }),
    }
}

fn failure<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Failure {
    let server_error = error.raw_response().is_some_and(|response| response.status().is_server_error());
    if let Some(service_error) = error.as_service_error() {
        let Some(code) = service_error.code() else {
            // Probably from a proxy.
            return Failure { code: None, why: begin_of(error.raw_response()), is_transient: server_error };
        };
        return Failure {
            code: Some(code.to_owned()),
            why: format!("{code}: {}", service_error.message().unwrap_or("no reason given")),
            is_transient: server_error || TRANSIENT.contains(&code),
        };
    }
    let is_transient = match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(dispatch) => {
            (dispatch.is_io() || dispatch.is_timeout()) && !is_untrusted(error)
        }
        SdkError::ResponseError(_) => server_error || error.raw_response().is_none(),
        _ => false,
    };
    Failure { code: None, why: error_chain(error), is_transient }
}

/// Returns true if rustls rejected the other side, which will not change.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // An I/O error does not return its content as its source.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| is_untrusted(inner)) || error.source().is_some_and(is_untrusted)
}

/// The begin of a reply that the client cannot read.
fn begin_of(response: Option<&HttpResponse>) -> String {
    let Some(response) = response else { return "no readable reply".to_owned() };
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let begin: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    format!("HTTP {}: {begin}", response.status().as_u16())
}
