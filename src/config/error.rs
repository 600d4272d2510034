//! Why the configuration is refused, and at which place it is wrong.

use std::io;
use std::path::PathBuf;

use crate::domain::{TokenError, WebhookError};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot read the configuration: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The file is not TOML.
    #[error("{}, line {line}, column {column}: {why}", path.display())]
    Syntax { path: PathBuf, line: usize, column: usize, why: String },
    #[error("{place}: there is no setting `{key}`{}; `decom config` prints all settings", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey { place: String, key: String, nearest: Option<String> },
    #[error("{place}: {key} must be {expected}, not {actual}")]
    Invalid { place: String, key: String, expected: String, actual: String },
    #[error("{place}: {key}: {why}")]
    Refused { place: String, key: String, why: String },
    #[error("{place}: `{key}` is locked by the configuration file ({by}); change it there")]
    Locked { place: String, key: String, by: String },
    #[error("the environment sets both {first} and {second}, to different values; unset one")]
    SetTwice { first: String, second: String },
    #[error("the environment's {name} is not valid UTF-8")]
    NotText { name: String },
    #[error(
        "no service token; set DATABRAIN_TOKEN, or name a file that holds it with DATABRAIN_TOKEN_FILE or --token-file"
    )]
    NoToken,
    #[error("{}: cannot read the service token: {source}", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    /// Does not show the token.
    #[error("{place}: this is not a service token: {source}; give the token alone, such as dbn_live_…")]
    Token { place: String, source: TokenError },
    #[error("{}: cannot read the address of the webhook: {source}", path.display())]
    WebhookFile { path: PathBuf, source: io::Error },
    /// Does not show the address.
    #[error("{place}: this is not the address of a webhook: {source}")]
    Webhook { place: String, source: WebhookError },
    #[error("watch.notify_url and watch.notify_url_file are both set; unset one")]
    TwoWebhooks,
    /// The value may hold a password, and is not shown.
    #[error(
        "{name} does not name a proxy that can be used; write it like http://HOST:PORT, or unset it; nothing was sent"
    )]
    Proxy { name: &'static str },
    #[error("{name}: `{entry}` would not be understood: {why}; nothing was sent")]
    NoProxy { name: &'static str, entry: String, why: &'static str },
}
