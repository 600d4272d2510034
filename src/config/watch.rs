//! Who is told of a run while it goes on and when it is over.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::ConfigError;
use super::places::Places;
use crate::domain::Webhook;

/// An address is far shorter; a file that is longer holds none.
const LONGEST_FILE: u64 = 64 * 1024;

/// Who is told of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// Where metrics are served.
    pub metrics_addr: Option<SocketAddr>,
    /// The file that metrics are written to.
    pub metrics_file: Option<PathBuf>,
    /// The push gateway.
    pub push_gateway: Option<Url>,
    /// The webhook, where its address is a setting.
    pub notify_url: Option<Webhook>,
    /// The file that holds the webhook's address.
    pub notify_url_file: Option<PathBuf>,
    /// What the webhook takes.
    pub notify_form: NoticeForm,
}

/// What a webhook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeForm {
    /// An object of our own.
    Json,
    /// A message as Slack takes it.
    Slack,
}

/// The settings as they are written.
#[derive(Deserialize)]
pub(super) struct WrittenWatch {
    metrics_addr: String,
    metrics_file: String,
    push_gateway: String,
    notify_url: String,
    notify_url_file: String,
    notify_form: String,
}

impl WrittenWatch {
    pub(super) fn checked(self, places: &Places<'_>, allow_http: bool) -> Result<WatchSettings, ConfigError> {
        let metrics_addr = (!self.metrics_addr.is_empty()).then(|| {
            self.metrics_addr.parse().map_err(|_| {
                let why =
                    "an IP address and a port are needed, like 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464";
                places.invalid("watch.metrics_addr", self.metrics_addr.escape_debug(), why)
            })
        });
        let webhook = (!self.notify_url.is_empty()).then(|| {
            Webhook::new(&self.notify_url, allow_http).map_err(|source| ConfigError::Webhook {
                place: format!("{}: watch.notify_url", places.of("watch.notify_url")),
                source,
            })
        });
        if webhook.is_some() && !self.notify_url_file.is_empty() {
            return Err(ConfigError::TwoWebhooks);
        }
        Ok(WatchSettings {
            metrics_addr: metrics_addr.transpose()?,
            metrics_file: places.path(&self.metrics_file),
            push_gateway: push_gateway(places, &self.push_gateway)?,
            notify_url: webhook.transpose()?,
            notify_url_file: places.path(&self.notify_url_file),
            notify_form: match self.notify_form.as_str() {
                "json" => NoticeForm::Json,
                "slack" => NoticeForm::Slack,
                other => {
                    let other = other.escape_debug();
                    return Err(places.invalid("watch.notify_form", other, "it is `json` or `slack`"));
                }
            },
        })
    }
}

/// A push gateway speaks plain HTTP as it comes, and what it is told is no secret.
fn push_gateway(places: &Places<'_>, text: &str) -> Result<Option<Url>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |shown: &str, why| Err(places.invalid("watch.push_gateway", shown.escape_debug(), why));
    let Ok(url) = Url::parse(text) else {
        return refused(text, "this is no URL; write it like http://pushgateway:9091");
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: a password may be among it.
        return refused("…", "it must not hold a user or password");
    }
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return refused(text, "write it like http://pushgateway:9091");
    }
    Ok(Some(url))
}

/// The webhook that is told how a run ended, where there is one: of the settings, or in the file
/// that they name. A line break at the end of the file is not part of it.
///
/// # Errors
/// Where the file cannot be read, or holds no address. The error never shows it.
pub fn find_webhook(settings: &WatchSettings, allow_http: bool) -> Result<Option<Webhook>, ConfigError> {
    let Some(path) = &settings.notify_url_file else { return Ok(settings.notify_url.clone()) };
    let text = read(path).map_err(|source| ConfigError::WebhookFile { path: path.clone(), source })?;
    let place = path.display().to_string();
    let webhook = Webhook::new(text.trim_ascii_end(), allow_http);
    webhook.map(Some).map_err(|source| ConfigError::Webhook { place, source })
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > LONGEST_FILE {
        return Err(std::io::Error::other("the file is too long to be an address"));
    }
    fs::read_to_string(path)
}
