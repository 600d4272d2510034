//! The address of a webhook: who has it can write where it leads, so that it must not be seen.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::is_loopback;

/// The address of a webhook. Wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct Webhook(SecretString);

impl Webhook {
    /// Takes `text` as the address of a webhook. Plain HTTP goes to this machine only, unless
    /// `allow_http`.
    ///
    /// # Errors
    /// Where it is none, or would travel in the clear. The error never shows it.
    pub fn new(text: &str, allow_http: bool) -> Result<Self, WebhookError> {
        let url = Url::parse(text).map_err(|_| WebhookError::NoUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => return Err(WebhookError::Plain),
            _ => return Err(WebhookError::NoUrl),
        }
        Ok(Self(SecretString::from(url.as_str())))
    }

    /// The address itself, for the one request that goes there.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Webhook {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Webhook {}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook([redacted])")
    }
}

/// Why a text cannot be the address of a webhook. Never shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No URL, or of a scheme that is not HTTP.
    #[error("this is no URL; write it like https://hooks.example.com/…")]
    NoUrl,
    /// It would travel in the clear.
    #[error("plain HTTP would show it to the network; use https, or api.allow_http inside a trusted network")]
    Plain,
}
