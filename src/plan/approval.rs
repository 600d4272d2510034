//! The approval of a plan by a second person, with the keys that people already have.
//!
//! The approver signs the plan's file with `ssh-keygen -Y sign -n decom-plan`; who may approve is
//! in a file of allowed signers.

use std::path::{Path, PathBuf};

use crate::signature::{Purpose, SignatureCheck, SignatureError, Signed, is_pattern};
use crate::vocabulary::Timestamp;

/// What a signature must be made for, so that none made for another purpose approves a plan.
pub const PURPOSE: Purpose = Purpose { namespace: "decom-plan", thing: "plan", makes: "an approval" };

/// Who approved a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The approver, as the file of allowed signers names them.
    pub principal: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
}

/// Why an approval is none.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The signature is none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The key belongs to a pattern of names, which does not tell who approved.
    #[error("{}: the key {fingerprint} is there for the pattern `{pattern}`, which does not tell who approved; name the person", path.display())]
    Nameless {
        /// The file of allowed signers.
        path: PathBuf,
        /// The key.
        fingerprint: String,
        /// The pattern.
        pattern: String,
    },
    /// The approver is the one who made the plan, or runs it.
    #[error("the plan was approved by {principal}, who is also its {role}; a second person has to")]
    SamePerson {
        /// The approver.
        principal: String,
        /// `creator` or `operator`.
        role: &'static str,
    },
}

impl ApprovalError {
    /// Whether a file was named that cannot be read, rather than an approval that is none.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Signature(error) if error.is_usage())
    }
}

/// What an approval is checked with.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalCheck<'a> {
    /// The signature.
    pub signature: &'a Path,
    /// Who may approve.
    pub allowed_signers: &'a Path,
    /// Public keys that approve nothing any more, one a line.
    pub revoked: Option<&'a Path>,
    /// Who made the plan.
    pub creator: &'a str,
    /// Who runs it.
    pub operator: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl ApprovalCheck<'_> {
    /// Checks that somebody else approved the plan whose file holds `plan`.
    ///
    /// # Errors
    /// Where nobody did.
    pub fn check(&self, plan: &[u8]) -> Result<Approval, ApprovalError> {
        let Self { signature, allowed_signers, revoked, now: at, .. } = *self;
        let check = SignatureCheck { purpose: PURPOSE, signature, allowed_signers, revoked, at };
        let Signed { principals, fingerprint } = check.check(plan)?;
        if let Some(pattern) = principals.iter().find(|principal| is_pattern(principal)) {
            let (path, pattern) = (allowed_signers.to_owned(), pattern.clone());
            return Err(ApprovalError::Nameless { path, fingerprint, pattern });
        }
        for (role, person) in [("creator", self.creator), ("operator", self.operator)] {
            if let Some(same) = principals.iter().find(|principal| is_same(principal, person)) {
                return Err(ApprovalError::SamePerson { principal: same.clone(), role });
            }
        }
        // At least one has signed.
        let principal = principals.into_iter().next().unwrap_or_default();
        Ok(Approval { principal, fingerprint })
    }
}

/// Whether two names may mean one person: `alice` and `Alice@example.com` do. In doubt they do.
#[must_use]
pub fn is_same(principal: &str, person: &str) -> bool {
    let local = |name: &str| name.split('@').next().unwrap_or_default().trim().to_lowercase();
    let both_whole = principal.contains('@') && person.contains('@');
    if both_whole {
        principal.trim().to_lowercase() == person.trim().to_lowercase()
    } else {
        local(principal) == local(person)
    }
}
