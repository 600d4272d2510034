//! What a message asks for: a bare name, or JSON with the name, the reason and the ticket.

use serde::{Deserialize, Serialize};

use crate::domain::{DatasourceName, NameError};

/// The longest reason or ticket that is accepted, in characters: as in a CSV.
const LONGEST_TEXT: usize = 1000;

/// The longest that is told of what is wrong with JSON, in characters: it repeats what it does not know.
const LONGEST_WHY: usize = 300;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The datasource that is to go.
    pub name: DatasourceName,
    /// Why.
    pub reason: Option<String>,
    /// The ticket that asked for it.
    pub ticket: Option<String>,
}

/// Why a message makes no sense. What would be refused in a CSV is refused here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Senseless {
    /// Its bytes are no text.
    #[error("the message is not UTF-8: byte {at} is none")]
    NotUtf8 {
        /// The first byte that is wrong, from 1.
        at: usize,
    },
    /// It begins like JSON, and is none that asks for a deletion.
    #[error(
        "the message is no JSON of the form {{\"datasourceName\": …, \"reason\": …, \"ticket\": …}}: {why}"
    )]
    Json {
        /// What is wrong with it.
        why: String,
    },
    /// It holds no name that a datasource can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name is blank.
    #[error("the name is blank")]
    Blank,
    /// The name begins with a byte order mark, which nobody sees.
    #[error("the name begins with an invisible byte order mark (U+FEFF)")]
    Mark,
    /// Reason or ticket hold a control character.
    #[error("the {field} holds the control character U+{:04X}", u32::from(*.found))]
    Control {
        /// `reason` or `ticket`.
        field: &'static str,
        /// The first one.
        found: char,
    },
    /// Reason or ticket are too long.
    #[error("the {field} is {chars} characters long; the longest accepted is {LONGEST_TEXT}")]
    TooLong {
        /// `reason` or `ticket`.
        field: &'static str,
        /// Its length in characters.
        chars: usize,
    },
}

/// A message as JSON. What is not known here might change what is meant, so it is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    datasource_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
}

impl Request {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// Where it makes no sense, or its name would be refused in a CSV.
    pub fn read(body: &[u8]) -> Result<Self, Senseless> {
        let text =
            std::str::from_utf8(body).map_err(|error| Senseless::NotUtf8 { at: error.valid_up_to() + 1 })?;
        if text.trim_start().starts_with('{') {
            let written: Written = serde_json::from_str(text)
                .map_err(|error| Senseless::Json { why: cut(&error.to_string()) })?;
            return Ok(Self {
                name: name(&written.datasource_name)?,
                reason: note("reason", written.reason)?,
                ticket: note("ticket", written.ticket)?,
            });
        }
        Ok(Self { name: name(text)?, reason: None, ticket: None })
    }
}

/// The body of a message that asks for `request`: JSON, so that no name is mistaken for anything else.
#[must_use]
pub fn body_of(request: &Request) -> Vec<u8> {
    let written = Written {
        datasource_name: request.name.to_string(),
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
    };
    // Three texts are always JSON.
    serde_json::to_vec(&written).unwrap_or_default()
}

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(LONGEST_WHY).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

fn name(text: &str) -> Result<DatasourceName, Senseless> {
    let name = DatasourceName::new(text)?;
    if text.trim().is_empty() {
        return Err(Senseless::Blank);
    }
    if text.starts_with('\u{FEFF}') {
        return Err(Senseless::Mark);
    }
    Ok(name)
}

fn note(field: &'static str, text: Option<String>) -> Result<Option<String>, Senseless> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if let Some(found) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Senseless::Control { field, found });
    }
    let chars = text.chars().count();
    if chars > LONGEST_TEXT {
        return Err(Senseless::TooLong { field, chars });
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<Request, Senseless> {
        Request::read(body.as_bytes())
    }

    #[test]
    fn a_bare_name_is_taken_exactly_as_written() {
        for body in ["kunde-1", " kunde 1 ", "[a]", "\"quoted\"", "Kunde, Straße 1"] {
            assert_eq!(read(body).unwrap().name.as_str(), body);
        }
    }

    #[test]
    fn json_carries_reason_and_ticket() {
        let request = read(r#" {"datasourceName": "a", "reason": "left", "ticket": ""} "#).unwrap();
        assert_eq!(
            (request.name.as_str(), request.reason.as_deref(), request.ticket),
            ("a", Some("left"), None)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (body, what) in [
            ("", "is empty"),
            ("  ", "is blank"),
            ("a\n", "control character U+000A"),
            ("\u{FEFF}a", "byte order mark"),
            (r#"{"datasourceName": "a""#, "no JSON"),
            (r#"{"name": "a"}"#, "unknown field"),
            (r#"{"datasourceName": "a", "datasourceName": "b"}"#, "duplicate field"),
            (r#"{"datasourceName": "a", "force": true}"#, "unknown field"),
            (r#"{"datasourceName": ["a"]}"#, "invalid type"),
            (r#"{"datasourceName": "a"} b"#, "trailing characters"),
            (r#"{"datasourceName": "a", "ticket": "x\u0000"}"#, "the ticket holds the control"),
        ] {
            let said = read(body).unwrap_err().to_string();
            assert!(said.contains(what), "{body}: {said}");
        }
        assert_eq!(Request::read(b"a\xFF"), Err(Senseless::NotUtf8 { at: 2 }));
    }

    proptest! {
        #[test]
        fn what_is_put_on_a_queue_is_what_is_read_from_it(name in "\\PC{1,40}", reason in "\\PC{0,40}") {
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            if let Ok(name) = super::name(&name) {
                let request = Request { name, reason, ticket: None };
                prop_assert_eq!(Request::read(&body_of(&request)), Ok(request));
            }
        }
    }
}
