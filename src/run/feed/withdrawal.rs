//! Why a target that is due is not sent.

use super::StopReason;
use crate::audit::{GroupMember, SettledMember};
use crate::domain::{
    Answer, Credentials, DEPENDANTS_CHANGED, DEPENDANTS_REMAIN, DatasourceName, Evidence, GIVEN_BACK,
    Outcome, ResourceKind, Seq, Settlement, SkipReason, Target, Timestamp, Verdict,
};
use crate::plan::ProtectionMatch;

const MESSAGE_LOST: &str = "message_lost";

/// Returns true if decom itself held the request back, so that this says nothing about reaching the API.
pub(in crate::run) fn was_held_back(answer: &Answer) -> bool {
    let held_back = [
        MESSAGE_LOST,
        DEPENDANTS_CHANGED,
        SkipReason::OnHold.as_str(),
        StopReason::SLEPT,
        StopReason::NO_LISTING,
    ];
    answer.verdict == Verdict::NotSent
        && answer.error_code.as_deref().is_some_and(|it| held_back.contains(&it))
}

/// Why a target that is due is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct Withdrawal {
    /// The word of a skip.
    reason: &'static str,
    evidence: Evidence,
    /// In words.
    pub(in crate::run) why: String,
}

impl Withdrawal {
    /// Its group is another one than was planned.
    pub(super) const fn dependants_changed(why: String) -> Self {
        Self { reason: DEPENDANTS_CHANGED, evidence: Evidence::Rule, why }
    }

    /// A datamart that goes before it was not deleted.
    pub(super) const fn dependants_remain(why: String) -> Self {
        Self { reason: DEPENDANTS_REMAIN, evidence: Evidence::AuditLog, why }
    }

    /// A pattern protects it.
    pub(super) fn protected(found: &ProtectionMatch<'_>) -> Self {
        Self { reason: SkipReason::Protected.as_str(), evidence: Evidence::Rule, why: found.to_string() }
    }

    /// A pattern protects a datamart that reads this datasource, and with it the whole group.
    pub(super) fn kept(datasource: &DatasourceName) -> Self {
        let why = format!("a datamart that reads datasource `{datasource}` is protected");
        Self { reason: SkipReason::Protected.as_str(), evidence: Evidence::Rule, why }
    }

    /// It is on hold.
    pub(in crate::run) fn on_hold(why: String) -> Self {
        let reason = SkipReason::OnHold;
        Self { reason: reason.as_str(), evidence: reason.evidence(), why }
    }

    /// Its message is on its queue again, or another worker has it.
    pub(super) fn given_back() -> Self {
        let why = "not sent: the broker may have given the message to another worker".to_owned();
        Self { reason: GIVEN_BACK, evidence: Evidence::Queue, why }
    }

    /// Why nothing more of a group is sent that has this member: it is skipped, or it is the datasource and settled.
    pub(super) fn of_group_with(member: &GroupMember) -> Option<Self> {
        let SettledMember { outcome, detail, message } = member.settled.as_ref()?;
        let (kind, name) = (member.target.role.kind(), &member.target.name);
        if *outcome != Outcome::Skipped {
            let why = || format!("datasource `{name}` ended {outcome} before");
            return (kind == ResourceKind::Datasource).then(|| Self::dependants_changed(why()));
        }
        let why = format!("{kind} `{name}` is skipped: {}", message.as_deref().unwrap_or_default());
        let is = |word: &str| detail.as_deref() == Some(word);
        Some(if is(DEPENDANTS_CHANGED) {
            Self::dependants_changed(why)
        } else if is(SkipReason::Protected.as_str()) {
            Self { reason: SkipReason::Protected.as_str(), evidence: Evidence::Rule, why }
        } else if is(SkipReason::OnHold.as_str()) {
            Self::on_hold(why)
        } else {
            Self::dependants_remain(why)
        })
    }

    /// The same without the token, which a name of a listing may hold.
    pub(super) fn redacted(self, credentials: &Credentials) -> Self {
        Self { why: credentials.redact(self.why), ..self }
    }

    /// The word for it in the record of an attempt that was held back at the last moment.
    pub(in crate::run) fn code(&self) -> &'static str {
        if self.reason == GIVEN_BACK { MESSAGE_LOST } else { self.reason }
    }

    /// Returns true if a listing has to settle `target`, as an attempt may have deleted it. A message that went back is
    /// for another worker to settle.
    pub(super) fn needs_listing(&self, target: &Target) -> bool {
        self.reason != GIVEN_BACK && target.doubt().exists()
    }

    /// Settles a target that was never sent.
    pub(super) fn settlement(self, target: Seq, name: DatasourceName, at: Timestamp) -> Settlement {
        Settlement {
            target,
            name,
            at,
            outcome: Outcome::Skipped,
            evidence: self.evidence,
            answer: None,
            skip: Some((self.reason, self.why)),
        }
    }
}
