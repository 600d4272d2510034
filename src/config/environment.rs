//! The environment: the variables that set something, and those that seem to.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use figment::value::Value;

use super::ConfigError;
use super::setting::{SETTINGS, Setting, is_foreign};
use crate::domain::nearest;

/// How the name of every variable that sets something begins.
const PREFIX: &str = "DECOM_";

/// The environment, as it was when the program started, or as a test makes it. An empty variable counts as not
/// set, as in whatever hands down `NAME=${UNSET}`.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        self.0
            .get(OsStr::new(name))
            .map(|value| value.to_str().ok_or_else(|| ConfigError::NotText { name: name.to_owned() }))
            .transpose()
    }

    /// The variable that sets `setting`, and its value.
    pub(super) fn setting(&self, setting: &Setting) -> Result<Option<(String, Value)>, ConfigError> {
        let mut found: Option<(String, Value)> = None;
        for variable in setting.variables() {
            let Some(text) = self.get(&variable.name)? else { continue };
            let value = setting.value(text, variable.is_inverted);
            if let Some((first, _)) = found.take_if(|(_, other)| *other != value) {
                return Err(ConfigError::SetTwice { first, second: variable.name });
            }
            found = Some((variable.name, value));
        }
        Ok(found)
    }

    /// Refuses a variable that begins with `DECOM_` and is not a setting: `DECOM_MAX_DELETE` would otherwise leave
    /// the guard as it is.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let known: Vec<_> =
            SETTINGS.iter().flat_map(Setting::variables).map(|variable| variable.name).collect();
        let names = self.0.keys().filter_map(|name| name.to_str());
        let unknown = |name: &&str| {
            name.starts_with(PREFIX) && !is_foreign(name) && !known.iter().any(|known| known == name)
        };
        let Some(name) = names.into_iter().find(unknown) else { return Ok(()) };
        let nearest = match name {
            // A token that ends up in the setting with the nearest name would be recorded.
            "DECOM_TOKEN" => Some("DATABRAIN_TOKEN".to_owned()),
            "DECOM_TOKEN_FILE" => Some("DATABRAIN_TOKEN_FILE".to_owned()),
            _ => {
                // Without what all have in common, which would make every short name like another.
                let plain = |name: &str| name.trim_start_matches(PREFIX).to_owned();
                let safe = SETTINGS.iter().filter(|setting| !setting.weakens()).flat_map(Setting::variables);
                let safe: Vec<_> = safe.map(|variable| plain(&variable.name)).collect();
                nearest(&plain(name), safe.iter().map(String::as_str)).map(|near| format!("{PREFIX}{near}"))
            }
        };
        Err(ConfigError::UnknownKey { place: "the environment".to_owned(), key: name.to_owned(), nearest })
    }
}
