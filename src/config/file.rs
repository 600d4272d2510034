//! The configuration file: which settings it holds, and where each of them stands.

use std::path::Path;

use figment::value::{Dict, Value};
use toml_edit::{ImDocument, Item};

use super::ConfigError;
use super::keys::{nearest, paths};

/// A setting that a file holds.
pub(super) struct Placed {
    /// As `section.key`.
    pub(super) setting: String,
    /// Where its value stands.
    pub(super) place: String,
    /// The value as it is written, where it is a number with a point.
    pub(super) number: Option<String>,
}

/// The settings of a file, each with the place where its value stands.
///
/// # Errors
/// Where the text is no TOML, or a key of it is no setting.
pub(super) fn places(path: &Path, text: &str, defaults: &Dict) -> Result<Vec<Placed>, ConfigError> {
    let document = ImDocument::parse(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        ConfigError::Syntax { path: path.to_owned(), line, column, why: error.message().trim().to_owned() }
    })?;
    let place = |at| {
        let (line, column) = position(text, at);
        format!("{}, line {line}, column {column}", path.display())
    };
    let unknown = |at: usize, key: String, nearest| {
        let key = key.escape_debug().to_string();
        Err(ConfigError::UnknownKey { place: place(at), key, nearest })
    };
    let mut found = Vec::new();
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
        for (key, value) in table.iter() {
            let at = table.key(key).map_or(at, start);
            if settings.contains_key(key) {
                let at = value.span().map_or(at, |span| span.start);
                let number = match value.as_value() {
                    Some(toml_edit::Value::Float(_)) => {
                        value.span().and_then(|span| text.get(span)).map(str::to_owned)
                    }
                    _ => None,
                };
                found.push(Placed { setting: format!("{section}.{key}"), place: place(at), number });
            } else {
                let near =
                    nearest(key, settings.keys().map(String::as_str)).map(|key| format!("{section}.{key}"));
                let elsewhere =
                    || paths(defaults).find(|path| path.split_once('.').is_some_and(|(_, k)| k == key));
                return unknown(at, format!("{section}.{key}"), near.or_else(elsewhere));
            }
        }
    }
    Ok(found)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}
