//! The one place where the outcome of a target is decided: from the last verdict, the doubt and the listing.

use super::{Evidence, Outcome, Verdict};

/// The reason why the resource may be gone although no reply says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    None,
    /// The message that asked for the target was delivered before: another worker may have sent it.
    Redelivered,
    /// An attempt in this log got no clear reply, and nothing that came later settled it.
    Attempted,
}

impl Doubt {
    /// Returns the doubt after an attempt with this verdict.
    #[must_use]
    pub fn after(self, verdict: Verdict) -> Self {
        if verdict.raises_doubt() { Self::Attempted } else { self }
    }

    #[must_use]
    pub const fn exists(self) -> bool {
        !matches!(self, Self::None)
    }
}

/// What a listing that began after the last attempt had ended shows about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    Listed,
    Absent,
    /// No listing could be read.
    Unknown,
}

/// Returns the outcome of a target after its last attempt, and how it is known. `None` if nothing settles it yet:
/// without `presence`, what a listing has to settle stays open, and with a token that is not accepted no name fares
/// better, so that the target stays pending.
#[must_use]
pub const fn decide(
    verdict: Verdict,
    doubt: Doubt,
    presence: Option<Presence>,
) -> Option<(Outcome, Evidence)> {
    Some(match (verdict, presence) {
        (Verdict::Deleted, _) => (Outcome::Deleted, Evidence::Acknowledged),
        (Verdict::InUse, _) => (Outcome::InUse, Evidence::Refused),
        // A rejection says nothing about what an earlier attempt did.
        (Verdict::Rejected, Some(Presence::Listed)) if doubt.exists() => {
            (Outcome::Rejected, Evidence::StillListed)
        }
        (Verdict::Rejected, _) if !doubt.exists() => (Outcome::Rejected, Evidence::Refused),
        (Verdict::NotFound, _) => match doubt {
            Doubt::None => (Outcome::NotFound, Evidence::Refused),
            Doubt::Redelivered => (Outcome::DeletedUnconfirmed, Evidence::NotFoundAfterRedelivery),
            Doubt::Attempted => (Outcome::DeletedUnconfirmed, Evidence::NotFoundAfterDoubt),
        },
        (Verdict::Unauthorized, _) | (_, None) => return None,
        (_, Some(Presence::Listed)) => (Outcome::Failed, Evidence::StillListed),
        (_, Some(Presence::Absent)) if doubt.exists() => {
            (Outcome::DeletedUnconfirmed, Evidence::AbsentFromListing)
        }
        (_, Some(Presence::Absent)) => (Outcome::NotFound, Evidence::AbsentFromListing),
        (_, Some(Presence::Unknown)) if doubt.exists() => (Outcome::Unknown, Evidence::NoClearAnswer),
        (_, Some(Presence::Unknown)) => (Outcome::Failed, Evidence::NoClearAnswer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBTS: [Doubt; 3] = [Doubt::None, Doubt::Redelivered, Doubt::Attempted];
    const PRESENCES: [Option<Presence>; 4] =
        [None, Some(Presence::Listed), Some(Presence::Absent), Some(Presence::Unknown)];

    /// The contract's table "Outcomes", row by row; what no row names is not settled.
    fn outcome(verdict: Verdict, doubt: Doubt, presence: Option<Presence>) -> Option<&'static str> {
        let in_doubt = doubt != Doubt::None;
        let open = ["not_found_or_invalid", "throttled", "server_error", "no_answer", "not_sent"]
            .contains(&verdict.as_str())
            || (verdict == Verdict::Rejected && in_doubt);
        Some(match (verdict.as_str(), presence) {
            ("deleted", _) => "deleted acknowledged",
            ("in_use", _) => "in_use refused",
            ("rejected", Some(Presence::Listed)) if in_doubt => "rejected still_listed",
            ("rejected", _) if !in_doubt => "rejected refused",
            ("not_found", _) if doubt == Doubt::Attempted => "deleted_unconfirmed not_found_after_doubt",
            ("not_found", _) if in_doubt => "deleted_unconfirmed not_found_after_redelivery",
            ("not_found", _) => "not_found refused",
            (_, Some(Presence::Listed)) if open => "failed still_listed",
            (_, Some(Presence::Absent)) if open && in_doubt => "deleted_unconfirmed absent_from_listing",
            (_, Some(Presence::Absent)) if open => "not_found absent_from_listing",
            (_, Some(Presence::Unknown)) if open && in_doubt => "unknown no_clear_answer",
            (_, Some(Presence::Unknown)) if open => "failed no_clear_answer",
            _ => return None,
        })
    }

    #[test]
    fn decides_every_combination_as_the_contract_says() {
        for verdict in Verdict::ALL {
            for doubt in DOUBTS {
                for presence in PRESENCES {
                    let decided = decide(verdict, doubt, presence)
                        .map(|(outcome, evidence)| format!("{outcome} {}", evidence.as_str()));
                    let wanted = outcome(verdict, doubt, presence);
                    assert_eq!(decided.as_deref(), wanted, "{verdict} {doubt:?} {presence:?}");
                }
            }
        }
    }

    #[test]
    fn only_a_server_error_and_no_answer_raise_doubt() {
        for verdict in Verdict::ALL {
            for doubt in DOUBTS {
                let raises = ["server_error", "no_answer"].contains(&verdict.as_str());
                let wanted = if raises { Doubt::Attempted } else { doubt };
                assert_eq!(doubt.after(verdict), wanted, "{verdict} after {doubt:?}");
            }
        }
    }
}
