//! The layers of the configuration, laid over each other: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};

use super::file::{Placed, places};
use super::keys::{FLAGS, is_foreign, nearest, paths, variables};
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
    let mut layers =
        Figment::from(Named::new("config/default.toml", Serialized::from(defaults()?, Profile::Default)));
    let defaults = layers.data().map_err(|error| wrong_kind(&error))?;
    let defaults = defaults.into_values().next().unwrap_or_default();
    let mut fixed = Vec::new();
    if let Some(path) = file {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let placed = places(path, &text, &defaults)?;
        let values = dict(&text)?;
        for Placed { setting, place, number } in placed {
            let (section, key) = setting.split_once('.').unwrap_or_default();
            if let Some(value) = values.get(section).and_then(|s| s.as_dict()?.get(key)) {
                if number.is_some_and(|number| !is_kept(&number)) {
                    let why = format!("this is not {TOO_FINE}");
                    return Err(ConfigError::WrongKind { place, key: setting, why });
                }
                if is_fixed(&setting, value) {
                    fixed.push((setting.clone(), place.clone(), value.clone()));
                }
                layers = layers.merge(Named::new(place, Serialized::default(&setting, value)));
            }
        }
    }
    check_variables(environment, &defaults)?;
    for (section, settings) in &defaults {
        for (key, default) in settings.as_dict().into_iter().flatten() {
            let path = format!("{section}.{key}");
            if let Some((name, text)) = variable(environment, &path)? {
                let words: Vec<_> = match default {
                    Value::Array(..) => items(text),
                    _ => vec![text.to_owned()],
                };
                layers = over(layers, name, &path, default, &words, &fixed)?;
            }
        }
    }
    for (flag, words) in flags {
        let Some((_, path)) = FLAGS.iter().find(|(name, _)| name == flag) else { continue };
        let default = path.split_once('.').and_then(|(section, key)| {
            defaults.get(section).and_then(Value::as_dict).and_then(|settings| settings.get(key))
        });
        if let Some(default) = default {
            layers = over(layers, format!("--{flag}"), path, default, words, &fixed)?;
        }
    }
    Ok(layers)
}

/// A setting that the file has decided for good, where it stands, and its value.
type Fixed = (String, String, Value);

/// Whether a file that says this of `setting` has decided it: that a second person is needed, and
/// who that may be, would be worth nothing if whoever runs decom could change it.
fn is_fixed(setting: &str, value: &Value) -> bool {
    match setting {
        "safety.require_approval" => value.to_bool() == Some(true),
        "safety.allowed_signers" | "safety.revoked_signers" => {
            value.as_str().is_some_and(|text| !text.is_empty())
        }
        _ => false,
    }
}

/// Lays one setting over what is there. A list grows: what the file protects stays protected.
fn over(
    layers: Figment,
    place: String,
    path: &str,
    default: &Value,
    words: &[String],
    fixed: &[Fixed],
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
        Value::Bool(..) => Value::from(truth(last).ok_or_else(|| wrong("`true` or `false`"))?),
        Value::Num(_, number) if number.to_f64().is_some() && number.to_u128().is_none() => {
            let number = last.parse::<f64>().map_err(|_| wrong("a number"))?;
            if !is_kept(last) {
                return Err(wrong(TOO_FINE));
            }
            Value::from(number)
        }
        Value::Num(..) => Value::from(last.parse::<i64>().map_err(|_| wrong("a whole number"))?),
        _ => Value::from(last.to_owned()),
    };
    if let Some((_, by, decided)) = fixed.iter().find(|(setting, ..)| setting == path) {
        // A value knows where it is from, which is not what is asked here.
        let same = match (decided, &value) {
            (Value::Bool(_, one), Value::Bool(_, other)) => one == other,
            (Value::String(_, one), Value::String(_, other)) => one == other,
            _ => false,
        };
        if !same {
            return Err(ConfigError::Fixed { place, key: path.to_owned(), by: by.clone() });
        }
    }
    Ok(layers.merge(Named::new(place, Serialized::default(path, value))))
}

/// What a number is that would be rounded.
const TOO_FINE: &str = "a number of at most 15 digits";

