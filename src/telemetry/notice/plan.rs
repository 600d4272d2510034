//! The notices that a plan was made, and that it waits for an approval.

use serde_json::json;

use super::{Content, NoticeOrigin, fields, on_host};
use crate::domain::NoticeEvent;

/// A plan that was made.
#[derive(Debug, Clone)]
pub struct MadePlan {
    /// The number of targets.
    pub planned: u64,
    /// The number of them to delete.
    pub to_delete: u64,
    /// The file, if it was saved.
    pub saved: Option<SavedPlanFile>,
    /// A second person has to sign it.
    pub wants_approval: bool,
    /// The names to delete, or the first of them, if names are asked for.
    pub names: Option<Vec<String>>,
}

/// The file of a saved plan.
#[derive(Debug, Clone)]
pub struct SavedPlanFile {
    pub file: String,
    pub digest: String,
    pub expires_at: String,
}

impl MadePlan {
    pub(super) const fn event(&self) -> NoticeEvent {
        if self.wants_approval { NoticeEvent::ApprovalWanted } else { NoticeEvent::PlanMade }
    }

    pub(super) fn content(&self, origin: &NoticeOrigin) -> Content {
        let what = if self.wants_approval { "a plan waits for its approval" } else { "a plan was made" };
        let title = format!(
            "decom: {what}{}: {} of {} datasources would be deleted",
            on_host(origin),
            self.to_delete,
            self.planned
        );
        let saved = self.saved.as_ref();
        let mut text = saved.map_or_else(String::new, |plan| {
            format!("{}, digest {}, to be run until {}", plan.file, plan.digest, plan.expires_at)
        });
        if self.wants_approval {
            text.push_str("\nA second person reviews it with `decom plan --show` and signs it with ssh-keygen -Y sign -n decom-plan.");
        }
        let object = json!({
            "planned": self.planned,
            "to_delete": self.to_delete,
            "plan": saved.map(|plan| json!({
                "file": plan.file,
                "digest": plan.digest,
                "expires_at": plan.expires_at,
            })),
            "names": self.names,
        });
        Content {
            event: self.event(),
            title,
            text,
            about: format!("made on {}", origin.host),
            fields: fields(object),
        }
    }
}
