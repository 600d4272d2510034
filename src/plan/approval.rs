//! The approval of a plan by a second person, with the keys that people already have.
//!
//! The approver signs the plan's file with `ssh-keygen -Y sign -n decom-plan`; who may approve is
//! in a file of allowed signers, as `ssh-keygen(1)` describes it under "ALLOWED SIGNERS".

use std::path::{Path, PathBuf};

use globset::Glob;
use ssh_key::{PublicKey, SshSig};

use crate::vocabulary::Timestamp;

/// What a signature must be made for, so that none made for another purpose approves a plan.
pub const NAMESPACE: &str = "decom-plan";

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
        source: std::io::Error,
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
    /// The signature is not of this plan.
    #[error("{}: the signature does not fit this plan: one of them was altered, or it approves another", path.display())]
    DoesNotFit {
        /// The file.
        path: PathBuf,
    },
    /// A line of allowed signers is none.
    #[error("{}, line {line}: this names no allowed signer: {why}", path.display())]
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
        matches!(self, Self::Unreadable { .. } | Self::Line { .. })
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
        key.verify(NAMESPACE, plan, &signature).map_err(|_| ApprovalError::DoesNotFit { path })?;
        let fingerprint = key.fingerprint(ssh_key::HashAlg::Sha256).to_string();

        if let Some(revoked) = self.revoked {
            let mut lines = Vec::new();
            for (line, text) in numbered(&read(revoked)?) {
                let refused = |why: String| ApprovalError::Line { path: revoked.to_owned(), line, why };
                lines.push(PublicKey::from_openssh(&text).map_err(|error| refused(error.to_string()))?);
            }
            if lines.iter().any(|one| one.key_data() == key.key_data()) {
                return Err(ApprovalError::Revoked { path: revoked.to_owned(), fingerprint });
            }
        }
        let mut principals = Vec::new();
        for (line, text) in numbered(&read(self.allowed_signers)?) {
            let refused = |why| ApprovalError::Line { path: self.allowed_signers.to_owned(), line, why };
            let signer = AllowedSigner::parse(&text).map_err(refused)?;
            if signer.key.key_data() == key.key_data() && signer.may_sign(self.now).map_err(refused)? {
                principals.extend(signer.principals);
            }
        }
        let Some(principal) = principals.first() else {
            return Err(ApprovalError::NotAllowed { path: self.allowed_signers.to_owned(), fingerprint });
        };
        for (role, person) in [("creator", self.creator), ("operator", self.operator)] {
            if let Some(same) = principals.iter().find(|principal| is_same(principal, person)) {
                return Err(ApprovalError::SamePerson { principal: same.clone(), role });
            }
        }
        Ok(Approval { principal: principal.clone(), fingerprint })
    }
}

/// Whether two names may mean one person: `alice` and `Alice@example.com` do. In doubt they do.
fn is_same(principal: &str, person: &str) -> bool {
    let local = |name: &str| name.split('@').next().unwrap_or_default().to_lowercase();
    let both_whole = principal.contains('@') && person.contains('@');
    if both_whole {
        principal.to_lowercase() == person.to_lowercase()
    } else {
        local(principal) == local(person)
    }
}

fn read(path: &Path) -> Result<String, ApprovalError> {
    std::fs::read_to_string(path)
        .map_err(|source| ApprovalError::Unreadable { path: path.to_owned(), source })
}

/// The lines that say something, with their numbers.
fn numbered(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}

/// One line of a file of allowed signers.
#[derive(Debug)]
struct AllowedSigner {
    principals: Vec<String>,
    namespaces: Option<Vec<String>>,
    valid_after: Option<String>,
    valid_before: Option<String>,
    key: PublicKey,
}

impl AllowedSigner {
    fn parse(line: &str) -> Result<Self, String> {
        let (principals, rest) = word(line).ok_or("there are no principals")?;
        let (options, key) = if let Ok(key) = PublicKey::from_openssh(rest) {
            ("", key)
        } else {
            let (options, key) = word(rest).ok_or("there is no key")?;
            (options, PublicKey::from_openssh(key).map_err(|error| error.to_string())?)
        };
        let mut signer = Self {
            principals: principals.trim_matches('"').split(',').map(str::to_owned).collect(),
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        };
        for option in split_options(options) {
            let (name, value) = option.split_once('=').unwrap_or((option.as_str(), ""));
            let value = value.trim_matches('"').to_owned();
            match name.to_ascii_lowercase().as_str() {
                "" => {}
                "namespaces" => signer.namespaces = Some(value.split(',').map(str::to_owned).collect()),
                "valid-after" => signer.valid_after = Some(value),
                "valid-before" => signer.valid_before = Some(value),
                "cert-authority" => {
                    return Err("certificate authorities are not supported; name the key itself".to_owned());
                }
                other => return Err(format!("the option `{other}` is not known")),
            }
        }
        Ok(signer)
    }

    fn may_sign(&self, now: Timestamp) -> Result<bool, String> {
        if let Some(namespaces) = &self.namespaces {
            let mut any = false;
            for pattern in namespaces {
                let glob = Glob::new(pattern).map_err(|error| error.to_string())?;
                any |= glob.compile_matcher().is_match(NAMESPACE);
            }
            if !any {
                return Ok(false);
            }
        }
        let begun = self.valid_after.as_deref().map(moment).transpose()?.is_none_or(|after| now >= after);
        let not_over =
            self.valid_before.as_deref().map(moment).transpose()?.is_none_or(|before| now < before);
        Ok(begun && not_over)
    }
}

/// The first word of `line`, in which quotes may hold spaces, and what follows it.
fn word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let mut quoted = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            !quoted && c.is_whitespace()
        })
        .map_or(line.len(), |(at, _)| at);
    let (word, rest) = line.split_at(end);
    (!word.is_empty()).then(|| (word, rest.trim_start()))
}

fn split_options(options: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in options.chars() {
        quoted ^= c == '"';
        match (c, parts.last_mut()) {
            (',', _) if !quoted => parts.push(String::new()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    parts
}

/// A point in time as ssh-keygen writes it: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in the
/// machine's time zone, or in UTC with a `Z` behind it.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no point in time; write it like 20261231Z or 202612312359Z");
    let (digits, utc) = text.strip_suffix('Z').map_or((text, false), |digits| (digits, true));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &padded).map_err(|_| wrong())?;
    let zone = if utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let zoned = civil.to_zoned(zone).map_err(|_| wrong())?;
    Ok(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}
