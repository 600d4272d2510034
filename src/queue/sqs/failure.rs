//! What an answer of SQS means, and its absence.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::timeout;

use crate::domain::error_chain;
use crate::queue::QueueError;

/// How long a call may take, beside what it is to wait.
const WITHIN: Duration = Duration::from_secs(8);

/// Answers that mean "later": too much at once, or a key that is renewed in a moment.
const LATER: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
];

/// Answers that mean that a delivery is over.
const OVER: &[&str] = &["InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"];

/// The queue is not there.
const MISSING: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// Why a call was in vain.
#[derive(Debug)]
pub(super) struct Failure {
    /// The code that SQS gives it, where it was SQS that said no.
    code: Option<String>,
    why: String,
    may_pass: bool,
}

impl Failure {
    /// Whether the delivery that was spoken of is over.
    pub(super) fn is_over(&self) -> bool {
        self.code.as_deref().is_some_and(|code| OVER.contains(&code))
    }

    /// Whether the queue that was spoken of is not there.
    pub(super) fn is_missing(&self) -> bool {
        self.code.as_deref().is_some_and(|code| MISSING.contains(&code))
    }

    /// One entry of a batch that failed.
    pub(super) fn of_entry(code: &str, message: Option<&str>, sender_fault: bool) -> Self {
        let why = format!("{code}: {}", message.unwrap_or("no reason given"));
        Self { code: Some(code.to_owned()), why, may_pass: !sender_fault || LATER.contains(&code) }
    }

    /// A request that cannot be made.
    pub(super) fn of_client(error: &(dyn Error + 'static)) -> Self {
        Self { code: None, why: error_chain(error), may_pass: false }
    }

    pub(super) fn into_error(self, queue: &str, action: &'static str) -> QueueError {
        let (queue, why) = (queue.to_owned(), self.why);
        if self.may_pass {
            QueueError::Away { queue, why }
        } else {
            QueueError::Refused { queue, action, why }
        }
    }
}

/// The answer to a call, which may take `wait` and some seconds.
pub(super) async fn answered<T, E>(
    wait: Duration,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let within = wait + WITHIN;
    match timeout(within, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(Failure {
            code: None,
            why: format!("no answer within {} s", within.as_secs()),
            may_pass: true,
        }),
    }
}

fn failure<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Failure {
    let server_error = error.raw_response().is_some_and(|response| response.status().is_server_error());
    if let Some(said) = error.as_service_error() {
        let Some(code) = said.code() else {
            // Not from SQS itself, as it seems.
            return Failure { code: None, why: unread(error.raw_response()), may_pass: server_error };
        };
        return Failure {
            code: Some(code.to_owned()),
            why: format!("{code}: {}", said.message().unwrap_or("no reason given")),
            may_pass: server_error || LATER.contains(&code),
        };
    }
    let may_pass = match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(dispatch) => {
            (dispatch.is_io() || dispatch.is_timeout()) && !is_distrust(error)
        }
        SdkError::ResponseError(_) => server_error || error.raw_response().is_none(),
        _ => false,
    };
    Failure { code: None, why: error_chain(error), may_pass }
}

/// Whether TLS failed for what the other side is, which stays that way.
fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // An I/O error does not name what is in it as its cause.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| is_distrust(inner)) || error.source().is_some_and(is_distrust)
}

/// An answer that the client can make nothing of.
fn unread(response: Option<&HttpResponse>) -> String {
    let Some(response) = response else { return "no answer that can be read".to_owned() };
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let begin: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    format!("HTTP {}: {begin}", response.status().as_u16())
}
