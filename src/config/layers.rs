//! The layers of the configuration, laid over each other: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};
use toml_edit::{ImDocument, Item};

use super::keys::{FLAGS, is_foreign, nearest, variables};
use super::{ConfigError, DEFAULTS};

/// The environment, as it was when the program started, or as a test makes it.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// An environment of these variables.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// Where it is no text.
    pub fn get(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        self.0
            .get(OsString::from(name).as_os_str())
            .map(|value| value.to_str().ok_or_else(|| ConfigError::NotText { name: name.to_owned() }))
            .transpose()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }
}

/// What the command line sets: the flag's name (one of [`FLAGS`]) and its values.
pub type FlagValues = Vec<(&'static str, Vec<String>)>;

/// Lays the layers over each other.
pub(super) fn lay(
    file: Option<&Path>,
    environment: &Environment,
    flags: &FlagValues,
) -> Result<Figment, ConfigError> {
    let mut layers = Figment::from(Named::new("config/default.toml", toml(DEFAULTS)?));
    let defaults = layers.data().map_err(|error| wrong_kind(&error))?;
    let defaults = defaults.into_values().next().unwrap_or_default();
    if let Some(path) = file {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        check_keys(path, &text, &defaults)?;
        layers = layers.merge(Named::new(path.display().to_string(), toml(&text)?));
    }
    check_variables(environment, &defaults)?;
    for (section, settings) in &defaults {
        for (key, default) in settings.as_dict().into_iter().flatten() {
            let path = format!("{section}.{key}");
            if let Some((name, text)) = variable(environment, &path)? {
                let words: Vec<_> = match default {
                    Value::Array(..) => {
                        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                        items.map(str::to_owned).collect()
                    }
                    _ => vec![text.to_owned()],
                };
                layers = over(layers, name, &path, default, &words)?;
            }
        }
    }
    for (flag, words) in flags {
        let Some((_, path)) = FLAGS.iter().find(|(name, _)| name == flag) else { continue };
        let default = path.split_once('.').and_then(|(section, key)| {
            defaults.get(section).and_then(Value::as_dict).and_then(|settings| settings.get(key))
        });
        if let Some(default) = default {
            layers = over(layers, format!("--{flag}"), path, default, words)?;
        }
    }
    Ok(layers)
}

/// Lays one setting over what is there. A list grows: what the file protects stays protected.
fn over(
    layers: Figment,
    place: String,
    path: &str,
    default: &Value,
    words: &[String],
) -> Result<Figment, ConfigError> {
    let last = words.last().map(String::as_str).unwrap_or_default();
    let wrong = |why: &str| ConfigError::WrongKind {
        place: place.clone(),
        key: path.to_owned(),
        why: format!("`{last}` is not {why}"),
    };
    let value = match default {
        Value::Array(..) => {
            let mut all: Vec<String> = layers.extract_inner(path).map_err(|error| wrong_kind(&error))?;
            all.extend(words.iter().cloned());
            Value::from(all)
        }
        Value::Bool(..) => match last {
            "true" | "1" | "yes" => Value::from(true),
            "false" | "0" | "no" => Value::from(false),
            _ => return Err(wrong("`true` or `false`")),
        },
        Value::Num(_, number) if number.to_f64().is_some() && number.to_u128().is_none() => {
            Value::from(last.parse::<f64>().map_err(|_| wrong("a number"))?)
        }
        Value::Num(..) => Value::from(last.parse::<i64>().map_err(|_| wrong("a whole number"))?),
        _ => Value::from(last.to_owned()),
    };
    Ok(layers.merge(Named::new(place, Serialized::default(path, value))))
}

/// The variable that sets `path`, and its value. An empty one counts as not set.
fn variable<'a>(environment: &'a Environment, path: &str) -> Result<Option<(String, &'a str)>, ConfigError> {
    let mut found: Option<(String, &str)> = None;
    let mut names = variables(path);
    if path == "safety.listing_check"
        && environment.get("DECOM_NO_LISTING_CHECK")?.is_some_and(|v| v == "true" || v == "1")
    {
        return Ok(Some((std::mem::take(&mut names[0]), "false")));
    }
    for name in names {
        let Some(text) = environment.get(&name)?.filter(|text| !text.is_empty()) else { continue };
        match &found {
            Some((first, other)) if *other != text => {
                return Err(ConfigError::SetTwice { first: first.clone(), second: name });
            }
            _ => found = Some((name, text)),
        }
    }
    Ok(found)
}

