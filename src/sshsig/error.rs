//! Why a signature does not count, or cannot be made.

use std::io;
use std::path::PathBuf;

use super::Purpose;
use super::check::SHORTEST_RSA;

#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("{}: cannot read it: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: this is not an SSH signature: {why}; make one with `ssh-keygen -Y sign -n {} -f KEY {}`", path.display(), purpose.namespace, purpose.document.to_uppercase())]
    Malformed { path: PathBuf, why: String, purpose: Purpose },
    #[error("{}: the signature is for the namespace `{found}`; sign the {} for `{}`", path.display(), purpose.document, purpose.namespace)]
    Namespace { path: PathBuf, found: String, purpose: Purpose },
    #[error("{}: an RSA key of fewer than {SHORTEST_RSA} bits proves nothing; sign with another key", path.display())]
    ShortKey { path: PathBuf },
    #[error("{}: the signature does not fit this {document}: the {document} or the signature was altered, or the signature is of another {document}", path.display(), document = purpose.document)]
    Mismatch { path: PathBuf, purpose: Purpose },
    /// A line of allowed signers, or of revoked keys.
    #[error("{}, line {line}: cannot read this line, so the owner of its key is unknown: {why}", path.display())]
    Line { path: PathBuf, line: usize, why: String },
    #[error("{}: no allowed signer has the key {fingerprint} (at that time, and for `{}`)", path.display(), purpose.namespace)]
    NotAllowed { path: PathBuf, fingerprint: String, purpose: Purpose },
    #[error("{}: the key {fingerprint} is revoked", path.display())]
    Revoked { path: PathBuf, fingerprint: String },
    #[error("{}: this is a key revocation list (KRL), which decom does not read; list the revoked public keys themselves, one a line", path.display())]
    RevocationList { path: PathBuf },
    #[error("{}: this is not a private key in OpenSSH's format: {why}; convert it with `ssh-keygen -p -f KEY`, or make one with `ssh-keygen -t ed25519 -N '' -f KEY`", path.display())]
    MalformedKey { path: PathBuf, why: String },
    #[error("{}: this key is encrypted, and decom never asks for a passphrase; use a separate key (`ssh-keygen -t ed25519 -N '' -f KEY`), or sign by hand with `ssh-keygen -Y sign`", path.display())]
    Encrypted { path: PathBuf },
    #[error("{}: decom cannot sign with this key of the type {algorithm}: {why}; use another key (`ssh-keygen -t ed25519 -N '' -f KEY`), or sign by hand with `ssh-keygen -Y sign`", path.display())]
    CannotSign { path: PathBuf, algorithm: String, why: String },
    #[error("{}: every user of this machine can read this private key (mode {mode:o}), so its signatures prove nothing; make a new key, and `chmod 600` it", path.display())]
    ReadableByAll { path: PathBuf, mode: u32 },
}

impl SignatureError {
    /// Returns true if a file cannot be read at all, rather than holding a signature that does not count.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::RevocationList { .. })
    }
}
