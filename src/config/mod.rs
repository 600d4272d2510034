//! The configuration: flag > environment > file > defaults, resolved once into valid settings.

mod error;
mod file;
mod keys;
mod layers;
mod places;
mod settings;
mod token;
mod watch;

pub use error::ConfigError;
pub use keys::FLAGS;
pub use layers::{Environment, FlagValues};
pub use settings::{
    ApiSettings, AuditSettings, LogFormat, LogSettings, PaceSettings, RetrySettings, RunSettings,
    SafetySettings, Settings,
};
pub use token::find_token;
pub use watch::{NoticeForm, WatchSettings, find_webhook};

/// The defaults, and the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
