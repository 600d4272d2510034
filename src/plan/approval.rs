//! The approval of a plan by a second person, with the keys that people already have.
//!
//! The approver signs the plan's file with `ssh-keygen -Y sign -n decom-plan`; who may approve is
//! in a file of allowed signers.

use std::path::{Path, PathBuf};

use crate::domain::Timestamp;
use crate::sshsig::{Purpose, SignatureCheck, SignatureError, Signed, is_pattern};

/// What a signature must be made for, so that none made for another purpose approves a plan.
pub const PURPOSE: Purpose = Purpose { namespace: "decom-plan", thing: "plan", makes: "an approval" };

/// Who approved a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The approver, as the file of allowed signers names them.
    pub principal: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// Everybody who has that key.
    pub owners: Vec<String>,
    /// SHA-256 of the file of allowed signers, in hexadecimal.
    pub allowed_sha256: String,
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
        /// What the approver is to the plan besides, as in [`ApprovalCheck::people`].
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
    /// Who made the plan and who runs it, each by name and by login, behind what they are to it.
    pub people: &'a [(&'static str, &'a str)],
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
        let Signed { principals, owners, fingerprint, allowed_sha256 } = check.check(plan)?;
        if let Some(pattern) = principals.iter().find(|principal| is_pattern(principal)) {
            let (path, pattern) = (allowed_signers.to_owned(), pattern.clone());
            return Err(ApprovalError::Nameless { path, fingerprint, pattern });
        }
        check_second_person(&owners, self.people)?;
        // At least one has signed.
        let principal = principals.into_iter().next().unwrap_or_default();
        Ok(Approval { principal, fingerprint, owners, allowed_sha256 })
    }
}

/// That none of `approvers` is one of `people`, as they stand in [`ApprovalCheck::people`].
///
/// # Errors
/// Where one is.
pub fn check_second_person(
    approvers: &[String],
    people: &[(&'static str, &str)],
) -> Result<(), ApprovalError> {
    for (role, person) in people {
        if let Some(same) = approvers.iter().find(|approver| is_same(approver, person)) {
            return Err(ApprovalError::SamePerson { principal: same.clone(), role });
        }
    }
    Ok(())
}

/// Whether two names may mean one person: `alice`, `Alice@example.com` and `alice+work@example.com`
/// do. In doubt they do.
fn is_same(one: &str, other: &str) -> bool {
    let ((one, at), (other, or_at)) = (parts(one), parts(other));
    one == other && (at.is_none() || or_at.is_none() || at == or_at)
}

/// The user of a name without what they put behind a `+`, and the domain.
fn parts(name: &str) -> (String, Option<String>) {
    let name = name.trim().to_lowercase();
    let (user, domain) = name.split_once('@').map_or((name.as_str(), None), |(user, at)| (user, Some(at)));
    (user.split('+').next().unwrap_or_default().trim().to_owned(), domain.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_one_person() {
        for (one, other, same) in [
            ("bob", "bob", true),
            ("bob", "Bob@example.com", true),
            ("bob+x@c.com", "bob", true),
            ("bob+x@c.com", "bob@C.com", true),
            ("bob+x@c.com", "bob+y@c.com", true),
            ("bob@a.com", "bob@b.com", false),
            ("bob", "bobby", false),
            ("alice", "bob", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one} {other}");
            assert_eq!(is_same(other, one), same, "{other} {one}");
        }
    }
}
