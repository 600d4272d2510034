//! The content of a message: a bare name, or JSON with the name, the reason, the ticket, and who asked for it.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::{CustomerRequest, DatasourceName, NameError, RequestTime, RequestTimeError};

/// The longest reason or ticket, in characters, as in a CSV.
const LONGEST_TEXT: usize = 1000;

/// The longest explanation of malformed JSON, in characters, because it repeats unknown fields.
const LONGEST_WHY: usize = 300;

/// What a message requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionRequest {
    pub name: DatasourceName,
    pub reason: Option<String>,
    pub ticket: Option<String>,
    pub request: CustomerRequest,
}

/// Why a message is malformed. It may hold nothing that would be refused in a CSV.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// `at` is the first wrong byte, from 1.
    #[error("the message is not UTF-8 text from byte {at} on")]
    NotUtf8 { at: usize },
    #[error(
        "the message is not JSON of the form {{\"datasourceName\": …, \"reason\": …, \"ticket\": …}}: {why}"
    )]
    Json { why: String },
    /// As a bare name it would hardly be meant.
    #[error(
        "the message is JSON, but not an object of the form {{\"datasourceName\": …, \"reason\": …, \"ticket\": …}}; a name that looks like JSON must be put into one"
    )]
    NotAnObject,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the name is blank")]
    Blank,
    #[error("the name begins with an invisible byte order mark (U+FEFF)")]
    Mark,
    #[error("the {field} holds the control character U+{:04X}", u32::from(*.found))]
    Control { field: &'static str, found: char },
    #[error(transparent)]
    RequestTime(#[from] RequestTimeError),
    #[error("the {field} is {chars} characters long; the longest accepted is {LONGEST_TEXT}")]
    TooLong { field: &'static str, chars: usize },
}

/// A message as JSON. Unknown fields are refused because they could change its meaning.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MessageJson {
    datasource_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested_at: Option<String>,
}

impl DeletionRequest {
    /// Reads the body of a message.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let text = std::str::from_utf8(body)
            .map_err(|error| MessageError::NotUtf8 { at: error.valid_up_to() + 1 })?;
        if text.trim_start().starts_with('{') {
            let json: MessageJson = serde_json::from_str(text)
                .map_err(|error| MessageError::Json { why: cut(&error.to_string()) })?;
            return Ok(Self {
                name: name(&json.datasource_name)?,
                reason: note("reason", json.reason)?,
                ticket: note("ticket", json.ticket)?,
                request: CustomerRequest {
                    customer: note("customer", json.customer)?,
                    requested_at: request_time(json.requested_at)?,
                },
            });
        }
        if serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(MessageError::NotAnObject);
        }
        Ok(Self { name: name(text)?, reason: None, ticket: None, request: CustomerRequest::default() })
    }

    /// The body of a message with this request, as JSON: a bare name could be mistaken for JSON.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let json = MessageJson {
            datasource_name: self.name.to_string(),
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            customer: self.request.customer.clone(),
            requested_at: self.request.requested_at.clone(),
        };
        // Texts can always be written as JSON.
        serde_json::to_vec(&json).unwrap_or_default()
    }
}

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(LONGEST_WHY).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

fn name(text: &str) -> Result<DatasourceName, MessageError> {
    let name = DatasourceName::new(text)?;
    if text.trim().is_empty() {
        return Err(MessageError::Blank);
    }
    if text.starts_with('\u{FEFF}') {
        return Err(MessageError::Mark);
    }
    Ok(name)
}

fn note(field: &'static str, text: Option<String>) -> Result<Option<String>, MessageError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if let Some(found) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(MessageError::Control { field, found });
    }
    let chars = text.chars().count();
    if chars > LONGEST_TEXT {
        return Err(MessageError::TooLong { field, chars });
    }
    Ok(Some(text))
}

fn request_time(text: Option<String>) -> Result<Option<String>, MessageError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse::<RequestTime>()?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<DeletionRequest, MessageError> {
        DeletionRequest::parse(body.as_bytes())
    }

    #[test]
    fn a_bare_name_is_taken_exactly_as_written() {
        for body in ["kunde-1", " kunde 1 ", "[a]", "\"a\" b", "5 b", "Kunde, Straße 1"] {
            assert_eq!(parse(body).unwrap().name.as_str(), body);
        }
    }

    #[test]
    fn json_carries_reason_and_ticket() {
        let request = parse(r#" {"datasourceName": "a", "reason": "left", "ticket": ""} "#).unwrap();
        assert_eq!(
            (request.name.as_str(), request.reason.as_deref(), request.ticket),
            ("a", Some("left"), None)
        );
    }

    #[test]
    fn malformed_messages_are_refused() {
        for (body, what) in [
            ("", "is empty"),
            ("  ", "is blank"),
            ("\"name\"", "is JSON, but not an object"),
            ("[\"name\"]", "is JSON, but not an object"),
            (" null", "is JSON, but not an object"),
            ("5", "is JSON, but not an object"),
            (r#"[{"datasourceName": "a"}]"#, "is JSON, but not an object"),
            ("a\n", "control character U+000A"),
            ("\u{FEFF}a", "byte order mark"),
            (r#"{"datasourceName": "a""#, "not JSON"),
            (r#"{"name": "a"}"#, "unknown field"),
            (r#"{"datasourceName": "a", "datasourceName": "b"}"#, "duplicate field"),
            (r#"{"datasourceName": "a", "force": true}"#, "unknown field"),
            (r#"{"datasourceName": ["a"]}"#, "invalid type"),
            (r#"{"datasourceName": "a"} b"#, "trailing characters"),
            (r#"{"datasourceName": "a", "requestedAt": "soon"}"#, "not a date or a time"),
            (r#"{"datasourceName": "a", "ticket": "x\u0000"}"#, "the ticket holds the control"),
        ] {
            let said = parse(body).unwrap_err().to_string();
            assert!(said.contains(what), "{body}: {said}");
        }
        assert_eq!(DeletionRequest::parse(b"a\xFF"), Err(MessageError::NotUtf8 { at: 2 }));
    }

    proptest! {
        #[test]
        fn parses_what_it_puts_on_a_queue(name in "\\PC{1,40}", reason in "\\PC{0,40}") {
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            if let Ok(name) = super::name(&name) {
                let asked = CustomerRequest {
                    customer: reason.clone(),
                    requested_at: reason.as_ref().map(|_| "2026-03-01".to_owned()),
                };
                let request = DeletionRequest { name, reason, ticket: None, request: asked };
                prop_assert_eq!(DeletionRequest::parse(&request.to_body()), Ok(request));
            }
        }
    }
}
