//! What one reply of a deletion endpoint shows: the table "Verdicts" of the contract.
//!
//! Status and error code decide together, as three different meanings share HTTP 400, and an error code may come
//! with any status. Success is never assumed: a 200 that is not the documented one proves nothing.

use std::borrow::Cow;

use serde_json::Value;

use super::success::{names_a_failure, repeats_a_key};
use crate::domain::{Answer, Verdict};

/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;

/// The longest text that is taken for an error code or an id, in bytes.
const LONGEST_WORD: usize = 128;

/// The body of a reply, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub end: BodyEnd,
}

/// How reading a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// All of it was read.
    Whole,
    /// The connection was cut, or time ran out, before its end.
    CutShort,
    /// It is longer than what is read at most.
    Longer,
}

/// The verdict on one reply, with what is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    pub answer: Answer,
    /// Another attempt may get another verdict.
    pub retriable: bool,
    /// No other target may be sent after this reply.
    pub stops: bool,
}

/// Returns what a reply to the deletion of a datasource shows. The first row of the contract's table that fits decides.
#[must_use]
pub fn classify(status: u16, body: &Body) -> Classification {
    classification(status, body, Content::parse(body), |_, code| match code {
        "DATASOURCE_NAME_ERROR" => Some(Verdict::NotFound),
        "DATASOURCE_IN_USE" => Some(Verdict::InUse),
        _ => None,
    })
}

/// Returns what a reply to the deletion of the datamart `sent` shows. Its success names what was deleted: if that is
/// another name, it is unknown what the API takes names for, and the run has to stop.
#[must_use]
pub fn classify_datamart(sent: &str, status: u16, body: &Body) -> Classification {
    let content = Content::parse(body);
    let other = content.name.clone().filter(|name| name != sent);
    // "Datamart not found" and malformed input share this code.
    let of_code = |status, code: &str| {
        (status == 400 && code == "INVALID_REQUEST_BODY").then_some(Verdict::NotFoundOrInvalid)
    };
    let found = classification(status, body, content, of_code);
    match other {
        Some(other) if found.answer.verdict == Verdict::Deleted => Classification {
            answer: Answer {
                verdict: Verdict::NoAnswer,
                error_code: Some(OTHER_DELETED.to_owned()),
                message: one_line(&format!(
                    "the API says that it deleted `{other}`, and `{sent}` was asked for"
                )),
                ..found.answer
            },
            retriable: false,
            stops: true,
        },
        _ => found,
    }
}

/// What decom calls a success that names another resource than was sent.
const OTHER_DELETED: &str = "other_deleted";

/// The verdict of the contract's table; `of_code` knows the error codes that belong to one kind of resource, each with
/// the status that it came with.
fn classification(
    status: u16,
    body: &Body,
    content: Content,
    of_code: impl Fn(u16, &str) -> Option<Verdict>,
) -> Classification {
    let code = content.code.as_deref();
    let documented = code.and_then(|code| of_code(status, code));
    let (verdict, retriable) = match (status, code) {
        (300..=399, _) => (Verdict::Rejected, false),
        (429, _) => (Verdict::Throttled, true),
        (401, _) => (Verdict::Unauthorized, false),
        (_, Some(code)) if refuses_token(code) => (Verdict::Unauthorized, false),
        _ if let Some(verdict) = documented => (verdict, false),
        (200, _) if content.is_success => (Verdict::Deleted, false),
        (408 | 500 | 502 | 503 | 504, _) => (Verdict::ServerError, true),
        (500..=599, _) => (Verdict::ServerError, false),
        (400, None) if content.cut_short => (Verdict::Rejected, true),
        (400..=499, _) => (Verdict::Rejected, false),
        // Any other success is not documented: the deletion may have been carried out.
        _ => (Verdict::NoAnswer, true),
    };
    let message = content.message.or_else(|| match body.end {
        BodyEnd::Longer => Some("(the reply was too long to be read)".to_owned()),
        _ if content.cut_short => Some("(the reply was cut short)".to_owned()),
        _ => None,
    });
    let answer = Answer {
        verdict,
        http_status: Some(status),
        error_code: content.code,
        message,
        datasource_id: content.id,
    };
    Classification { answer, retriable, stops: verdict == Verdict::Unauthorized }
}

