//! The approval of a plan by a second person, with the keys that people already have.
//!
//! The approver signs the plan's file with `ssh-keygen -Y sign -n decom-plan`; who may approve is in a file of
//! allowed signers.

use std::path::{Path, PathBuf};

use crate::domain::Timestamp;
use crate::sshsig::{Purpose, SignatureCheck, SignatureError, Signer, is_pattern, is_same_person};

/// What an approval signs, so that a signature for another purpose approves no plan.
pub const PURPOSE: Purpose = Purpose { namespace: "decom-plan", document: "plan" };

/// An approval of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The approver, as the file of allowed signers names them.
    pub principal: String,
    /// The fingerprint of the approver's key.
    pub fingerprint: String,
    /// All names that may belong to the owner of that key.
    pub owners: Vec<String>,
    /// SHA-256 of the file of allowed signers, in hexadecimal.
    pub allowed_sha256: String,
}

/// Why an approval does not count.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("{}: the key {fingerprint} belongs to the pattern `{pattern}`, which does not say who approved; name the person", path.display())]
    Pattern { path: PathBuf, fingerprint: String, pattern: String },
    #[error("the plan was approved by {principal}, who is also its {role}; another person must approve it")]
    SamePerson { principal: String, role: &'static str },
}

impl ApprovalError {
    /// Returns true if a file cannot be read, rather than holding an approval that does not count.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Signature(error) if error.is_usage())
    }
}

/// What an approval is checked with.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalCheck<'a> {
    pub signature: &'a Path,
    pub allowed_signers: &'a Path,
    /// Public keys whose approvals do not count any more, one a line.
    pub revoked: Option<&'a Path>,
    /// The roles of those who made the plan and who run it, with their names and logins.
    pub people: &'a [(&'static str, &'a str)],
    pub now: Timestamp,
}

impl ApprovalCheck<'_> {
    /// Checks that another person approved the plan whose file holds `plan`.
    pub fn check(&self, plan: &[u8]) -> Result<Approval, ApprovalError> {
        let Self { signature, allowed_signers, revoked, now: at, .. } = *self;
        let check = SignatureCheck { purpose: PURPOSE, signature, allowed_signers, revoked, at };
        let Signer { principals, owners, fingerprint, allowed_sha256 } = check.check(plan)?;
        if let Some(pattern) = owners.iter().find(|owner| is_pattern(owner)) {
            let (path, pattern) = (allowed_signers.to_owned(), pattern.clone());
            return Err(ApprovalError::Pattern { path, fingerprint, pattern });
        }
        check_second_person(&owners, self.people)?;
        // There is at least one.
        let principal = principals.into_iter().next().unwrap_or_default();
        Ok(Approval { principal, fingerprint, owners, allowed_sha256 })
    }
}

/// Checks that none of `approvers` is one of `people`, which are as in [`ApprovalCheck::people`].
pub fn check_second_person(
    approvers: &[String],
    people: &[(&'static str, &str)],
) -> Result<(), ApprovalError> {
    for (role, person) in people {
        if let Some(same) = approvers.iter().find(|approver| is_same_person(approver, person)) {
            return Err(ApprovalError::SamePerson { principal: same.clone(), role });
        }
    }
    Ok(())
}
