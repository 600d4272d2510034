//! The address of a webhook, which is secret: a client that has it can post there.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::is_loopback;

/// The address of a webhook. Wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct Webhook(SecretString);

impl Webhook {
    /// Parses the address of a webhook. Plain HTTP is accepted for this machine only, unless `allow_http` is set.
    ///
    /// # Errors
    /// If `text` is not a URL, or would be sent in clear text. The error never shows it.
    pub fn new(text: &str, allow_http: bool) -> Result<Self, WebhookError> {
        let url = Url::parse(text).map_err(|_| WebhookError::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => return Err(WebhookError::Plain),
            _ => return Err(WebhookError::NotAUrl),
        }
        Ok(Self(SecretString::from(url.as_str())))
    }

    /// Returns the address itself, for the request that goes there.
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

/// Why a text cannot be the address of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not a URL, or one whose scheme is not HTTP.
    #[error("this is not a URL; write it like https://hooks.example.com/…")]
    NotAUrl,
    #[error("plain HTTP would show it to the network; use https, or api.allow_http inside a trusted network")]
    Plain,
}
