//! The service token: an organisation-wide key that must never be seen anywhere.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::hex;
use super::redaction::Redactor;

/// A service token. Wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct Token {
    text: SecretString,
    redactor: Arc<Redactor>,
}

impl Token {
    /// Takes `text` as a token.
    ///
    /// # Errors
    /// If it is empty or holds anything but visible ASCII characters. The error never shows it.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if let Some(position) = text.chars().position(|c| !c.is_ascii_graphic()) {
            let line_break = text.chars().nth(position).is_some_and(|c| c == '\n' || c == '\r');
            return Err(TokenError::Character {
                position: position + 1,
                what: if line_break {
                    "a line break"
                } else {
                    "a space or another character that no token has"
                },
            });
        }
        Ok(Self { text: SecretString::from(text), redactor: Arc::new(Redactor::new(text)) })
    }

    /// Returns true if the token is a part of `text`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        text.contains(self.expose())
    }

    /// The token itself, for the one header that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// A keyed fingerprint: the first 16 hexadecimal digits of HMAC-SHA256 with `key`. It
    /// shows if two runs used the same token, and nothing about the token.
    #[must_use]
    pub fn fingerprint(&self, key: &str) -> String {
        let mut fingerprint = mac(key, self.expose());
        fingerprint.truncate(16);
        fingerprint
    }

    /// HMAC-SHA256 of the digest of a plan, keyed with the token, in hexadecimal: it takes the token
    /// to make it, and it shows nothing about the token.
    #[must_use]
    pub fn seal(&self, digest: &str) -> String {
        // For plans only, so that nothing else that is ever keyed with the token can stand for one.
        mac(self.expose(), &format!("decom plan {digest}"))
    }

    /// `text` without the token, which a server may echo: every run of eight or more of its characters is replaced,
    /// plain, percent-encoded, as base64, and split by white space.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        self.redactor.redact(text)
    }
}

/// HMAC-SHA256, in hexadecimal.
fn mac(key: &str, text: &str) -> String {
    // HMAC takes a key of any length; the error is there for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    hex(mac.finalize().into_bytes())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Why a text cannot be a token. Never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is empty")]
    Empty,
    #[error("character {position} is {what}")]
    Character {
        /// From 1.
        position: usize,
        what: &'static str,
    },
}
