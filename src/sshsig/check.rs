//! Checks that a text was signed, for a purpose, by somebody who may.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use ssh_key::{HashAlg, Mpint, PublicKey, SshSig};

use super::allowed::{AllowedSigner, public_key};
use super::{SignatureError, reading};
use crate::domain::Timestamp;

/// The fewest bits of an RSA key.
pub(super) const SHORTEST_RSA: usize = 2048;

/// A signature, or a list of keys, that is longer than this is none, in bytes.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// What is signed, so that no signature that was made for another purpose counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// The signature's namespace.
    pub namespace: &'static str,
    /// What is signed, in a word.
    pub thing: &'static str,
    /// What the signature makes of it.
    pub makes: &'static str,
}

/// What a signature is checked with.
#[derive(Debug, Clone, Copy)]
pub struct SignatureCheck<'a> {
    /// What it has to be for.
    pub purpose: Purpose,
    /// The signature.
    pub signature: &'a Path,
    /// Who may sign.
    pub allowed_signers: &'a Path,
    /// Public keys that sign nothing any more, one a line.
    pub revoked: Option<&'a Path>,
    /// When it has to have been allowed.
    pub at: Timestamp,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Everybody who has the key and may sign, as the file of allowed signers names them; at least
    /// one.
    pub principals: Vec<String>,
    /// Everybody whose line has the key, whatever that line allows and when: who they are does not
    /// depend on it.
    pub owners: Vec<String>,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// SHA-256 of the file of allowed signers, in hexadecimal.
    pub allowed_sha256: String,
}

impl SignatureCheck<'_> {
    /// Checks that somebody who may has signed `text`.
    ///
    /// # Errors
    /// Where nobody did.
    pub fn check(&self, text: &[u8]) -> Result<Signed, SignatureError> {
        let (path, purpose) = (self.signature.to_owned(), self.purpose);
        let pem = read(self.signature)?;
        let signature = SshSig::from_pem(pem.trim()).map_err(|error| SignatureError::NoSignature {
            path: path.clone(),
            why: error.to_string(),
            purpose,
        })?;
        if signature.namespace() != purpose.namespace {
            let found = signature.namespace().to_owned();
            return Err(SignatureError::Namespace { path, found, purpose });
        }
        let key = PublicKey::from(signature.public_key().clone());
        if key.key_data().rsa().is_some_and(|key| bits(&key.n) < SHORTEST_RSA) {
            return Err(SignatureError::ShortKey { path });
        }
        key.verify(purpose.namespace, text, &signature)
            .map_err(|_| SignatureError::DoesNotFit { path, purpose })?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.check_revoked(&key, &fingerprint)?;
        let allowed = read(self.allowed_signers)?;
        let (principals, owners) = self.principals(&allowed, &key)?;
        if principals.is_empty() {
            let path = self.allowed_signers.to_owned();
            return Err(SignatureError::NotAllowed { path, fingerprint, purpose });
        }
        Ok(Signed { principals, owners, fingerprint, allowed_sha256: sha256(allowed.as_bytes()) })
    }

    fn check_revoked(&self, key: &PublicKey, fingerprint: &str) -> Result<(), SignatureError> {
        let Some(path) = self.revoked else { return Ok(()) };
        let whole = read_bytes(path)?;
        if whole.starts_with(b"SSHKRL\n") {
            return Err(SignatureError::RevocationList { path: path.to_owned() });
        }
        let mut revoked = false;
        for (line, text) in numbered(&text_of(path, whole)?) {
            let one =
                public_key(&text).map_err(|why| SignatureError::Line { path: path.to_owned(), line, why })?;
            revoked |= one.key_data() == key.key_data();
        }
        if revoked {
            let (path, fingerprint) = (path.to_owned(), fingerprint.to_owned());
            return Err(SignatureError::Revoked { path, fingerprint });
        }
        Ok(())
    }

    /// Everybody who has the key and may sign at that time, and everybody who has it.
    fn principals(
        &self,
        allowed: &str,
        key: &PublicKey,
    ) -> Result<(Vec<String>, Vec<String>), SignatureError> {
        let path = self.allowed_signers;
        let (mut principals, mut owners) = (Vec::new(), Vec::new());
        for (line, text) in numbered(allowed) {
            let signer = AllowedSigner::parse(&text).map_err(|why| SignatureError::Line {
                path: path.to_owned(),
                line,
                why,
            })?;
            if signer.allows(key.key_data(), self.purpose.namespace, self.at) {
                principals.extend(signer.principals.iter().cloned());
            }
            if signer.has(key.key_data()) {
                owners.extend(signer.principals);
            }
        }
        Ok((principals, owners))
    }
}

/// How long a number is, in bits; none where it is negative.
fn bits(number: &Mpint) -> usize {
    number
        .as_positive_bytes()
        .map_or(0, |bytes| bytes.len() * 8 - bytes.first().map_or(0, |first| first.leading_zeros() as usize))
}

fn read(path: &Path) -> Result<String, SignatureError> {
    text_of(path, read_bytes(path)?)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, SignatureError> {
    reading::whole(path, LONGEST_FILE)
        .map_err(|source| SignatureError::Unreadable { path: path.to_owned(), source })
}

fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, SignatureError> {
    String::from_utf8(bytes).map_err(|_| SignatureError::Unreadable {
        path: path.to_owned(),
        source: io::Error::other("it is not text"),
    })
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The lines that say something, with their numbers.
fn numbered(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}
