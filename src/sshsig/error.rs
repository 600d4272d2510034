//! Why a signature is none, or cannot be made.

use std::io;
use std::path::PathBuf;

use super::Purpose;

/// Why a signature is none, or cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A file cannot be read.
    #[error("{}: cannot read it: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signature is none.
    #[error("{}: this is no SSH signature: {why}; make it with `ssh-keygen -Y sign -n {} -f KEY {}`", path.display(), purpose.namespace, purpose.thing.to_uppercase())]
    NoSignature {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What it should be for.
        purpose: Purpose,
    },
    /// The signature was made for something else.
    #[error("{}: the signature is for the namespace `{found}`, and {} needs `{}`", path.display(), purpose.makes, purpose.namespace)]
    Namespace {
        /// The file.
        path: PathBuf,
        /// What it was made for.
        found: String,
        /// What it should be for.
        purpose: Purpose,
    },
    /// The key is too short to vouch for anything.
    #[error("{}: the signature is by an RSA key of fewer than {} bits; sign with another key", path.display(), super::check::SHORTEST_RSA)]
    ShortKey {
        /// The file.
        path: PathBuf,
    },
    /// The signature is of something else.
    #[error("{}: the signature does not fit this {}: one of them was altered, or it is of another", path.display(), purpose.thing)]
    DoesNotFit {
        /// The file.
        path: PathBuf,
        /// What it should be for.
        purpose: Purpose,
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
    /// Nobody who may sign has this key.
    #[error("{}: no allowed signer has the key {fingerprint} (at the time, and for `{}`)", path.display(), purpose.namespace)]
    NotAllowed {
        /// The file of allowed signers.
        path: PathBuf,
        /// The key.
        fingerprint: String,
        /// What it should be for.
        purpose: Purpose,
    },
    /// The key is revoked.
    #[error("{}: the key {fingerprint} is revoked", path.display())]
    Revoked {
        /// The file of revoked keys.
        path: PathBuf,
        /// The key.
        fingerprint: String,
    },
    /// The file of revoked keys is of another form.
    #[error("{}: this is a key revocation list (KRL), which is not read here; give the revoked public keys themselves, one a line", path.display())]
    RevocationList {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("{}: this is no private key in OpenSSH's form: {why}; make one with `ssh-keygen -t ed25519 -N '' -f KEY`", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The private key is encrypted, and nobody is there to be asked.
    #[error("{}: this key is encrypted, and nobody is asked for its passphrase; use a key of its own (`ssh-keygen -t ed25519 -N '' -f KEY`), or sign by hand with `ssh-keygen -Y sign`", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The private key is of a kind that is not signed with here.
    #[error("{}: a key of the kind {algorithm} does not sign here; use one of the kind ed25519, or sign by hand with `ssh-keygen -Y sign`", path.display())]
    KindOfKey {
        /// The file.
        path: PathBuf,
        /// Its kind.
        algorithm: String,
    },
    /// Others can read the private key.
    #[error("{}: everybody can read this private key (mode {mode:o}), so that it proves nothing; `chmod 600` it", path.display())]
    OpenToAll {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl SignatureError {
    /// Whether a file was named that cannot be read here, rather than a signature that is none.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::RevocationList { .. })
    }
}
