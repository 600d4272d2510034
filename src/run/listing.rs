//! Settles by the listing what no attempt could settle, and holds what is gone against it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::api::Lister;
use crate::audit::{AuditError, AuditReader, ListingCheck, Recorder};
use crate::domain::{
    Answer, Clock, Doubt, Evidence, Presence, ResourceKind, Seq, Settlement, Target, Verdict, decide,
};

/// A target for which no further attempt helps, while nothing is settled.
#[derive(Debug, Clone)]
pub(super) struct OpenTarget {
    pub(super) target: Target,
    /// The last answer.
    pub(super) answer: Answer,
    pub(super) doubt: Doubt,
}

impl OpenTarget {
    /// A target that an earlier process or run attempted in doubt, and that is protected now.
    pub(super) fn withheld(target: Target) -> Self {
        let answer = Answer {
            verdict: Verdict::NoAnswer,
            http_status: None,
            error_code: None,
            message: Some(
                "protected by now, and not sent again; an earlier attempt got no clear answer".to_owned(),
            ),
            datasource_id: None,
        };
        Self { doubt: target.doubt(), answer, target }
    }
}

/// The names that a listing holds.
pub(super) type Names = HashSet<String>;

/// Records what a listing shows of the targets of one run.
pub(super) struct ListingJudge {
    pub(super) run: Seq,
    pub(super) recorder: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    /// `None` if no listing is to be read.
    pub(super) lister: Option<Lister>,
}

impl ListingJudge {
    /// Reads the listing; `None` if there is none to read, or it cannot be read.
    pub(super) async fn read(&self) -> Option<Names> {
        match self.lister.as_ref()?.datasources().await {
            Ok(names) => Some(names.into_iter().collect()),
            Err(error) => {
                tracing::warn!(%error, "the outcomes are not checked against the listing");
                None
            }
        }
    }

    /// Settles `open` by a listing that was read after the last attempt of each had ended; without one, by the doubt.
    pub(super) async fn settle(
        &self,
        open: Vec<OpenTarget>,
        names: Option<&Names>,
    ) -> Result<(), Arc<AuditError>> {
        let mut pending = Vec::with_capacity(open.len());
        for OpenTarget { target, answer, doubt } in open {
            let presence = match names.map(|names| names.contains(target.name.as_str())) {
                Some(true) => Presence::Listed,
                Some(false) => Presence::Absent,
                None => Presence::Unknown,
            };
            let Some((outcome, evidence)) = decide(answer.verdict, doubt, Some(presence)) else { continue };
            let settlement = Settlement {
                target: target.seq,
                name: target.name,
                at: self.clock.timestamp(),
                outcome,
                evidence,
                answer: Some(answer),
                skip: None,
            };
            pending.push(self.recorder.settle(self.run, settlement));
        }
        for durable in pending {
            durable.await?;
        }
        Ok(())
    }

    /// Holds what the run has deleted against a listing, and records what it shows. Returns the names that are still
    /// listed.
    pub(super) async fn check(
        &self,
        names: &Names,
        reader: &AuditReader,
    ) -> Result<Vec<String>, Arc<AuditError>> {
        let mut still_listed = Vec::new();
        let (at, listed) = (self.clock.timestamp(), names.len() as u64);
        for name in names {
            if let Some(target) = reader.gone_target(self.run, ResourceKind::Datasource, name)? {
                tracing::error!(datasource = name, "deleted, and still in the listing");
                still_listed.push(name.clone());
                let check =
                    ListingCheck { at, target: Some(target), evidence: Evidence::StillListed, listed };
                self.recorder.checked(self.run, check).await?;
            }
        }
        let check = ListingCheck { at, target: None, evidence: Evidence::AbsentFromListing, listed };
        self.recorder.checked(self.run, check).await?;
        still_listed.sort();
        Ok(still_listed)
    }
}
