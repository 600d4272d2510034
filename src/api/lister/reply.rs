//! What a reply to a request for a listing holds.

use http::StatusCode;
use reqwest::Response;

use crate::api::ApiError;
use crate::api::listing::Entry;
use crate::api::page::{Object, Page, Part};
use crate::api::success::repeats_a_key;
use crate::api::verdict::{error_code, refuses_token};
use crate::domain::error_chain;

/// The longest body that is read, in bytes: more than a million names.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// What a reply holds.
pub(super) enum Content<T> {
    Part(Part<T>),
    Refused(StatusCode),
}

/// Why there is no content.
pub(super) enum Trouble {
    /// Another request may bring it.
    Passing(ApiError),
    Lasting(ApiError),
}

pub(super) async fn content<T: Entry>(
    what: &'static str,
    response: &mut Response,
) -> Result<Content<T>, Trouble> {
    let failed = |why: String| ApiError::Listing { what, why };
    let status = response.status();
    let bytes = match bounded(response).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let limit = LONGEST_BODY / (1024 * 1024);
            return Err(Trouble::Lasting(failed(format!("it is longer than {limit} MiB"))));
        }
        Err(error) => return Err(Trouble::Passing(unavailable(what, error_chain(&error)))),
    };
    let unauthorized = || {
        let refuses = error_code(&bytes).is_some_and(|code| refuses_token(&code));
        (refuses || status == StatusCode::UNAUTHORIZED)
            .then(|| Trouble::Lasting(ApiError::Unauthorized { status: status.as_u16() }))
    };
    if status != StatusCode::OK {
        return match status.as_u16() {
            429 => Err(Trouble::Passing(unavailable(what, answered(status)))),
            _ if let Some(trouble) = unauthorized() => Err(trouble),
            408 | 500 | 502 | 503 | 504 => Err(Trouble::Passing(unavailable(what, answered(status)))),
            400..=499 => Ok(Content::Refused(status)),
            _ => Err(Trouble::Lasting(refused(what, status))),
        };
    }
    match serde_json::from_slice::<Object<Page<T>>>(&bytes) {
        Ok(Object(page)) if !page.names_a_failure() && !repeats_a_key(&bytes) => {
            Ok(Content::Part(page.read(response.headers())))
        }
        Ok(_) => Err(unauthorized().unwrap_or_else(|| {
            Trouble::Lasting(failed("the reply holds an error beside its data".to_owned()))
        })),
        // The place only: what stands there may be anything, the token included.
        Err(error) => Err(unauthorized().unwrap_or_else(|| {
            let (line, column) = (error.line(), error.column());
            let why = format!("the reply is not a listing, from line {line}, column {column} on");
            Trouble::Lasting(failed(why))
        })),
    }
}

/// Reads a body; `None` if it is longer than a listing may be.
async fn bounded(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > LONGEST_BODY {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

pub(super) fn refused(what: &'static str, status: StatusCode) -> ApiError {
    ApiError::Listing { what, why: answered(status) }
}

pub(super) fn unavailable(what: &'static str, why: String) -> ApiError {
    ApiError::Unavailable { what, why }
}

pub(super) fn answered(status: StatusCode) -> String {
    format!("the API answered {status}")
}
