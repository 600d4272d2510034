//! What became of one resource, according to all that the logs hold about it: over several runs, not by one alone.

use super::{Outcome, ResourceKind, SkipReason, TargetAccount};

/// What the logs show of a resource in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Deleted, as the API confirmed.
    Deleted,
    /// Gone, after a request that got no clear reply.
    DeletedUnconfirmed,
    /// Not found, and no request that is known can have deleted it.
    NotFound,
    /// Deleted, and seen again afterwards.
    ExistsAgain,
    /// Asked for, and not deleted.
    NotDeleted,
    /// A request may have deleted it, or may not.
    Unclear,
}

impl Standing {
    /// Returns the word in JSON and in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::DeletedUnconfirmed => "deleted_unconfirmed",
            Self::NotFound => "not_found",
            Self::ExistsAgain => "exists_again",
            Self::NotDeleted => "not_deleted",
            Self::Unclear => "unclear",
        }
    }

    /// Returns true if it was deleted, and nothing that is known speaks against it.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Deleted | Self::DeletedUnconfirmed)
    }

    /// What is known after `account`, the next in time.
    fn after(before: Option<Self>, account: &TargetAccount) -> Self {
        let result = &account.result;
        let is_listed = result.evidence.as_deref() == Some("still_listed");
        let was_gone = before.is_some_and(Self::is_gone);
        match result.outcome {
            Outcome::Deleted | Outcome::DeletedUnconfirmed if is_listed => Self::ExistsAgain,
            Outcome::Deleted => Self::Deleted,
            Outcome::DeletedUnconfirmed => Self::DeletedUnconfirmed,
            Outcome::NotFound => before.filter(|_| was_gone).unwrap_or(Self::NotFound),
            Outcome::InUse if was_gone => Self::ExistsAgain,
            Outcome::Rejected | Outcome::Failed if was_gone && is_listed => Self::ExistsAgain,
            // That it was refused, or never arrived, does not say that it exists.
            Outcome::Rejected | Outcome::Failed if was_gone => Self::Unclear,
            Outcome::InUse | Outcome::Rejected | Outcome::Failed => Self::NotDeleted,
            Outcome::Unknown => Self::Unclear,
            Outcome::Skipped => match result.detail.as_deref() {
                Some(why) if why == SkipReason::ExistsAgain.as_str() => Self::ExistsAgain,
                // By a run that is in none of the logs at hand.
                Some(why) if why == SkipReason::AlreadyDeleted.as_str() => before.unwrap_or(Self::Unclear),
                _ => before.unwrap_or(Self::NotDeleted),
            },
            Outcome::Pending if result.attempts > 0 => Self::Unclear,
            Outcome::Pending => before.unwrap_or(Self::NotDeleted),
        }
    }
}

/// One resource, and what each run did with it.
#[derive(Debug, Clone)]
pub struct ResourceHistory<'a> {
    pub base_url: &'a str,
    pub kind: ResourceKind,
    pub name: &'a str,
    /// Of a datamart: the datasource that it reads, as the newest account has it.
    pub dependant_of: Option<&'a str>,
    /// Its requests went to the embedded emulator.
    pub rehearsal: bool,
    /// The oldest first; at least one.
    pub accounts: Vec<&'a TargetAccount>,
    pub standing: Standing,
    /// The account that decided the standing.
    pub deciding: &'a TargetAccount,
}

impl<'a> ResourceHistory<'a> {
    /// Divides `accounts` by host, kind and name, and rehearsals from what was real: in the order in which they first
    /// occur, but datasources before datamarts.
    #[must_use]
    pub fn of(accounts: &'a [TargetAccount]) -> Vec<Self> {
        let mut in_time: Vec<_> = accounts.iter().collect();
        in_time.sort_by_key(|account| {
            (account.settled_at().unwrap_or(account.run.started_at), account.result.target)
        });
        let mut found: Vec<Self> = Vec::new();
        for account in in_time {
            let (run, result) = (&account.run, &account.result);
            let known = found
                .iter_mut()
                .find(|it| account.is_of(it.base_url, it.kind, it.name) && it.rehearsal == run.rehearsal);
            if let Some(known) = known {
                let standing = Standing::after(Some(known.standing), account);
                if standing != known.standing || account.is_deletion() {
                    known.deciding = account;
                }
                known.standing = standing;
                known.dependant_of = result.dependant_of.as_deref();
                known.accounts.push(account);
                continue;
            }
            found.push(Self {
                base_url: &run.base_url,
                kind: result.kind,
                name: &result.name,
                dependant_of: result.dependant_of.as_deref(),
                rehearsal: run.rehearsal,
                accounts: vec![account],
                standing: Standing::after(None, account),
                deciding: account,
            });
        }
        found.sort_by_key(|it| (it.rehearsal, it.kind));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CustomerRequest, RunOfTarget, TargetResult, Timestamp};

