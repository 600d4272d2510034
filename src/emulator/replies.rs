//! The replies of the API: their status, headers and bodies, and bodies that break off.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde_json::{Value, json};

use super::inventory::Listing;
use super::state::SharedState;
use crate::domain::lock;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><form method=\"post\" \
    action=\"/login\"><input name=\"user\"><input type=\"password\" name=\"password\"></form></body></html>\n";
const NOT_FOUND: &str = "<!DOCTYPE html>\n<title>Error</title>\n<pre>Not Found</pre>\n";
/// About how much of a whole listing is in memory at once, in bytes.
const CHUNK: usize = 64 * 1024;

pub(super) type Reply = Response<ReplyBody>;

fn reply(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}

fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    let body: Value = json!({ "error": { "code": code, "message": message, "status": status.as_u16() } });
    reply(status, JSON, body.to_string())
}

pub(super) fn deleted(id: &str) -> Reply {
    reply(StatusCode::OK, JSON, json!({ "id": id, "message": "Datasource deleted successfully" }).to_string())
}

pub(super) fn datamart_deleted(name: &str) -> Reply {
    reply(StatusCode::OK, JSON, json!({ "id": name, "error": null }).to_string())
}

/// With the code of malformed input, as the API documents it.
pub(super) fn no_such_datamart() -> Reply {
    invalid("Datamart not found")
}

pub(super) fn invalid_tenancy() -> Reply {
    error(StatusCode::BAD_REQUEST, "INVALID_TENANCY", "Invalid tenancy level for organization")
}

pub(super) fn invalid_datasource(message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, "DATASOURCE_NAME_ERROR", message)
}

/// The same for one that was created, and for one that was deleted.
pub(super) fn datamart_created(name: &str) -> Reply {
    datamart_deleted(name)
}

pub(super) fn invalid(message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", message)
}

pub(super) fn no_such_datasource() -> Reply {
    error(StatusCode::BAD_REQUEST, "DATASOURCE_NAME_ERROR", "Datasource not found")
}

pub(super) fn in_use() -> Reply {
    let message = "Datasource is in use by a datamart or another resource";
    error(StatusCode::BAD_REQUEST, "DATASOURCE_IN_USE", message)
}

pub(super) fn unauthenticated() -> Reply {
    error(StatusCode::UNAUTHORIZED, "AUTHENTICATION_ERROR", "Invalid or missing service token")
}

pub(super) fn server_error() -> Reply {
    error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Something went wrong")
}

pub(super) fn bad_gateway() -> Reply {
    reply(StatusCode::BAD_GATEWAY, HTML, BAD_GATEWAY)
}

pub(super) fn unavailable() -> Reply {
    reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "")
}

pub(super) fn throttled() -> Reply {
    reply(StatusCode::TOO_MANY_REQUESTS, TEXT, "Too many requests, please try again later.")
}

pub(super) fn no_such_endpoint() -> Reply {
    reply(StatusCode::NOT_FOUND, HTML, NOT_FOUND)
}

pub(super) fn login_page() -> Reply {
    reply(StatusCode::OK, HTML, LOGIN_PAGE)
}

/// A status of success without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    reply(status, TEXT, "")
}

/// One page of a listing, complete.
pub(super) fn page(body: Vec<u8>) -> Reply {
    reply(StatusCode::OK, JSON, body)
}

/// A whole listing, written piece by piece as the client reads it.
pub(super) fn listing(state: Arc<SharedState>, listing: Listing) -> Reply {
    page(Vec::new()).map(|_| ReplyBody::Listing { state, listing, next: Some(0), begun: false })
}

pub(super) fn with_retry_after(mut reply: Reply, seconds: u64) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

pub(super) fn with_status(mut reply: Reply, status: StatusCode) -> Reply {
    *reply.status_mut() = status;
    reply
}

/// The same reply, but the connection breaks off half-way through its body.
pub(super) fn cut_short(mut reply: Reply) -> Reply {
    if let ReplyBody::Whole(bytes) = reply.body_mut() {
        let (announced, half) = (bytes.len(), bytes.slice(..bytes.len() / 2));
        *reply.body_mut() = ReplyBody::Short { rest: Some(half), flushed: false };
        reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(announced));
    }
    reply
}

/// The same reply with its body compressed.
pub(super) fn compressed(mut reply: Reply) -> Reply {
    if let ReplyBody::Whole(bytes) = reply.body_mut() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        if let Ok(compressed) = encoder.write_all(bytes).and_then(|()| encoder.finish()) {
            *reply.body_mut() = ReplyBody::Whole(compressed.into());
            reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    reply
}

/// The body of a reply, as hyper sends it.
#[derive(Debug)]
pub(super) enum ReplyBody {
    /// All of it at once.
    Whole(Bytes),
    /// `rest` is sent, then the connection closes although more bytes were announced.
    Short { rest: Option<Bytes>, flushed: bool },
    /// A listing from position `next` on; `None` when it is complete.
    Listing { state: Arc<SharedState>, listing: Listing, next: Option<usize>, begun: bool },
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Short { rest, flushed } => {
                if let Some(bytes) = rest.take() {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                if !*flushed {
                    // An error now would discard what is still in hyper's buffer. Being pending once makes hyper
                    // send that first.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::Error::other("the body is cut short on purpose"))))
            }
            Self::Listing { state, listing, next, begun } => {
                let Some(from) = *next else { return Poll::Ready(None) };
                let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 8);
                if !*begun {
                    chunk.extend_from_slice(Listing::OPENING);
                }
                *next =
                    lock(state).inventory.list(*listing, from, begun, &mut chunk, |_, bytes| bytes < CHUNK);
                if next.is_none() {
                    chunk.extend_from_slice(listing.closing());
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

/// Closes the connection without a reply, which hyper does when a service fails.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(super) struct ConnectionCut;
