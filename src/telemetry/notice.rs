//! The notice to a webhook at the end of a run.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::domain::{Counts, LogState, Outcome, RunSummary, Webhook};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeForm {
    /// The object that docs/monitoring.md describes.
    Json,
    /// A message for Slack.
    Slack,
}

/// The notice of one finished run.
#[derive(Debug)]
pub struct Notice {
    pub webhook: Webhook,
    pub form: NoticeForm,
    pub run_id: String,
    /// `finished`, `stopped` or `interrupted`.
    pub status: String,
    pub exit_code: u8,
    /// Why the run ended early, if it did.
    pub stopped: Option<String>,
    pub counts: Counts,
    /// The run was a rehearsal against the embedded emulator.
    pub rehearsal: bool,
    pub api_host: String,
    /// The machine.
    pub host: String,
    /// The version of decom.
    pub version: &'static str,
    /// The audit log's file.
    pub audit_db: String,
    /// The command that reports the run.
    pub report: String,
    /// The run as the log records it; `None` if the log cannot be read.
    pub summary: Option<RunSummary>,
    /// The end of the log; `None` if the log cannot be read.
    pub log: Option<LogState>,
}

impl Notice {
    /// The body of the request.
    pub(super) fn body(&self) -> String {
        match self.form {
            NoticeForm::Json => self.json(),
            NoticeForm::Slack => self.slack(),
        }
        .to_string()
    }

    fn json(&self) -> Value {
        let counts: Map<_, _> = Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome.as_str().to_owned(), json!(self.counts.of(outcome))))
            .collect();
        let summary = self.summary.as_ref();
        json!({
            "event": "run_ended",
            "run_id": self.run_id,
            "status": self.status,
            "exit_code": self.exit_code,
            "stopped": self.stopped,
            "rehearsal": self.rehearsal,
            "planned": self.counts.planned(),
            "counts": counts,
            "started_at": summary.map(|run| &run.started_at),
            "finished_at": summary.map(|run| &run.finished_at),
            "operator": summary.map(|run| &run.operator),
            "reason": summary.map(|run| &run.reason),
            "ticket": summary.map(|run| &run.ticket),
            "api_host": self.api_host,
            "host": self.host,
            "tool_version": self.version,
            "report": { "audit_db": self.audit_db, "command": self.report },
            "audit_log": self.log.as_ref().map(|log| json!({
                "id": log.id,
                "records": log.head.seq,
                "head": log.head.hash,
            })),
        })
    }

    fn slack(&self) -> Value {
        let title = self.title();
        let mut text = String::new();
        for (outcome, n) in self.counts.occurring() {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "{outcome}: {n}");
        }
        let _ = write!(text, "planned: {}", self.counts.planned());
        if let Some(stopped) = &self.stopped {
            let _ = write!(text, "\nstopped: {stopped}");
        }
        let mut about = vec![format!("run {} on {}", self.run_id, self.host)];
        if let Some(run) = &self.summary {
            let of = [("by", &run.operator), ("ticket", &run.ticket), ("reason", &run.reason)];
            about.extend(of.iter().filter_map(|(what, it)| it.as_ref().map(|it| format!("{what} {it}"))));
        }
        if let Some(log) = &self.log {
            about.push(format!("audit log {}, {} records, head {}", log.id, log.head.seq, log.head.hash));
        }
        let section =
            |text: &str| json!({ "type": "section", "text": { "type": "plain_text", "text": cut(text) } });
        json!({
            "text": title,
            "blocks": [
                section(&title),
                section(&text),
                section(&format!("{}\n{}", about.join(", "), self.report)),
            ],
        })
    }

    fn title(&self) -> String {
        let gone = self.counts.of(Outcome::Deleted) + self.counts.of(Outcome::DeletedUnconfirmed);
        let rehearsal = if self.rehearsal { " (a rehearsal)" } else { "" };
        format!(
            "decom {}{rehearsal}: {gone} of {} datasources on {} deleted, exit code {}",
            self.status,
            self.counts.planned(),
            self.api_host,
            self.exit_code
        )
    }
}

/// As much of `text` as Slack accepts in one block.
fn cut(text: &str) -> String {
    text.chars().take(2900).collect()
}