    /// A target that ended so in the run of this hour.
    fn account(
        hour: i64,
        (outcome, evidence, detail, attempts): (Outcome, &str, &str, u32),
    ) -> TargetAccount {
        let at = Timestamp::from_micros(hour * 3_600_000_000);
        TargetAccount {
            log_id: "log".to_owned(),
            run: RunOfTarget {
                run_id: format!("run-{hour}"),
                started_at: at,
                status: "finished".to_owned(),
                base_url: "https://api.example.com".to_owned(),
                operator: None,
                reason: None,
                ticket: None,
                plan_digest: None,
                approved_by: None,
                retry_of: None,
                rehearsal: false,
            },
            result: TargetResult {
                run_id: format!("run-{hour}"),
                target: 1,
                name: "acme".to_owned(),
                kind: ResourceKind::Datasource,
                dependant_of: None,
                outcome,
                attempts,
                http_status: None,
                error_code: None,
                message: None,
                datasource_id: None,
                evidence: Some(evidence.to_owned()),
                detail: Some(detail.to_owned()),
                first_attempt_at: None,
                finished_at: (outcome != Outcome::Pending).then(|| at.to_string()),
                target_reason: None,
                target_ticket: None,
                message_id: None,
                rehearsal: false,
            },
            request: CustomerRequest::default(),
            attempts: Vec::new(),
            looks: Vec::new(),
            records: Vec::new(),
        }
    }

    const DELETED: (Outcome, &str, &str, u32) = (Outcome::Deleted, "acknowledged", "", 1);

    #[test]
    fn what_the_newest_facts_show_decides_and_nothing_else() {
        use Outcome::{DeletedUnconfirmed, Failed, InUse, NotFound, Pending, Rejected, Skipped, Unknown};
        for (ends, expected) in [
            (vec![DELETED], Standing::Deleted),
            (vec![(DeletedUnconfirmed, "not_found_after_doubt", "", 2)], Standing::DeletedUnconfirmed),
            (vec![(Outcome::Deleted, "still_listed", "", 1)], Standing::ExistsAgain),
            (vec![(NotFound, "refused", "", 1)], Standing::NotFound),
            (vec![DELETED, (NotFound, "refused", "", 1)], Standing::Deleted),
            (vec![(InUse, "refused", "[]", 1)], Standing::NotDeleted),
            (vec![(InUse, "refused", "[]", 1), DELETED], Standing::Deleted),
            (vec![DELETED, (InUse, "refused", "[]", 1)], Standing::ExistsAgain),
            (vec![DELETED, (Failed, "still_listed", "", 3)], Standing::ExistsAgain),
            (vec![DELETED, (Failed, "no_clear_answer", "", 3)], Standing::Unclear),
            (vec![DELETED, (Rejected, "refused", "", 1)], Standing::Unclear),
            (vec![(Rejected, "refused", "", 1)], Standing::NotDeleted),
            (vec![DELETED, (Unknown, "no_clear_answer", "", 3)], Standing::Unclear),
            (vec![DELETED, (Skipped, "audit_log", "already_deleted", 0)], Standing::Deleted),
            (vec![(Skipped, "audit_log", "already_deleted", 0)], Standing::Unclear),
            (vec![DELETED, (Skipped, "audit_log", "exists_again", 0)], Standing::ExistsAgain),
            (vec![DELETED, (Skipped, "rule", "protected", 0)], Standing::Deleted),
            (vec![(Skipped, "rule", "protected", 0)], Standing::NotDeleted),
            (vec![(Pending, "", "", 1)], Standing::Unclear),
            (vec![(Pending, "", "", 0)], Standing::NotDeleted),
            (vec![DELETED, (Pending, "", "", 0)], Standing::Deleted),
            (vec![DELETED, (Skipped, "audit_log", "exists_again", 0), DELETED], Standing::Deleted),
        ] {
            let accounts: Vec<_> = (1..).zip(&ends).map(|(hour, end)| account(hour, *end)).collect();
            let found = ResourceHistory::of(&accounts);
            assert_eq!((found.len(), found[0].standing), (1, expected), "{ends:?}");
        }
    }

    #[test]
    fn hosts_kinds_and_rehearsals_are_apart() {
        let mut accounts: Vec<_> = (1..=4).map(|hour| account(hour, DELETED)).collect();
        accounts[0].result.kind = ResourceKind::Datamart;
        accounts[1].run.base_url = "https://other.example.com".to_owned();
        accounts[2].run.rehearsal = true;
        let found = ResourceHistory::of(&accounts);
        let found: Vec<_> = found.iter().map(|it| (it.kind.as_str(), it.base_url, it.rehearsal)).collect();
        let (api, other) = ("https://api.example.com", "https://other.example.com");
        assert_eq!(
            found,
            [
                ("datasource", other, false),
                ("datasource", api, false),
                ("datamart", api, false),
                ("datasource", api, true)
            ]
        );
    }
}
