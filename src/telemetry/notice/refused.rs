//! The notice that a command did not begin a run.

use serde_json::json;

use super::{Content, NoticeOrigin, fields, on_host};
use crate::domain::NoticeEvent;

/// A command that ended before it began a run.
#[derive(Debug, Clone)]
pub struct RefusedCommand {
    pub exit_code: u8,
    /// A further start may help.
    pub may_pass: bool,
    pub why: String,
}

impl RefusedCommand {
    pub(super) const fn event(&self) -> NoticeEvent {
        if self.may_pass { NoticeEvent::RunStopped } else { NoticeEvent::RunRefused }
    }

    pub(super) fn content(&self, origin: &NoticeOrigin) -> Content {
        let object = json!({ "run_id": null, "exit_code": self.exit_code, "stopped": self.why });
        Content {
            event: self.event(),
            title: format!("decom did not begin{}, exit code {}", on_host(origin), self.exit_code),
            text: self.why.clone(),
            about: format!("on {}; the log of the program has the details", origin.host),
            fields: fields(object),
        }
    }
}
