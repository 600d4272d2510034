//! The private key that signs without asking for a passphrase.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs1v15;
use rsa::signature::{SignatureEncoding, Signer};
use secrecy::zeroize::Zeroizing;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig, sha2};

use super::check::is_too_short;
use super::{SignatureError, armor};
use crate::domain::read_file;

/// The longest file of a private key, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// What a private key in OpenSSH's format begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A private key in OpenSSH's format, without a passphrase.
pub struct SigningKey {
    path: PathBuf,
    key: PrivateKey,
}

impl fmt::Debug for SigningKey {
    /// Without the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the key at `path`, and signs with it once, so that a key that cannot sign is refused at the start.
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let unreadable = |source| SignatureError::Unreadable { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(SignatureError::ReadableByAll { path: path.to_owned(), mode });
        }
        let malformed = |why: String| SignatureError::MalformedKey { path: path.to_owned(), why };
        let file = Zeroizing::new(read_file(path, LONGEST_FILE).map_err(unreadable)?);
        let text = str::from_utf8(&file).map_err(|_| malformed("it is not text".to_owned()))?;
        let base64 = armor::base64_of(text, "OPENSSH PRIVATE KEY")
            .map(Zeroizing::new)
            .ok_or_else(|| malformed("there is no `-----BEGIN OPENSSH PRIVATE KEY-----`".to_owned()))?;
        let bytes = BASE64_STANDARD.decode(&*base64).map_err(|error| malformed(error.to_string()))?;
        let bytes = Zeroizing::new(with_leading_zeros(&bytes).unwrap_or(bytes));
        let key = PrivateKey::from_bytes(&bytes).map_err(|error| malformed(error.to_string()))?;
        if key.is_encrypted() {
            return Err(SignatureError::Encrypted { path: path.to_owned() });
        }
        if is_too_short(key.public_key().key_data()) {
            return Err(SignatureError::ShortKey { path: path.to_owned() });
        }
        let key = Self { path: path.to_owned(), key };
        key.sign("decom-test", b"")?;
        Ok(key)
    }

    /// The fingerprint of the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Signs `text` for `namespace`: what `ssh-keygen -Y sign` writes into a `.sig`.
    pub fn sign(&self, namespace: &str, text: &[u8]) -> Result<String, SignatureError> {
        let signed = match self.key.key_data() {
            KeypairData::Rsa(key) => sign_with_rsa(key, namespace, text),
            _ => self.key.sign(namespace, HashAlg::Sha512, text),
        };
        signed.and_then(|signed| signed.to_pem(LineEnding::LF)).map_err(|error| SignatureError::CannotSign {
            path: self.path.clone(),
            algorithm: self.key.algorithm().to_string(),
            why: error.to_string(),
        })
    }
}

/// Signs with RSA, for which the library takes one of the key's primes twice.
fn sign_with_rsa(key: &RsaKeypair, namespace: &str, text: &[u8]) -> ssh_key::Result<SshSig> {
    let (public, private) = (&key.public, &key.private);
    let primes = vec![(&private.p).try_into()?, (&private.q).try_into()?];
    let secret = rsa::RsaPrivateKey::from_components(
        (&public.n).try_into()?,
        (&public.e).try_into()?,
        (&private.d).try_into()?,
        primes,
    )?;
    let hash = HashAlg::Sha512;
    let signature = pkcs1v15::SigningKey::<sha2::Sha512>::new(secret)
        .try_sign(&SshSig::signed_data(namespace, hash, text)?)?;
    let signature = Signature::new(Algorithm::Rsa { hash: Some(hash) }, signature.to_vec())?;
    SshSig::new(public.clone().into(), namespace, hash, signature)
}

/// The private key with the leading zeros of the secret number of an ECDSA key, which OpenSSH leaves out and the
/// library requires. `None` if there are none to add.
fn with_leading_zeros(key: &[u8]) -> Option<Vec<u8>> {
    // Cipher, its key derivation and the options of that, the number of keys, the public key.
    let mut rest = key.strip_prefix(MAGIC)?;
    for _ in 0..3 {
        string(&mut rest)?;
    }
    rest = rest.get(4..)?;
    string(&mut rest)?;
    let before = key.get(..key.len() - rest.len())?;
    // Two check numbers, kind, curve, public point, secret number, comment.
    let secret = string(&mut rest)?;
    let mut rest = secret.get(8..)?;
    let size: u32 = match string(&mut rest)? {
        b"ecdsa-sha2-nistp256" => 32,
        b"ecdsa-sha2-nistp384" => 48,
        b"ecdsa-sha2-nistp521" => 66,
        _ => return None,
    };
    string(&mut rest)?;
    string(&mut rest)?;
    let mut padded = secret.get(..secret.len() - rest.len())?.to_vec();
    let number = string(&mut rest)?;
    let comment = string(&mut rest)?;
    let zeros = (size as usize).checked_sub(number.len()).filter(|zeros| *zeros > 0)?;
    padded.extend(size.to_be_bytes());
    padded.extend(std::iter::repeat_n(0, zeros));
    padded.extend(number);
    padded.extend(u32::try_from(comment.len()).ok()?.to_be_bytes());
    padded.extend(comment);
    padded.extend((1..).take((8 - padded.len() % 8) % 8));
    let length = u32::try_from(padded.len()).ok()?.to_be_bytes();
    Some([before, &length, &padded].concat())
}

/// Takes a string off the front of `bytes`: its length in four bytes, and its content.
fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(string)
}
