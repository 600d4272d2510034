//! Every value in force, and where it comes from.

use std::path::Path;

use figment::error::Actual;
use figment::value::Value;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::layers::Layers;
use super::setting::SETTINGS;
use super::{ConfigError, Environment, Flags, Settings};
use crate::domain::hex;

/// Settings that may be secret: a webhook's address in any case, a queue's if it holds a password.
const SECRETS: [&str; 2] = ["watch.notify_url", "queue.url"];

/// The value of a setting, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveSetting {
    pub section: &'static str,
    pub key: &'static str,
    /// `None` if it is a secret.
    pub value: Option<serde_json::Value>,
    /// The places that set it: several for a list, which grows with each layer.
    pub places: Vec<String>,
}

/// All settings as they are in force, in the order of the defaults.
///
/// # Errors
/// If the settings are not valid.
pub fn effective_settings(
    file: Option<&Path>,
    environment: &Environment,
    flags: &Flags,
) -> Result<Vec<EffectiveSetting>, ConfigError> {
    let layers = Layers::new(file, environment, flags)?;
    Settings::of(&layers)?;
    let effective = |setting: &'static super::setting::Setting| {
        let path = setting.path();
        let (value, places) = layers.value(&path)?;
        let value = if setting.is_fraction() { fraction(&value) } else { plain(&value) };
        let is_secret = SECRETS.contains(&path.as_str())
            && value.as_str().is_some_and(|text| path == SECRETS[0] || text.contains('@'))
            && value != "";
        let value = (!is_secret).then_some(value);
        Some(EffectiveSetting { section: &setting.section, key: &setting.key, value, places })
    };
    Ok(SETTINGS.iter().filter_map(effective).collect())
}

/// SHA-256 over the settings, each as `section.key=value` with its value as JSON and a line feed, in hexadecimal. A secret
/// is `null`.
#[must_use]
pub fn config_digest(settings: &[EffectiveSetting]) -> String {
    let mut digest = Sha256::new();
    for EffectiveSetting { section, key, value, .. } in settings {
        digest.update(format!("{section}.{key}={}\n", json!(value)));
    }
    hex(digest.finalize())
}

/// A number that was written as one, or as a text such as `50%`.
fn fraction(value: &Value) -> serde_json::Value {
    match plain(value) {
        serde_json::Value::String(text) => match text.trim_end_matches('%').trim().parse::<f64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text),
        },
        // As a fraction in TOML.
        number => number.as_f64().map_or(number, |number| json!(number)),
    }
}

fn plain(value: &Value) -> serde_json::Value {
    match (value, value.to_actual()) {
        (Value::Array(_, items), _) => items.iter().map(plain).collect(),
        (_, Actual::Bool(value)) => json!(value),
        (_, Actual::Signed(value)) => json!(value),
        (_, Actual::Unsigned(value)) => json!(u64::try_from(value).ok()),
        (_, Actual::Float(value)) => json!(value),
        (_, Actual::Str(text)) => json!(text),
        _ => serde_json::Value::Null,
    }
}
