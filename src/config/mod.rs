//! The configuration: flag > environment > file > defaults, resolved once into valid settings.

mod effective;
mod environment;
mod error;
mod file;
mod flags;
mod layers;
mod proxy;
mod schema;
mod secrets;
mod setting;
mod settings;
mod toml_value;
mod values;

pub use effective::{EffectiveSetting, config_digest, effective_settings};
pub use environment::Environment;
pub use error::ConfigError;
pub use flags::{
    ApiFlags, ApprovalFlags, CheckpointFlags, Flags, LogFlags, LogFormat, PlanFlags, QueueFlags, RunFlags,
    WorkFlags,
};
pub use proxy::{check_proxies, is_proxied};
pub use schema::schema;
pub use secrets::{find_token, find_webhook, locate_token};
pub use settings::{
    ApiSettings, AuditSettings, LogSettings, NoticeForm, PaceSettings, QueueSettings, ReportSettings,
    RetrySettings, RunSettings, SafetySettings, Settings, WatchSettings,
};

/// The defaults, and the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The flags that set something, without dashes, and the setting that each sets, as `section.key`.
#[must_use]
pub fn flags() -> Vec<(String, String)> {
    let flag = |setting: &setting::Setting| Some((setting.flag.clone()?, setting.path()));
    setting::SETTINGS.iter().filter_map(flag).collect()
}