/// Whether a number keeps its value as it is read. With more digits it is rounded, and a share just
/// below 100 % must not become 100, which switches its guard off.
fn is_kept(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let whole = digits.trim_start_matches('0');
    let significant = if mantissa.contains('.') { whole.trim_end_matches('0') } else { whole };
    significant.len() <= 15
}

/// The items of a list in a variable: with commas between, but for those within braces or brackets,
/// which belong to a glob. An item of nothing is kept: it is a slip, and whoever reads it says so.
fn items(text: &str) -> Vec<String> {
    let (mut items, mut braces, mut in_class) = (vec![String::new()], 0_usize, false);
    for c in text.chars() {
        match c {
            ']' => in_class = false,
            '[' => in_class = true,
            '{' if !in_class => braces += 1,
            '}' if !in_class => braces = braces.saturating_sub(1),
            _ => {}
        }
        match items.last_mut() {
            Some(item) if c != ',' || in_class || braces > 0 => item.push(c),
            _ => items.push(String::new()),
        }
    }
    items.iter().map(|item| item.trim().to_owned()).collect()
}

/// What a text says of a switch.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// The variable that sets `path`, and its value. An empty one counts as not set.
fn variable<'a>(environment: &'a Environment, path: &str) -> Result<Option<(String, &'a str)>, ConfigError> {
    let mut found: Option<(String, &str)> = None;
    let mut note = |name: String, text| match &found {
        Some((first, other)) if *other != text && truth(other).is_none_or(|it| truth(text) != Some(it)) => {
            Err(ConfigError::SetTwice { first: first.clone(), second: name })
        }
        _ => {
            found = Some((name, text));
            Ok(())
        }
    };
    for name in variables(path) {
        if let Some(text) = environment.get(&name)?.filter(|text| !text.is_empty()) {
            note(name, text)?;
        }
    }
    // Named like its flag, which says the opposite of the setting.
    if path == "safety.listing_check" {
        let name = "DECOM_NO_LISTING_CHECK".to_owned();
        if let Some(text) = environment.get(&name)?.filter(|text| !text.is_empty()) {
            let Some(no) = truth(text) else {
                let why = format!("`{text}` is not `true` or `false`");
                return Err(ConfigError::WrongKind { place: name, key: path.to_owned(), why });
            };
            note(name, if no { "false" } else { "true" })?;
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
            let nearest = match name {
                // A token that lands in the setting with the nearest name would be recorded.
                "DECOM_TOKEN" => Some("DATABRAIN_TOKEN".to_owned()),
                "DECOM_TOKEN_FILE" => Some("DATABRAIN_TOKEN_FILE".to_owned()),
                _ => nearest(name, known.iter().map(String::as_str)),
            };
            let place = "the environment".to_owned();
            return Err(ConfigError::UnknownKey { place, key: name.to_owned(), nearest });
        }
    }
    Ok(())
}

/// What is compiled in, parsed once.
fn defaults() -> Result<&'static Dict, ConfigError> {
    static PARSED: OnceLock<Dict> = OnceLock::new();
    if let Some(parsed) = PARSED.get() {
        return Ok(parsed);
    }
    let parsed = dict(DEFAULTS)?;
    Ok(PARSED.get_or_init(|| parsed))
}

fn dict(text: &str) -> Result<Dict, ConfigError> {
    Toml::from_str(text).map_err(|error| ConfigError::WrongKind {
        place: "configuration".to_owned(),
        key: String::new(),
        why: error.to_string(),
    })
}

/// What figment found wrong with a value, as an error of ours.
pub(super) fn wrong_kind(error: &figment::Error) -> ConfigError {
    let first = error.clone().into_iter().next();
    let error = first.as_ref().unwrap_or(error);
    ConfigError::WrongKind {
        place: error.metadata.as_ref().map_or_else(|| "configuration".to_owned(), |m| m.name.to_string()),
        key: error.path.join("."),
        why: match &error.kind {
            Kind::InvalidType(found, expected) => format!("{} is needed, not {found}", in_words(expected)),
            other => other.to_string(),
        },
    }
}

/// A type as serde names it, in the user's words.
fn in_words(expected: &str) -> &str {
    match expected {
        "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" => "a text in quotes",
        "a sequence" => "a list such as [\"one\", \"two\"]",
        other => other,
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
