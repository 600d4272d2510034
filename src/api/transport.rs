//! What a failure below HTTP shows: whether the request can have been sent.

use std::time::Duration;

use super::Classification;
use crate::domain::{Answer, Verdict, error_chain, root_cause};

/// A failure below HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    code: &'static str,
    pub(super) message: String,
}

impl Failure {
    /// Returns what `error`, as the HTTP client reports it, shows. A refused connection, an unknown host and a failed
    /// TLS handshake are errors of connecting: no byte of the request has left. After that, the request may have been
    /// carried out.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let message = error_chain(error);
        if message.contains("proxy authorization required") {
            return Self::of_proxy();
        }
        let (verdict, code) = if error.is_connect() || error.is_builder() {
            (Verdict::NotSent, if error.is_timeout() { "connect_timeout" } else { "connect_failed" })
        } else if error.is_timeout() {
            (Verdict::NoAnswer, "attempt_timeout")
        } else {
            (Verdict::NoAnswer, "connection_lost")
        };
        Self { verdict, code, message: with_advice(message) }
    }

    /// Why no connection could be made, in a few words.
    pub(super) fn cause(error: &reqwest::Error) -> String {
        with_advice(root_cause(error))
    }

    /// A proxy refuses to pass the request on. The API never answers so: nothing can have reached it.
    pub(super) fn of_proxy() -> Self {
        let message = "the proxy asks for a user and a password (HTTP 407); name them in the proxy variable, like http://USER:PASSWORD@HOST:PORT";
        Self { verdict: Verdict::NotSent, code: "proxy_refused", message: message.to_owned() }
    }

    /// No reply began within `limit`.
    pub(super) fn timeout(limit: Duration) -> Self {
        let message = format!("no answer within {}", humantime::format_duration(limit));
        Self { verdict: Verdict::NoAnswer, code: "response_timeout", message }
    }

    pub(super) fn classification(self) -> Classification {
        let answer = Answer {
            verdict: self.verdict,
            http_status: None,
            error_code: Some(self.code.to_owned()),
            message: Some(self.message),
            datasource_id: None,
        };
        Classification { answer, retriable: true, stops: false }
    }
}

fn with_advice(mut message: String) -> String {
    if message.contains("UnknownIssuer") {
        message.push_str(" (name the certificates of a private authority with --ca-file)");
    }
    message
}
