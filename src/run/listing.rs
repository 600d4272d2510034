//! Settles by the listing what no attempt could settle, and holds what is gone against it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::api::Lister;
use crate::audit::{AuditError, AuditReader, ListingCheck, Recorder};
use crate::domain::{
    Answer, Clock, Doubt, Evidence, Outcome, Presence, Resource, ResourceKind, Seq, Settlement, Target,
    Verdict, decide, skeleton,
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
    /// A target that was attempted in doubt, and that is not sent again, for this reason.
    pub(super) fn withheld(target: Target, why: &str) -> Self {
        let answer = Answer {
            verdict: Verdict::NoAnswer,
            http_status: None,
            error_code: None,
            message: Some(format!("not sent again: {why}; an earlier attempt got no clear answer")),
            datasource_id: None,
        };
        Self { doubt: target.doubt(), answer, target }
    }
}

/// The names that the listings hold, by kind.
#[derive(Debug, Default)]
pub(super) struct Listed(HashMap<ResourceKind, HashSet<String>>);

impl Listed {
    /// Returns true if the listing of this kind was read.
    pub(super) fn has(&self, kind: ResourceKind) -> bool {
        self.0.contains_key(&kind)
    }

    /// The names of this kind without what is hard to see in their spelling.
    fn skeletons(&self, kind: ResourceKind) -> HashSet<String> {
        self.0.get(&kind).into_iter().flatten().map(|name| skeleton(name)).collect()
    }

    fn presence(&self, resource: Resource<'_>) -> Presence {
        match self.0.get(&resource.kind).map(|names| names.contains(resource.name.as_str())) {
            Some(true) => Presence::Listed,
            Some(false) => Presence::Absent,
            None => Presence::Unknown,
        }
    }
}

/// Records what a listing shows of the targets of one run.
pub(super) struct ListingJudge {
    pub(super) run: Seq,
    pub(super) recorder: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    /// `None` if no listing is to be read.
    pub(super) lister: Option<Lister>,
    /// The kinds of the run's targets.
    pub(super) kinds: Vec<ResourceKind>,
}

impl ListingJudge {
    /// Reads the listing of each kind, unless there is none to read, or it cannot be read.
    pub(super) async fn read(&self) -> Listed {
        let mut found = Listed::default();
        let Some(lister) = &self.lister else { return found };
        for kind in &self.kinds {
            let names = match kind {
                ResourceKind::Datasource => lister.datasources().await,
                ResourceKind::Datamart => {
                    let datamarts = lister.datamarts().await;
                    datamarts.map(|all| all.into_iter().map(|datamart| datamart.name).collect())
                }
            };
            match names {
                Ok(names) => drop(found.0.insert(*kind, names.into_iter().collect())),
                Err(error) => tracing::warn!(%error, "the outcomes are not checked against the listing"),
            }
        }
        found
    }

    /// Settles `open` by the listings, which were read after the last attempt of each had ended; without that of its
    /// kind, by the doubt.
    pub(super) async fn settle(&self, open: Vec<OpenTarget>, listed: &Listed) -> Result<(), Arc<AuditError>> {
        let mut pending = Vec::with_capacity(open.len());
        let mut skeletons = HashMap::new();
        for OpenTarget { target, answer, doubt } in open {
            let resource = target.resource();
            let presence = match listed.presence(resource) {
                // The API may list a name in another spelling than it takes.
                Presence::Absent => {
                    let alike = skeletons
                        .entry(resource.kind)
                        .or_insert_with(|| listed.skeletons(resource.kind))
                        .contains(&skeleton(resource.name.as_str()));
                    if alike { Presence::Unknown } else { Presence::Absent }
                }
                presence => presence,
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

    /// Holds what the run has deleted, and what should not exist otherwise, against the listings, and records what they
    /// show of the former. Returns the names that are still listed.
    pub(super) async fn check(
        &self,
        Listed(by_kind): &Listed,
        reader: &AuditReader,
        accepts_not_found: bool,
    ) -> Result<Vec<String>, Arc<AuditError>> {
        let mut still_listed = Vec::new();
        let (at, listed) = (self.clock.timestamp(), by_kind.values().map(HashSet::len).sum::<usize>() as u64);
        let names = by_kind.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, name)));
        for (kind, name) in names {
            match reader.should_be_gone(self.run, kind, name)? {
                Some((target, outcome)) if outcome.is_gone() => {
                    tracing::error!(
                        datasource = name,
                        kind = kind.as_str(),
                        "deleted, and still in the listing"
                    );
                    still_listed.push(match kind {
                        ResourceKind::Datasource => name.clone(),
                        ResourceKind::Datamart => format!("{kind} {name}"),
                    });
                    let check =
                        ListingCheck { at, target: Some(target), evidence: Evidence::StillListed, listed };
                    self.recorder.checked(self.run, check).await?;
                }
                Some((_, Outcome::NotFound)) if accepts_not_found => {
                    tracing::error!(datasource = name, "not found, and in the listing");
                    still_listed.push(name.clone());
                }
                Some((_, Outcome::Skipped)) => {
                    tracing::error!(datasource = name, "deleted by an earlier run, and in the listing");
                    still_listed.push(name.clone());
                }
                _ => {}
            }
        }
        // It stands for all other targets, and so for those of each kind.
        if self.kinds.iter().all(|kind| by_kind.contains_key(kind)) {
            let check = ListingCheck { at, target: None, evidence: Evidence::AbsentFromListing, listed };
            self.recorder.checked(self.run, check).await?;
        }
        still_listed.sort();
        Ok(still_listed)
    }
}
