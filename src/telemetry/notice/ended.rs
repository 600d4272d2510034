//! The notice of how a run ended.

use std::fmt::Write;

use serde_json::{Map, json};

use super::{Content, NoticeOrigin, fields};
use crate::domain::{Counts, LogState, NoticeEvent, Outcome, RunSummary};

/// A run that is over.
#[derive(Debug)]
pub struct EndedRun {
    pub run_id: String,
    /// `finished`, `stopped` or `interrupted`.
    pub status: String,
    pub exit_code: u8,
    /// Why the run ended early, if it did.
    pub stopped: Option<String>,
    pub counts: Counts,
    /// The command that reports the run.
    pub report: String,
    /// The run as the log records it; `None` if the log cannot be read.
    pub summary: Option<RunSummary>,
    /// The end of the log; `None` if the log cannot be read.
    pub log: Option<LogState>,
    /// The names that are not deleted, each with its outcome, or the first of them, if names are asked for.
    pub exceptions: Option<Vec<(String, Outcome)>>,
}

impl EndedRun {
    pub(super) const fn event(&self) -> NoticeEvent {
        if self.stopped.is_some() { NoticeEvent::RunStopped } else { NoticeEvent::RunEnded }
    }

    pub(super) fn content(&self, origin: &NoticeOrigin) -> Content {
        let counts: Map<_, _> = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.as_str().to_owned(), json!(self.counts.of(outcome))))
            .collect();
        let summary = self.summary.as_ref();
        let exceptions = self.exceptions.as_ref().map(|all| {
            let one =
                |(name, outcome): &(String, Outcome)| json!({ "name": name, "outcome": outcome.as_str() });
            all.iter().map(one).collect::<Vec<_>>()
        });
        let object = json!({
            "run_id": self.run_id,
            "status": self.status,
            "exit_code": self.exit_code,
            "stopped": self.stopped,
            "planned": self.counts.planned(),
            "counts": counts,
            "started_at": summary.map(|run| &run.started_at),
            "finished_at": summary.map(|run| &run.finished_at),
            "operator": summary.map(|run| &run.operator),
            "reason": summary.map(|run| &run.reason),
            "ticket": summary.map(|run| &run.ticket),
            "report": { "audit_db": origin.audit_db, "command": self.report },
            "audit_log": self.log.as_ref().map(|log| json!({
                "id": log.id,
                "records": log.head.seq,
                "head": log.head.hash,
            })),
            "exceptions": exceptions,
        });
        Content {
            event: self.event(),
            title: self.title(origin),
            text: self.text(),
            about: format!("{}\n{}", self.about(origin), self.report),
            fields: fields(object),
        }
    }

    fn title(&self, origin: &NoticeOrigin) -> String {
        let gone = self.counts.of(Outcome::Deleted) + self.counts.of(Outcome::DeletedUnconfirmed);
        let rehearsal = if origin.rehearsal { " (a rehearsal)" } else { "" };
        format!(
            "decom {}{rehearsal}: {gone} of {} datasources on {} deleted, exit code {}",
            self.status,
            self.counts.planned(),
            origin.api_host.as_deref().unwrap_or("an unknown host"),
            self.exit_code
        )
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (outcome, n) in self.counts.occurring() {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "{outcome}: {n}");
        }
        let _ = write!(text, "planned: {}", self.counts.planned());
        if let Some(stopped) = &self.stopped {
            let _ = write!(text, "\nstopped: {stopped}");
        }
        for (name, outcome) in self.exceptions.iter().flatten() {
            let _ = write!(text, "\n{outcome}  {name}");
        }
        text
    }

    fn about(&self, origin: &NoticeOrigin) -> String {
        let mut about = vec![format!("run {} on {}", self.run_id, origin.host)];
        if let Some(run) = &self.summary {
            let of = [("by", &run.operator), ("ticket", &run.ticket), ("reason", &run.reason)];
            about.extend(of.iter().filter_map(|(what, it)| it.as_ref().map(|it| format!("{what} {it}"))));
        }
        if let Some(log) = &self.log {
            about.push(format!("audit log {}, {} records, head {}", log.id, log.head.seq, log.head.hash));
        }
        about.join(", ")
    }
}
