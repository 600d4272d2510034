//! What is wrong with the configuration.

use std::io;
use std::path::PathBuf;

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}, line {line}, column {column}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A key that is no setting.
    #[error("{place}: there is no setting `{key}`{}; `config/default.toml` documents all settings", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// Where it stands.
        place: String,
        /// The key.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be one.
    #[error("{place}: `{value}` cannot be `{key}`: {why}")]
    Invalid {
        /// Where it was set.
        place: String,
        /// The setting.
        key: &'static str,
        /// As it was given.
        value: String,
        /// What is wrong with it, with an example.
        why: String,
    },
    /// A value of the wrong kind.
    #[error("{place}: setting `{key}`: {why}")]
    WrongKind {
        /// Where it was set.
        place: String,
        /// The setting.
        key: String,
        /// What was found and what is expected.
        why: String,
    },
    /// A setting that the file has decided for good.
    #[error("{place}: the configuration file has decided `{key}` ({by}), and only there it can be changed")]
    Fixed {
        /// Where it was set once more.
        place: String,
        /// The setting.
        key: String,
        /// Where in the file.
        by: String,
    },
    /// A variable that is set twice, under its short and its long name.
    #[error("the environment sets both {first} and {second}, to different values; unset one")]
    SetTwice {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// A variable that is no text.
    #[error("the environment's {name} is not valid UTF-8")]
    NotText {
        /// Its name.
        name: String,
    },
    /// No token.
    #[error(
        "no service token; set DATABRAIN_TOKEN, or name a file that holds it with DATABRAIN_TOKEN_FILE or --token-file"
    )]
    NoToken,
    /// The token's file cannot be read.
    #[error("{}: cannot read the service token: {source}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was given cannot be a token.
    #[error("{place}: this is no service token: {source}; give the token alone, as it looks in `dbn_live_…`")]
    Token {
        /// Where it came from.
        place: String,
        /// What is wrong with it.
        source: crate::domain::TokenError,
    },
    /// The file that holds a webhook's address cannot be read.
    #[error("{}: cannot read the address of the webhook: {source}", path.display())]
    WebhookFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was given cannot be the address of a webhook. Does not show it.
    #[error("{place}: this cannot be the address of a webhook: {source}")]
    Webhook {
        /// Where it came from.
        place: String,
        /// What is wrong with it.
        source: crate::domain::WebhookError,
    },
    /// The address of the webhook is given twice.
    #[error("watch.notify_url and watch.notify_url_file are both set; unset one")]
    TwoWebhooks,
}
