//! Checks that a text was signed for a purpose by a signer who is allowed to.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, Mpint, PublicKey, SshSig};

use super::allowed::{AllowedSigner, owners, public_key};
use super::{SignatureError, armor};
use crate::domain::read_file;
use crate::domain::{Timestamp, hex};

/// The fewest bits of an RSA key.
pub(super) const SHORTEST_RSA: usize = 2048;

/// The longest file of a signature or of keys, in bytes.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// What is signed, so that no signature for another purpose counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// The signature's namespace.
    pub namespace: &'static str,
    /// What is signed, in a word.
    pub document: &'static str,
}

/// What a signature is checked with.
#[derive(Debug, Clone, Copy)]
pub struct SignatureCheck<'a> {
    pub purpose: Purpose,
    pub signature: &'a Path,
    pub allowed_signers: &'a Path,
    /// Public keys whose signatures do not count any more, one a line.
    pub revoked: Option<&'a Path>,
    /// The time at which the signer has to be allowed.
    pub at: Timestamp,
}

/// The signer of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The owners of the key who may sign, as the file of allowed signers names them; at least one.
    pub principals: Vec<String>,
    /// All names in that file that may belong to the owner of the key, whatever their lines allow and when.
    pub owners: Vec<String>,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// SHA-256 of the file of allowed signers, in hexadecimal.
    pub allowed_sha256: String,
}

impl SignatureCheck<'_> {
    /// Checks that an allowed signer signed `text`.
    pub fn check(&self, text: &[u8]) -> Result<Signer, SignatureError> {
        let (path, purpose) = (self.signature.to_owned(), self.purpose);
        let armored = read_text(self.signature)?;
        let signature = armor::rewrapped(&armored, "SSH SIGNATURE")
            .ok_or_else(|| "there is no `-----BEGIN SSH SIGNATURE-----`".to_owned())
            .and_then(|pem| SshSig::from_pem(pem).map_err(|error| error.to_string()))
            .map_err(|why| SignatureError::Malformed { path: path.clone(), why, purpose })?;
        if signature.namespace() != purpose.namespace {
            let found = signature.namespace().to_owned();
            return Err(SignatureError::Namespace { path, found, purpose });
        }
        let key = PublicKey::from(signature.public_key().clone());
        if is_too_short(key.key_data()) {
            return Err(SignatureError::ShortKey { path });
        }
        key.verify(purpose.namespace, text, &signature)
            .map_err(|_| SignatureError::Mismatch { path, purpose })?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.check_revoked(&key, &fingerprint)?;
        let path = self.allowed_signers;
        let allowed = read_text(path)?;
        let signers = parse_lines(path, &allowed, AllowedSigner::parse)?;
        let allowing = signers.iter().filter(|it| it.allows(key.key_data(), purpose.namespace, self.at));
        let principals: Vec<_> = allowing.flat_map(|signer| signer.principals.iter().cloned()).collect();
        if principals.is_empty() {
            return Err(SignatureError::NotAllowed { path: path.to_owned(), fingerprint, purpose });
        }
        let owners = owners(&signers, key.key_data());
        Ok(Signer { principals, owners, fingerprint, allowed_sha256: hex(Sha256::digest(allowed)) })
    }

    fn check_revoked(&self, key: &PublicKey, fingerprint: &str) -> Result<(), SignatureError> {
        let Some(path) = self.revoked else { return Ok(()) };
        let bytes = read(path)?;
        if bytes.starts_with(b"SSHKRL\n") {
            return Err(SignatureError::RevocationList { path: path.to_owned() });
        }
        let revoked = parse_lines(path, &text_of(path, bytes)?, public_key)?;
        if revoked.iter().any(|it| it.key_data() == key.key_data()) {
            let (path, fingerprint) = (path.to_owned(), fingerprint.to_owned());
            return Err(SignatureError::Revoked { path, fingerprint });
        }
        Ok(())
    }
}

/// Returns true if the key is an RSA key that is too short to prove anything.
pub(super) fn is_too_short(key: &KeyData) -> bool {
    // A negative modulus counts as no bits.
    let bits = |number: &Mpint| {
        let bytes = number.as_positive_bytes().unwrap_or_default();
        bytes.len() * 8 - bytes.first().map_or(0, |first| first.leading_zeros() as usize)
    };
    key.rsa().is_some_and(|key| bits(&key.n) < SHORTEST_RSA)
}

/// Each line that is neither empty nor a comment.
fn parse_lines<T>(
    path: &Path,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, SignatureError> {
    // Editors on Windows begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim_ascii).zip(1..);
    lines
        .filter(|(text, _)| !text.is_empty() && !text.starts_with('#'))
        .map(|(text, line)| {
            parse(text).map_err(|why| SignatureError::Line { path: path.to_owned(), line, why })
        })
        .collect()
}

fn read_text(path: &Path) -> Result<String, SignatureError> {
    text_of(path, read(path)?)
}

fn read(path: &Path) -> Result<Vec<u8>, SignatureError> {
    read_file(path, LONGEST_FILE)
        .map_err(|source| SignatureError::Unreadable { path: path.to_owned(), source })
}

fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, SignatureError> {
    String::from_utf8(bytes).map_err(|_| SignatureError::Unreadable {
        path: path.to_owned(),
        source: io::Error::other("it is not UTF-8 text"),
    })
}
