//! The notices to a webhook: that a plan was made, and how a run began and ended. Numbers alone, unless names are asked
//! for.

mod ended;
mod plan;
mod refused;
mod started;

use serde_json::{Map, Value, json};

pub use ended::EndedRun;
pub use plan::{MadePlan, SavedPlanFile};
pub use refused::RefusedCommand;
pub use started::StartedRun;

use crate::domain::{NoticeEvent, Webhook};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeForm {
    /// The object that docs/monitoring.md describes.
    Json,
    /// A message for Slack.
    Slack,
}

/// A notice, and where it goes.
#[derive(Debug)]
pub struct Notice {
    pub webhook: Webhook,
    pub form: NoticeForm,
    pub origin: NoticeOrigin,
    pub subject: NoticeSubject,
}

/// The process that sends a notice.
#[derive(Debug, Clone)]
pub struct NoticeOrigin {
    /// The run is a rehearsal against the embedded emulator.
    pub rehearsal: bool,
    /// The host of the API; `None` if it is not known yet.
    pub api_host: Option<String>,
    /// The machine.
    pub host: String,
    /// The version of decom.
    pub version: &'static str,
    /// The audit log's file.
    pub audit_db: String,
}

/// What a notice is about.
#[derive(Debug)]
pub enum NoticeSubject {
    Plan(MadePlan),
    Started(StartedRun),
    Refused(RefusedCommand),
    Ended(Box<EndedRun>),
}

/// What a notice says.
struct Content {
    event: NoticeEvent,
    /// One line.
    title: String,
    /// More lines.
    text: String,
    /// Where it comes from, and the command that shows more.
    about: String,
    fields: Map<String, Value>,
}

impl Notice {
    /// Returns what it is a notice of.
    #[must_use]
    pub const fn event(&self) -> NoticeEvent {
        match &self.subject {
            NoticeSubject::Plan(plan) => plan.event(),
            NoticeSubject::Started(_) => NoticeEvent::RunStarted,
            NoticeSubject::Refused(refused) => refused.event(),
            NoticeSubject::Ended(run) => run.event(),
        }
    }

    /// The body of the request.
    pub(super) fn body(&self) -> String {
        let origin = &self.origin;
        let content = match &self.subject {
            NoticeSubject::Plan(plan) => plan.content(origin),
            NoticeSubject::Started(run) => run.content(origin),
            NoticeSubject::Refused(refused) => refused.content(origin),
            NoticeSubject::Ended(run) => run.content(origin),
        };
        match self.form {
            NoticeForm::Json => content.json(origin),
            NoticeForm::Slack => content.slack(),
        }
        .to_string()
    }
}

impl Content {
    fn json(self, origin: &NoticeOrigin) -> Value {
        let mut object = Map::new();
        object.insert("event".to_owned(), json!(self.event.as_str()));
        object.extend(self.fields);
        object.insert("rehearsal".to_owned(), json!(origin.rehearsal));
        object.insert("api_host".to_owned(), json!(origin.api_host));
        object.insert("host".to_owned(), json!(origin.host));
        object.insert("tool_version".to_owned(), json!(origin.version));
        Value::Object(object)
    }

    fn slack(&self) -> Value {
        let section =
            |text: &str| json!({ "type": "section", "text": { "type": "plain_text", "text": cut(text) } });
        let texts = [&self.title, &self.text, &self.about].into_iter().filter(|text| !text.is_empty());
        json!({ "text": self.title, "blocks": texts.map(|text| section(text)).collect::<Vec<_>>() })
    }
}

/// The fields of an object.
fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The host of the API, as a part of a sentence.
fn on_host(origin: &NoticeOrigin) -> String {
    let rehearsal = if origin.rehearsal { " (a rehearsal)" } else { "" };
    origin.api_host.as_ref().map_or_else(String::new, |host| format!(" on {host}")) + rehearsal
}

/// As much of `text` as Slack accepts in one block.
fn cut(text: &str) -> String {
    text.chars().take(2900).collect()
}
