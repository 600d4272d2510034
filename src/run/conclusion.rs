//! The end of a run: what is still open is settled, the listing is held against the outcomes, and
//! the end itself is recorded.

use std::collections::HashSet;

use crate::api::Lister;
use crate::audit::{AuditError, AuditReader, ListingCheck, Recorder};
use crate::domain::{Answer, Clock, DatasourceName, Evidence, Outcome, Seq, Settlement, Target, Verdict};

/// A target whose attempts are used up while nothing is settled.
#[derive(Debug, Clone)]
pub(super) struct Exhausted {
    pub(super) target: Target,
    /// The last answer.
    pub(super) answer: Answer,
    /// Whether one of its attempts may have been carried out.
    pub(super) doubted: bool,
}

impl Exhausted {
    /// How it ends where no listing can tell.
    pub(super) fn outcome_without_listing(&self) -> Outcome {
        if self.answer.verdict == Verdict::ServerError { Outcome::Failed } else { Outcome::Unknown }
    }

    fn outcome(&self, names: Option<&HashSet<&str>>) -> (Outcome, Evidence) {
        match names.map(|names| names.contains(self.target.name.as_str())) {
            None => (self.outcome_without_listing(), Evidence::NoClearAnswer),
            Some(true) => (Outcome::Failed, Evidence::StillListed),
            Some(false) if self.doubted => (Outcome::DeletedUnconfirmed, Evidence::AbsentFromListing),
            // No attempt of ours can have deleted it.
            Some(false) => (Outcome::NotFound, Evidence::AbsentFromListing),
        }
    }
}

/// Concludes one run.
pub(super) struct Conclusion<'a> {
    pub(super) run: Seq,
    pub(super) recorder: &'a Recorder,
    pub(super) reader: &'a AuditReader,
    pub(super) clock: &'a dyn Clock,
    /// Told of each target that is settled, once that is durable.
    pub(super) settled: &'a (dyn Fn(Seq, &DatasourceName, Outcome) + Send + Sync),
}

/// Settles what is exhausted, with the names that are listed where those are known.
pub(super) async fn settle_exhausted(
    run: Seq,
    recorder: &Recorder,
    clock: &dyn Clock,
    exhausted: Vec<Exhausted>,
    names: Option<&HashSet<&str>>,
    settled: &(dyn Fn(Seq, &DatasourceName, Outcome) + Send + Sync),
) -> Result<(), std::sync::Arc<AuditError>> {
    let mut written = Vec::new();
    for exhausted in exhausted {
        let (outcome, evidence) = exhausted.outcome(names);
        let settlement = Settlement {
            target: exhausted.target.seq,
            at: clock.timestamp(),
            outcome,
            evidence,
            answer: Some(exhausted.answer),
            skip: None,
        };
        written.push((recorder.settle(run, settlement), exhausted.target, outcome));
    }
    for (written, target, outcome) in written {
        written.await?;
        settled(target.seq, &target.name, outcome);
    }
    Ok(())
}

impl Conclusion<'_> {
    /// Settles what is exhausted, and checks what is gone, with one reading of the listing. Returns
    /// the names that are still listed although they were deleted.
    pub(super) async fn settle(
        &self,
        exhausted: Vec<Exhausted>,
        lister: Option<&Lister>,
    ) -> Result<Vec<String>, std::sync::Arc<AuditError>> {
        let listing = match lister {
            Some(lister) if !exhausted.is_empty() || self.is_anything_gone()? => {
                lister.datasources().await.map_or_else(
                    |error| {
                        tracing::warn!(%error, "the outcomes are not checked against the listing");
                        None
                    },
                    Some,
                )
            }
            _ => None,
        };
        let names: Option<HashSet<&str>> =
            listing.as_ref().map(|names| names.iter().map(String::as_str).collect());
        settle_exhausted(self.run, self.recorder, self.clock, exhausted, names.as_ref(), self.settled)
            .await?;
        match names {
            Some(names) => self.check(&names).await,
            None => Ok(Vec::new()),
        }
    }

    fn is_anything_gone(&self) -> Result<bool, AuditError> {
        let counts = self.reader.counts(self.run)?;
        Ok(Outcome::ALL.into_iter().any(|outcome| outcome.is_gone() && counts.of(outcome) > 0))
    }

    async fn check(&self, listed: &HashSet<&str>) -> Result<Vec<String>, std::sync::Arc<AuditError>> {
        let mut still_listed = Vec::new();
        let at = self.clock.timestamp();
        let count = listed.len() as u64;
        for name in listed {
            if let Some(target) = self.reader.gone_target(self.run, name)? {
                tracing::error!(datasource = name, "deleted, and still in the listing");
                still_listed.push((*name).to_owned());
                let check =
                    ListingCheck { at, target: Some(target), evidence: Evidence::StillListed, listed: count };
                self.recorder.checked(self.run, check).await?;
            }
        }
        let check = ListingCheck { at, target: None, evidence: Evidence::AbsentFromListing, listed: count };
        self.recorder.checked(self.run, check).await?;
        still_listed.sort();
        Ok(still_listed)
    }
}
