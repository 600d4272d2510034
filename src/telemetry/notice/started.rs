//! The notice that a run begins.

use serde_json::{Map, json};

use super::{Content, NoticeOrigin, fields, on_host};
use crate::domain::{Counts, NoticeEvent, Outcome};

/// A run that begins, or is continued.
#[derive(Debug, Clone)]
pub struct StartedRun {
    pub run_id: String,
    /// The counts before its first request.
    pub counts: Counts,
    pub operator: String,
    /// Its targets come from a queue, so that their number is not known.
    pub of_queue: bool,
}

impl StartedRun {
    pub(super) fn content(&self, origin: &NoticeOrigin) -> Content {
        let due = self.counts.of(Outcome::Pending);
        let what = if self.of_queue {
            "it deletes what messages of a queue ask for".to_owned()
        } else {
            format!("{due} of {} datasources are to be deleted", self.counts.planned())
        };
        let counts: Map<_, _> = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.as_str().to_owned(), json!(self.counts.of(outcome))))
            .collect();
        let object = json!({
            "run_id": self.run_id,
            "planned": self.counts.planned(),
            "counts": counts,
            "operator": self.operator,
        });
        Content {
            event: NoticeEvent::RunStarted,
            title: format!("decom started a run{}: {what}", on_host(origin)),
            text: String::new(),
            about: format!("run {} on {}, by {}", self.run_id, origin.host, self.operator),
            fields: fields(object),
        }
    }
}