/// A variable that begins with `DECOM_` and is no setting is a slip, and slips are not ignored
/// here: `DECOM_MAX_DELETE` would otherwise leave the guard where it was.
fn check_variables(environment: &Environment, defaults: &Dict) -> Result<(), ConfigError> {
    let known: Vec<String> = paths(defaults).flat_map(|path| variables(&path)).collect();
    for name in environment.names().filter(|name| name.starts_with("DECOM_")) {
        if !is_foreign(name) && !known.iter().any(|known| known == name) {
            return Err(ConfigError::UnknownKey {
                place: "the environment".to_owned(),
                key: name.to_owned(),
                nearest: nearest(name, known.iter().map(String::as_str)),
            });
        }
    }
    Ok(())
}

fn paths(defaults: &Dict) -> impl Iterator<Item = String> + '_ {
    defaults.iter().flat_map(|(section, settings)| {
        settings.as_dict().into_iter().flatten().map(move |(key, _)| format!("{section}.{key}"))
    })
}

/// Checks that every key of the file is a setting, and that the file is TOML at all.
fn check_keys(path: &Path, text: &str, defaults: &Dict) -> Result<(), ConfigError> {
    let document = ImDocument::parse(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        ConfigError::Syntax { path: path.to_owned(), line, column, why: error.message().trim().to_owned() }
    })?;
    let unknown = |at: usize, key: String, nearest| {
        let (line, column) = position(text, at);
        let place = format!("{}, line {line}, column {column}", path.display());
        Err(ConfigError::UnknownKey { place, key, nearest })
    };
    let start = |key: &toml_edit::Key| key.span().map_or(0, |span| span.start);
    for (section, item) in document.iter() {
        let at = document.key(section).map_or(0, start);
        let Some(settings) = defaults.get(section).and_then(Value::as_dict) else {
            // A setting without its section is the likeliest slip.
            let whole =
                paths(defaults).find(|path| path.split_once('.').is_some_and(|(_, key)| key == section));
            let near = whole.or_else(|| nearest(section, defaults.keys().map(String::as_str)));
            return unknown(at, section.to_owned(), near);
        };
        let Some(table) = Item::as_table_like(item) else {
            let near = settings.keys().next().map(|key| format!("{section}.{key}"));
            return unknown(at, section.to_owned(), near);
        };
        for (key, _) in table.iter() {
            if !settings.contains_key(key) {
                let at = table.key(key).map_or(at, start);
                let near =
                    nearest(key, settings.keys().map(String::as_str)).map(|key| format!("{section}.{key}"));
                let elsewhere =
                    || paths(defaults).find(|path| path.split_once('.').is_some_and(|(_, k)| k == key));
                return unknown(at, format!("{section}.{key}"), near.or_else(elsewhere));
            }
        }
    }
    Ok(())
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

fn toml(text: &str) -> Result<impl Provider + use<>, ConfigError> {
    let dict: Dict = Toml::from_str(text).map_err(|error| ConfigError::WrongKind {
        place: "configuration".to_owned(),
        key: String::new(),
        why: error.to_string(),
    })?;
    Ok(Serialized::from(dict, Profile::Default))
}

/// What figment found wrong with a value, as an error of ours.
pub(super) fn wrong_kind(error: &figment::Error) -> ConfigError {
    let first = error.clone().into_iter().next();
    let error = first.as_ref().unwrap_or(error);
    ConfigError::WrongKind {
        place: error.metadata.as_ref().map_or_else(|| "configuration".to_owned(), |m| m.name.to_string()),
        key: error.path.join("."),
        why: error.kind.to_string(),
    }
}

/// A provider that says where it is from, in the user's words.
struct Named<P> {
    place: String,
    provider: P,
}

impl<P: Provider> Named<P> {
    fn new(place: impl Into<String>, provider: P) -> Self {
        Self { place: place.into(), provider }
    }
}

impl<P: Provider> Provider for Named<P> {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, figment::Error> {
        self.provider.data()
    }
}
