//! The layers of the configuration, one over the other: defaults, file, environment, flags. Each value keeps the
//! place where it was set.

use std::fmt::Display;
use std::io;
use std::path::Path;

use figment::error::{Actual, Kind};
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::file::{FileEntry, entries};
use super::setting::{SETTINGS, Setting};
use super::{ConfigError, Environment, Flags};
use crate::domain::read_file;

/// The longest text that a message shows of a value.
const SHOWN: usize = 60;

pub(super) struct Layers {
    figment: Figment,
    /// What the file has decided: the setting, its value, and where it is set.
    locked: Vec<(&'static Setting, Value, String)>,
    /// Where each setting was set, by its path, the layers below first.
    places: Vec<(String, String)>,
}

/// The place of a value that nothing has changed.
pub(super) const DEFAULT: &str = "default";

/// Longer than any configuration, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

impl Layers {
    pub(super) fn new(
        file: Option<&Path>,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self { figment: Figment::new(), locked: Vec::new(), places: Vec::new() };
        for setting in SETTINGS.iter() {
            layers.set(setting, setting.default.clone(), DEFAULT.to_owned())?;
        }
        // The variable is meant for every program, so that a missing bundle is ignored.
        let bundle = environment.get("SSL_CERT_FILE")?.filter(|path| Path::new(path).is_file());
        if let (Some(path), Some(setting)) = (bundle, SETTINGS.iter().find(|it| it.path() == "api.ca_file")) {
            layers.set(setting, path.into(), "SSL_CERT_FILE".to_owned())?;
        }
        let named = environment.get("DECOM_CONFIG")?.map(Path::new);
        if let Some(path) = file.or(named) {
            let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
            let text = String::from_utf8(read_file(path, LONGEST_FILE).map_err(unreadable)?)
                .map_err(|_| unreadable(io::Error::other("it is not UTF-8")))?;
            for FileEntry { setting, place, value } in entries(path, &text)? {
                if is_decision(setting, &value) {
                    layers.locked.push((setting, value.clone(), place.clone()));
                }
                layers.set(setting, value, place)?;
            }
        }
        environment.check()?;
        for setting in SETTINGS.iter() {
            if let Some((variable, value)) = environment.setting(setting)? {
                layers.set(setting, value, variable)?;
            }
        }
        for given in flags.given() {
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.is_named(&given.name)) {
                layers.set(setting, given.value, format!("--{}", given.flag))?;
            }
        }
        Ok(layers)
    }

    /// Sets `setting` over what is there. A list grows: what one layer protects, no other exposes.
    fn set(&mut self, setting: &'static Setting, value: Value, place: String) -> Result<(), ConfigError> {
        let path = setting.path();
        if let Some((_, decided, by)) = self.locked.iter().find(|(locked, ..)| std::ptr::eq(*locked, setting))
            && *decided != value
        {
            return Err(ConfigError::Locked { place, key: path, by: by.clone() });
        }
        let value = match (self.figment.find_value(&path).ok().and_then(Value::into_array), value) {
            (Some(mut items), Value::Array(_, more)) => {
                items.extend(more);
                items.into()
            }
            (_, value) => value,
        };
        self.places.push((path.clone(), place.clone()));
        let layer = Layer { place, path, value };
        self.figment = std::mem::take(&mut self.figment).merge(layer);
        Ok(())
    }

    pub(super) fn extract<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.figment.extract().map_err(|error| refusal(&error))
    }

    /// The place where the setting `path` was set.
    pub(super) fn place(&self, path: &str) -> String {
        self.figment.find_metadata(path).map_or_else(String::new, |metadata| metadata.name.to_string())
    }

    /// The value of the setting `path`, and the places that it is from: all of a list that grew, otherwise one.
    pub(super) fn value(&self, path: &str) -> Option<(Value, Vec<String>)> {
        let value = self.figment.find_value(path).ok()?;
        let mut places: Vec<_> =
            self.places.iter().filter(|(of, _)| of == path).map(|(_, place)| place.clone()).collect();
        let kept = if matches!(value, Value::Array(..)) { 1 } else { places.len() - 1 };
        if places.len() > 1 {
            places.drain(..kept);
        }
        Some((value, places))
    }

    /// With another value for the setting `path`, whatever it is.
    pub(super) fn with(&self, path: &str, value: Value) -> Self {
        let layer = Layer { place: String::new(), path: path.to_owned(), value };
        Self { figment: self.figment.clone().merge(layer), locked: Vec::new(), places: Vec::new() }
    }

    pub(super) fn invalid(&self, path: &str, expected: String, actual: impl Display) -> ConfigError {
        let (place, key, actual) = (self.place(path), path.to_owned(), actual.to_string());
        ConfigError::Invalid { place, key, expected, actual }
    }
}

/// Returns true if a file with this value decides the setting: that a second person is needed, and who that may be,
/// would be worth nothing if the operator could change it.
fn is_decision(setting: &Setting, value: &Value) -> bool {
    match setting.path().as_str() {
        "safety.require_approval" => value.to_bool() == Some(true),
        "safety.allowed_signers" | "safety.revoked_signers" => value.as_str() != Some(""),
        _ => false,
    }
}

/// One value, and the place where it was set.
struct Layer {
    place: String,
    path: String,
    value: Value,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::default(&self.path, &self.value).data()
    }
}

/// What figment found wrong with a value, in the user's words.
fn refusal(error: &figment::Error) -> ConfigError {
    let first = error.clone().into_iter().next();
    let error = first.as_ref().unwrap_or(error);
    let place = error.metadata.as_ref().map_or_else(String::new, |metadata| metadata.name.to_string());
    let key = error.path.join(".");
    let (expected, actual) = match &error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            (in_words(expected).to_owned(), shown(actual))
        }
        Kind::UnknownVariant(word, words) => {
            (format!("one of {}", words.join(", ")), shown(&Actual::Str(word.clone())))
        }
        other => return ConfigError::Refused { place, key, why: other.to_string() },
    };
    ConfigError::Invalid { place, key, expected, actual }
}

/// A type as serde names it, in the user's words.
fn in_words(expected: &str) -> &str {
    match expected {
        "a boolean" => "`true` or `false`",
        "a string" | "string or table" => "a text in quotes",
        "a sequence" => "a list such as [\"one\", \"two\"]",
        other => other,
    }
}

fn shown(actual: &Actual) -> String {
    match actual {
        Actual::Str(text) if text.chars().count() > SHOWN => {
            format!("{:?}…", text.chars().take(SHOWN).collect::<String>())
        }
        Actual::Str(text) => format!("{text:?}"),
        Actual::Bool(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}