/// Returns true if an error code says that the token is missing, invalid, expired or of the wrong kind, in any of
/// the forms that the API's documentation names.
pub(super) fn refuses_token(code: &str) -> bool {
    matches!(
        code,
        "AUTHENTICATION_ERROR"
            | "AUTHENTICATION_ERR"
            | "INVALID_SERVICE_TOKEN"
            | "EXPIRED_SERVICE_TOKEN"
            | "INVALID_DATA_APP_API_KEY"
    )
}

/// What a body says, in any of its shapes.
#[derive(Debug, Default)]
struct Content {
    code: Option<String>,
    message: Option<String>,
    id: Option<String>,
    /// The id, whatever it holds.
    name: Option<String>,
    /// A JSON object with a string `id` that nothing contradicts, read whole: the documented success.
    is_success: bool,
    cut_short: bool,
}

impl Content {
    fn parse(body: &Body) -> Self {
        let cut_short = body.end == BodyEnd::CutShort;
        // A byte that is not UTF-8, or a byte order mark at the start, makes a code no less clear.
        let text =
            str::from_utf8(&body.bytes).map_or_else(|_| String::from_utf8_lossy(&body.bytes), Cow::Borrowed);
        let json = text.trim_start_matches('\u{feff}');
        match serde_json::from_str::<Value>(json) {
            Ok(Value::Object(object)) => {
                let content = Self::of_object(&object);
                // Of a key that is there twice, only the last is in `object`.
                let is_success =
                    content.is_success && body.end == BodyEnd::Whole && !repeats_a_key(json.as_bytes());
                Self { is_success, cut_short, ..content }
            }
            Ok(Value::String(text)) => Self { message: one_line(&text), cut_short, ..Self::default() },
            Ok(_) => Self { cut_short, ..Self::default() },
            // A proxy may close the connection in good order in the middle of a document. A body that is longer
            // than what is read was not cut short: another request would only get the same.
            Err(error) => Self {
                cut_short: cut_short
                    || (body.end == BodyEnd::Whole && error.is_eof() && begins_a_document(&body.bytes)),
                message: one_line(&text),
                ..Self::default()
            },
        }
    }

    fn of_object(object: &serde_json::Map<String, Value>) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let outer_message = text(object.get("message"));
        let outer_code = text(object.get("code"));
        let error = object.get("error").filter(|error| !error.is_null());
        let (code, message) = match error {
            Some(Value::Object(error)) => (text(error.get("code")), text(error.get("message"))),
            Some(Value::String(error)) if is_code(error) => (Some(error.clone()), None),
            Some(Value::String(error)) => (None, Some(error.clone())),
            _ => (None, None),
        };
        let id = text(object.get("id")).filter(|id| !id.trim().is_empty());
        Self {
            is_success: id.is_some() && !names_a_failure(object),
            code: code.or(outer_code).filter(|code| is_word(code)),
            message: message.or(outer_message).and_then(|message| one_line(&message)),
            id: id.clone().filter(|id| is_word(id)),
            name: id,
            cut_short: false,
        }
    }
}

/// Returns the error code of a body, if it has one.
pub(super) fn error_code(bytes: &[u8]) -> Option<String> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    Content::of_object(&object).code
}

fn begins_a_document(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[\"".contains(byte))
}

fn is_code(text: &str) -> bool {
    is_word(text) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_WORD && text.chars().all(|c| !c.is_control())
}

/// Returns `text` on one line, without control characters, and not longer than is useful.
fn one_line(text: &str) -> Option<String> {
    // Most messages are a short line already.
    let is_line = text.len() <= LONGEST_MESSAGE
        && text.trim().len() == text.len()
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.contains("  ");
    if is_line {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let clean: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_MESSAGE * 4).collect();
    let mut line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(cut);
        line.push('…');
    }
    (!line.is_empty()).then_some(line)
}
