//! Valid settings: each is one field here, one row of `config/default.toml` that documents it, and, if it has a
//! flag, one field of [`Flags`]. Serde validates them; the rest of the program sees nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::filter::Targets;
use url::Url;

use super::layers::Layers;
use super::{ConfigError, Environment, Flags, LogFormat, values};
use crate::domain::{Acceptance, NoticeEvent, Outcome, Webhook};
use crate::ratelimit::Rate;

/// All settings. `config/default.toml` says what each is for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Settings {
    pub audit: AuditSettings,
    pub api: ApiSettings,
    pub pace: PaceSettings,
    pub retry: RetrySettings,
    pub safety: SafetySettings,
    pub queue: QueueSettings,
    pub run: RunSettings,
    pub report: ReportSettings,
    pub log: LogSettings,
    pub watch: WatchSettings,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditSettings {
    #[serde(deserialize_with = "values::log")]
    pub db: PathBuf,
    #[serde(deserialize_with = "values::duration")]
    pub clock_tolerance: Duration,
    #[serde(deserialize_with = "values::path")]
    pub signing_key: Option<PathBuf>,
    #[serde(deserialize_with = "values::path")]
    pub checkpoint_dir: Option<PathBuf>,
    #[serde(deserialize_with = "values::whole::<_, _, 1, { i64::MAX }>")]
    pub checkpoint_every: u64,
    #[serde(deserialize_with = "values::authority")]
    pub timestamp_url: Option<Url>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiSettings {
    pub base_url: String,
    #[serde(deserialize_with = "values::path")]
    pub ca_file: Option<PathBuf>,
    pub allow_http: bool,
    #[serde(deserialize_with = "values::positive")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "values::positive")]
    pub response_timeout: Duration,
    #[serde(deserialize_with = "values::positive")]
    pub attempt_timeout: Duration,
    #[serde(deserialize_with = "values::duration")]
    pub listing_patience: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaceSettings {
    pub rate: Rate,
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1024>")]
    pub concurrency: usize,
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1024>")]
    pub workers: u32,
    #[serde(deserialize_with = "values::positive")]
    pub max_pause: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RetrySettings {
    #[serde(deserialize_with = "values::whole::<_, _, 1, 20>")]
    pub max_attempts: u32,
    #[serde(deserialize_with = "values::positive")]
    pub first_backoff: Duration,
    #[serde(deserialize_with = "values::positive")]
    pub longest_backoff: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SafetySettings {
    #[serde(deserialize_with = "values::whole::<_, _, 0, { i64::MAX }>")]
    pub max_deletes: u64,
    #[serde(deserialize_with = "values::whole_or_none")]
    pub max_deletes_per_day: Option<u64>,
    #[serde(deserialize_with = "values::percentage")]
    pub max_share: f64,
    pub protect: Vec<String>,
    #[serde(deserialize_with = "values::path")]
    pub holds: Option<PathBuf>,
    pub protect_datamart: Vec<String>,
    pub ignore_not_found: bool,
    pub listing_check: bool,
    #[serde(deserialize_with = "values::whole::<_, _, 0, { i64::MAX }>")]
    pub canary: u64,
    #[serde(deserialize_with = "values::long")]
    pub plan_validity: Duration,
    pub require_approval: bool,
    #[serde(deserialize_with = "values::path")]
    pub allowed_signers: Option<PathBuf>,
    #[serde(deserialize_with = "values::path")]
    pub revoked_signers: Option<PathBuf>,
    #[serde(deserialize_with = "values::whole::<_, _, 1, 100_000>")]
    pub breaker_failures: usize,
    #[serde(deserialize_with = "values::whole::<_, _, 1, 100_000>")]
    pub breaker_window: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QueueSettings {
    /// May hold a password, and is never shown as it is here.
    #[serde(deserialize_with = "values::string")]
    pub url: Option<String>,
    #[serde(deserialize_with = "values::path")]
    pub url_file: Option<PathBuf>,
    #[serde(deserialize_with = "values::positive")]
    pub idle: Duration,
    #[serde(deserialize_with = "values::positive")]
    pub hold: Duration,
    #[serde(deserialize_with = "values::optional_duration")]
    pub max_outage: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunSettings {
    #[serde(deserialize_with = "values::duration")]
    pub grace: Duration,
    #[serde(deserialize_with = "values::positive")]
    pub max_sleep: Duration,
    #[serde(deserialize_with = "values::line")]
    pub operator: Option<String>,
    #[serde(deserialize_with = "values::line")]
    pub reason: Option<String>,
    #[serde(deserialize_with = "values::line")]
    pub ticket: Option<String>,
    #[serde(deserialize_with = "values::acceptance")]
    pub accept: Acceptance,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReportSettings {
    #[serde(deserialize_with = "values::line")]
    pub organisation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LogSettings {
    pub format: LogFormat,
    #[serde(deserialize_with = "values::level")]
    pub level: Targets,
    #[serde(deserialize_with = "values::path")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WatchSettings {
    #[serde(deserialize_with = "values::address")]
    pub metrics_addr: Option<SocketAddr>,
    #[serde(deserialize_with = "values::path")]
    pub metrics_file: Option<PathBuf>,
    #[serde(deserialize_with = "values::gateway")]
    pub push_gateway: Option<Url>,
    #[serde(deserialize_with = "values::line")]
    pub instance: Option<String>,
    #[serde(deserialize_with = "values::webhook")]
    pub notify_url: Option<Webhook>,
    #[serde(deserialize_with = "values::path")]
    pub notify_url_file: Option<PathBuf>,
    pub notify_form: NoticeForm,
    #[serde(deserialize_with = "values::events")]
    pub notify_on: Vec<NoticeEvent>,
    pub notify_names: bool,
}

/// What a webhook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeForm {
    /// The object that docs/monitoring.md describes.
    Json,
    /// A message as Slack takes it.
    Slack,
}

impl Settings {
    /// Resolves the settings: flag > environment > `file` > defaults.
    ///
    /// # Errors
    /// If a layer cannot be read, holds an unknown key, or a value that its setting cannot have.
    pub fn resolve(
        file: Option<&Path>,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        Self::of(&Layers::new(file, environment, flags)?)
    }

    pub(super) fn of(layers: &Layers) -> Result<Self, ConfigError> {
        let settings: Self = layers.extract()?;
        let SafetySettings { breaker_failures, breaker_window, .. } = settings.safety;
        if breaker_failures > breaker_window {
            let expected = format!("at most safety.breaker_window, {breaker_window}");
            return Err(layers.invalid("safety.breaker_failures", expected, breaker_failures));
        }
        if let Some(webhook) = &settings.watch.notify_url {
            Webhook::new(webhook.expose(), settings.api.allow_http).map_err(|source| {
                let place = layers.place("watch.notify_url");
                ConfigError::Webhook { place: format!("{place}: watch.notify_url"), source }
            })?;
        }
        Ok(settings)
    }

    /// What counts as expected in the exit code, besides a deletion.
    #[must_use]
    pub fn accepted(&self) -> Acceptance {
        let mut accepted = self.run.accept.clone();
        if self.safety.ignore_not_found {
            // It is one of the words.
            let _ = accepted.add(Outcome::NotFound.as_str());
        }
        accepted
    }
}
