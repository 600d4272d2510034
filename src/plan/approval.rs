//! The approval of a plan by a second person, with the keys that people already have.
//!
//! The approver signs the plan's file with `ssh-keygen -Y sign -n decom-plan`; who may approve is
//! in a file of allowed signers, as `ssh-keygen(1)` describes it under "ALLOWED SIGNERS".

use std::io;
use std::path::{Path, PathBuf};

use ssh_key::{HashAlg, Mpint, PublicKey, SshSig};

use super::reading;
use super::signers::{AllowedSigner, is_pattern, public_key};
use crate::vocabulary::Timestamp;

/// What a signature must be made for, so that none made for another purpose approves a plan.
pub const NAMESPACE: &str = "decom-plan";

/// The fewest bits of an RSA key.
const SHORTEST_RSA: usize = 2048;

/// A signature, or a list of keys, that is longer than this is none, in bytes.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

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
    /// A file cannot be read.
    #[error("{}: cannot read it: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signature is none.
    #[error("{}: this is no SSH signature: {why}; make it with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY PLAN`", path.display())]
    NoSignature {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The signature was made for something else.
    #[error("{}: the signature is for the namespace `{found}`, and an approval needs `{NAMESPACE}`", path.display())]
    Namespace {
        /// The file.
        path: PathBuf,
        /// What it was made for.
        found: String,
    },
    /// The key is too short to vouch for anything.
    #[error("{}: the signature is by an RSA key of fewer than {SHORTEST_RSA} bits; sign with another key", path.display())]
    ShortKey {
        /// The file.
        path: PathBuf,
    },
    /// The signature is not of this plan.
    #[error("{}: the signature does not fit this plan: one of them was altered, or it approves another", path.display())]
    DoesNotFit {
        /// The file.
        path: PathBuf,
    },
    /// A line of allowed signers, or of revoked ones, is none.
    #[error("{}, line {line}: this line cannot be read, so that nobody can tell whom it names: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody who may approve has this key.
    #[error("{}: no allowed signer has the key {fingerprint} (now, and for `{NAMESPACE}`)", path.display())]
    NotAllowed {
        /// The file of allowed signers.
        path: PathBuf,
        /// The key.
        fingerprint: String,
    },
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
    /// The key is revoked.
    #[error("{}: the key {fingerprint} is revoked", path.display())]
    Revoked {
        /// The file of revoked keys.
        path: PathBuf,
        /// The key.
        fingerprint: String,
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
        matches!(self, Self::Unreadable { .. })
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
        let path = self.signature.to_owned();
        let pem = read(self.signature)?;
        let signature = SshSig::from_pem(pem.trim())
            .map_err(|error| ApprovalError::NoSignature { path: path.clone(), why: error.to_string() })?;
        if signature.namespace() != NAMESPACE {
            return Err(ApprovalError::Namespace { path, found: signature.namespace().to_owned() });
        }
        let key = PublicKey::from(signature.public_key().clone());
        if key.key_data().rsa().is_some_and(|key| bits(&key.n) < SHORTEST_RSA) {
            return Err(ApprovalError::ShortKey { path });
        }
        key.verify(NAMESPACE, plan, &signature).map_err(|_| ApprovalError::DoesNotFit { path })?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.check_revoked(&key, &fingerprint)?;
        let principals = self.principals(&key, &fingerprint)?;
        let Some(principal) = principals.first().cloned() else {
            return Err(ApprovalError::NotAllowed { path: self.allowed_signers.to_owned(), fingerprint });
        };
        for (role, person) in [("creator", self.creator), ("operator", self.operator)] {
            if let Some(same) = principals.iter().find(|principal| is_same(principal, person)) {
                return Err(ApprovalError::SamePerson { principal: same.clone(), role });
            }
        }
        Ok(Approval { principal, fingerprint })
    }

    fn check_revoked(&self, key: &PublicKey, fingerprint: &str) -> Result<(), ApprovalError> {
        let Some(path) = self.revoked else { return Ok(()) };
        let mut revoked = false;
        for (line, text) in numbered(&read(path)?) {
            let one =
                public_key(&text).map_err(|why| ApprovalError::Line { path: path.to_owned(), line, why })?;
            revoked |= one.key_data() == key.key_data();
        }
        if revoked {
            return Err(ApprovalError::Revoked {
                path: path.to_owned(),
                fingerprint: fingerprint.to_owned(),
            });
        }
        Ok(())
    }

    /// Everybody who has the key and may approve now.
    fn principals(&self, key: &PublicKey, fingerprint: &str) -> Result<Vec<String>, ApprovalError> {
        let path = self.allowed_signers;
        let mut principals = Vec::new();
        for (line, text) in numbered(&read(path)?) {
            let signer = AllowedSigner::parse(&text).map_err(|why| ApprovalError::Line {
                path: path.to_owned(),
                line,
                why,
            })?;
            if signer.allows(key.key_data(), self.now) {
                principals.extend(signer.principals);
            }
        }
        match principals.iter().find(|principal| is_pattern(principal)) {
            Some(pattern) => Err(ApprovalError::Nameless {
                path: path.to_owned(),
                fingerprint: fingerprint.to_owned(),
                pattern: pattern.clone(),
            }),
            None => Ok(principals),
        }
    }
}

/// How long a number is, in bits; none where it is negative.
fn bits(number: &Mpint) -> usize {
    number
        .as_positive_bytes()
        .map_or(0, |bytes| bytes.len() * 8 - bytes.first().map_or(0, |first| first.leading_zeros() as usize))
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

fn read(path: &Path) -> Result<String, ApprovalError> {
    let unreadable = |source| ApprovalError::Unreadable { path: path.to_owned(), source };
    let bytes = reading::whole(path, LONGEST_FILE).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::other("it is not text")))
}

/// The lines that say something, with their numbers.
fn numbered(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}
