//! What the API says: the bodies and headers of its answers, and a body that can break off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde::Serialize;

use super::estate::Catalog;
use super::state::SharedState;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
/// How much of a whole listing is held in memory at once, in bytes, roughly.
const CHUNK: usize = 64 * 1024;

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    media: &'static str,
    retry_after: Option<u64>,
    body: AnswerBody,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: RefusalDetail<'a>,
}

#[derive(Serialize)]
struct RefusalDetail<'a> {
    code: &'a str,
    message: &'a str,
    status: u16,
}

#[derive(Serialize)]
struct Deleted<'a> {
    id: &'a str,
    message: &'a str,
}

impl Answer {
    fn new(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, media, retry_after: None, body: AnswerBody::Whole(body.into()) }
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Texts and numbers always serialise; an empty body would be noticed by any client.
        Self::new(status, JSON, serde_json::to_vec(body).unwrap_or_default())
    }

    fn refusal(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &Refusal { error: RefusalDetail { code, message, status: status.as_u16() } })
    }

    pub(super) fn deleted(id: &str) -> Self {
        Self::json(StatusCode::OK, &Deleted { id, message: "Datasource deleted successfully" })
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", message)
    }

    pub(super) fn no_such_datasource() -> Self {
        Self::refusal(StatusCode::BAD_REQUEST, "DATASOURCE_NAME_ERROR", "Datasource not found")
    }

    pub(super) fn in_use() -> Self {
        let message = "Datasource is in use by a datamart or another resource";
        Self::refusal(StatusCode::BAD_REQUEST, "DATASOURCE_IN_USE", message)
    }

    pub(super) fn unauthenticated() -> Self {
        Self::refusal(StatusCode::UNAUTHORIZED, "AUTHENTICATION_ERROR", "Invalid or missing service token")
    }

    pub(super) fn server_error() -> Self {
        let message = "Something went wrong";
        Self::refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", message)
    }

    pub(super) fn bad_gateway() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, HTML, BAD_GATEWAY)
    }

    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, TEXT, Bytes::new())
    }

    /// `retry_after` in seconds.
    pub(super) fn throttled(retry_after: u64) -> Self {
        let body = "Too many requests, please try again later.";
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, TEXT, body) }
    }

    pub(super) fn no_such_endpoint() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            HTML,
            "<!DOCTYPE html>\n<title>Error</title>\n<pre>Not Found</pre>\n",
        )
    }

    /// One page of a listing, complete.
    pub(super) fn page(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, JSON, body)
    }

    /// A whole listing, written piece by piece as the client reads it.
    pub(super) fn listing(state: Arc<SharedState>, catalog: Catalog) -> Self {
        let body = AnswerBody::Listing { state, catalog, next: Some(0), begun: false };
        Self { status: StatusCode::OK, media: JSON, retry_after: None, body }
    }

    /// The same answer, but the connection breaks off half-way through its body.
    pub(super) fn cut_short(mut self) -> Self {
        if let AnswerBody::Whole(bytes) = self.body {
            self.body = AnswerBody::Short {
                announced: bytes.len(),
                rest: Some(bytes.slice(..bytes.len() / 2)),
                flushed: false,
            };
        }
        self
    }

    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let announced = match &self.body {
            AnswerBody::Short { announced, .. } => Some(*announced),
            _ => None,
        };
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(length) = announced {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

/// The body of an answer, as hyper sends it.
#[derive(Debug)]
pub(super) enum AnswerBody {
    /// All of it at once.
    Whole(Bytes),
    /// `rest` is sent, then the connection closes although `announced` bytes were promised.
    Short { announced: usize, rest: Option<Bytes>, flushed: bool },
    /// A listing from position `next` on; `None` once it is complete.
    Listing { state: Arc<SharedState>, catalog: Catalog, next: Option<usize>, begun: bool },
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Short { rest, flushed, .. } => {
                if let Some(bytes) = rest.take() {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                if !*flushed {
                    // An error at once would throw away what is still in hyper's buffer. Having
                    // nothing for the moment makes it send that first.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::Error::other("the body is cut short on purpose"))))
            }
            Self::Listing { state, catalog, next, begun } => {
                let Some(from) = *next else { return Poll::Ready(None) };
                let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 8);
                if !*begun {
                    chunk.extend_from_slice(Catalog::OPENING);
                }
                *next = state.lock().estate.list(*catalog, from, begun, &mut chunk, |_, bytes| bytes < CHUNK);
                if next.is_none() {
                    chunk.extend_from_slice(catalog.closing());
                }
                Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Short { .. } => false,
            Self::Listing { next, .. } => next.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// The connection is to close without an answer. hyper does that when a service fails.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(super) struct Cut;
