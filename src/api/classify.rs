//! What an answer means: the status and the body's error code together, as three different
//! meanings share HTTP 400.

use std::borrow::Cow;

use serde_json::Value;

use crate::domain::{Answer, Verdict};

/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;

/// The longest error code or id that is believed to be one, in bytes.
const LONGEST_WORD: usize = 128;

/// The body of an answer, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What was read.
    pub bytes: Vec<u8>,
    /// Whether that is all of it.
    pub end: BodyEnd,
}

/// How reading a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// All of it was read.
    Whole,
    /// The connection was cut, or time ran out, before its end.
    CutShort,
    /// It went on past what is read at the most.
    Longer,
}

/// What an answer means, and whether trying again may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub answer: Answer,
    /// Whether the trouble may pass.
    pub transient: bool,
}

/// Tells what an answer of the deletion endpoint means.
///
/// The codes are those of the API's documentation ("Datasource APIs"); the statuses that are
/// retried are 408, 429, 500, 502, 503 and 504, and a 400 whose body was cut short.
#[must_use]
pub fn classify(status: u16, body: &Body) -> Reading {
    let said = Said::parse(body);
    let code = said.code.as_deref();
    let (verdict, transient) = match status {
        200 => (Verdict::Deleted, false),
        401 => (Verdict::Unauthorized, false),
        429 => (Verdict::Throttled, true),
        408 | 500 | 502 | 503 | 504 => (Verdict::ServerError, true),
        501..=599 => (Verdict::ServerError, false),
        400..=499 => match code {
            Some("DATASOURCE_NAME_ERROR") => (Verdict::NotFound, false),
            Some("DATASOURCE_IN_USE") => (Verdict::InUse, false),
            Some("AUTHENTICATION_ERROR") => (Verdict::Unauthorized, false),
            None if status == 400 && said.cut_short => (Verdict::NoAnswer, true),
            _ => (Verdict::Rejected, false),
        },
        300..=399 => (Verdict::Rejected, false),
        // Other successes and interim answers are not documented: nobody knows what was done.
        _ => (Verdict::NoAnswer, false),
    };
    let message = said.message.or_else(|| match body.end {
        BodyEnd::CutShort => Some("(the answer was cut short)".to_owned()),
        BodyEnd::Longer => Some("(the answer was too long to be read)".to_owned()),
        BodyEnd::Whole if said.cut_short => Some("(the answer was cut short)".to_owned()),
        BodyEnd::Whole => None,
    });
    Reading {
        answer: Answer {
            verdict,
            http_status: Some(status),
            error_code: said.code,
            message,
            datasource_id: said.id,
        },
        transient,
    }
}

/// What a body says, in whichever shape.
#[derive(Debug, Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    id: Option<String>,
    cut_short: bool,
}

impl Said {
    fn parse(body: &Body) -> Self {
        let cut_short = body.end == BodyEnd::CutShort;
        // One byte that is no UTF-8, or a byte order mark in front, makes a code no less clear.
        let text =
            str::from_utf8(&body.bytes).map_or_else(|_| String::from_utf8_lossy(&body.bytes), Cow::Borrowed);
        match serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
            Ok(Value::Object(object)) => Self { cut_short, ..Self::of_object(&object) },
            Ok(Value::String(text)) => Self { message: shown(&text), cut_short, ..Self::default() },
            Ok(_) => Self { cut_short, ..Self::default() },
            // A proxy may close the connection in good order in the middle of a document. What goes on
            // past what is read was not cut short: asking again would only bring the same.
            Err(error) => Self {
                cut_short: cut_short
                    || (body.end == BodyEnd::Whole && error.is_eof() && begins_a_document(&body.bytes)),
                message: shown(&text),
                ..Self::default()
            },
        }
    }

    fn of_object(object: &serde_json::Map<String, Value>) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let outer_message = text(object.get("message"));
        let outer_code = text(object.get("code"));
        let (code, message) = match object.get("error") {
            Some(Value::Object(error)) => (text(error.get("code")), text(error.get("message"))),
            Some(Value::String(error)) if is_code(error) => (Some(error.clone()), None),
            Some(Value::String(error)) => (None, Some(error.clone())),
            _ => (None, None),
        };
        Self {
            code: code.or(outer_code).filter(|code| is_word(code)),
            message: message.or(outer_message).and_then(|message| shown(&message)),
            id: text(object.get("id")).filter(|id| is_word(id)),
            cut_short: false,
        }
    }
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

/// `text` on one line, without control characters, and not longer than is useful.
fn shown(text: &str) -> Option<String> {
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
