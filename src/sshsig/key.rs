//! The private key that signs without anybody being asked.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use super::{SignatureError, reading};

/// A file that is longer than this holds no key, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// A private key in OpenSSH's form, without a passphrase.
pub struct SigningKey {
    path: PathBuf,
    key: PrivateKey,
}

impl fmt::Debug for SigningKey {
    /// The key itself is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the key at `path`.
    ///
    /// # Errors
    /// Where there is none, everybody can read it, or it cannot sign by itself.
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let unreadable = |source| SignatureError::Unreadable { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(SignatureError::OpenToAll { path: path.to_owned(), mode });
        }
        let pem = reading::whole(path, LONGEST_FILE).map_err(unreadable)?;
        let key = PrivateKey::from_openssh(pem)
            .map_err(|error| SignatureError::NoKey { path: path.to_owned(), why: error.to_string() })?;
        if key.is_encrypted() {
            return Err(SignatureError::Encrypted { path: path.to_owned() });
        }
        // The library takes some keys of the other kinds for damaged, and cannot sign with RSA.
        match key.algorithm() {
            Algorithm::Ed25519 => Ok(Self { path: path.to_owned(), key }),
            other => {
                Err(SignatureError::KindOfKey { path: path.to_owned(), algorithm: other.as_str().to_owned() })
            }
        }
    }

    /// The fingerprint of the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Signs `text` for `namespace`: what `ssh-keygen -Y sign` writes into a `.sig`.
    ///
    /// # Errors
    /// Where the key does not sign.
    pub fn sign(&self, namespace: &str, text: &[u8]) -> Result<String, SignatureError> {
        self.key
            .sign(namespace, HashAlg::Sha512, text)
            .and_then(|signed| signed.to_pem(LineEnding::LF))
            .map_err(|error| SignatureError::NoKey { path: self.path.clone(), why: error.to_string() })
    }
}
