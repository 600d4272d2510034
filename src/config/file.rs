//! The configuration file: which settings it holds, and at which line and column.

use std::path::Path;

use figment::value::Value;
use toml_edit::Item;

use super::ConfigError;
use super::setting::{SETTINGS, Setting};
use super::toml_value::{document, value_of};
use crate::domain::nearest;

/// A setting that a file holds, and the place of its value.
pub(super) struct FileEntry {
    pub(super) setting: &'static Setting,
    pub(super) place: String,
    pub(super) value: Value,
}

/// The settings of the file at `path`, which holds `text`.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<FileEntry>, ConfigError> {
    let document = document(text).map_err(|error| {
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
    let start = |key: &toml_edit::Key| key.span().map_or(0, |span| span.start);
    let mut entries = Vec::new();
    for (section, item) in document.iter() {
        let at = document.key(section).map_or(0, start);
        let settings = || SETTINGS.iter().filter(|setting| setting.section == section);
        let near = match (settings().next(), Item::as_table_like(item)) {
            (Some(_), Some(_)) => None,
            (Some(first), None) => Some(Some(first.path())),
            // A setting without its section is the likeliest mistake.
            (None, _) => Some(
                named(section)
                    .or_else(|| nearest(section, SETTINGS.iter().map(|setting| setting.section.as_str()))),
            ),
        };
        if let Some(near) = near {
            return unknown(at, section.to_owned(), near);
        }
        let table = item.as_table_like();
        for (key, item) in table.iter().flat_map(|table| table.iter()) {
            let at = table.and_then(|table| table.key(key)).map_or(at, start);
            let Some(setting) = settings().find(|setting| setting.key == key) else {
                let safe = settings().filter(|setting| !setting.weakens());
                let near = nearest(key, safe.map(|setting| setting.key.as_str()));
                let near = near.map(|key| format!("{section}.{key}")).or_else(|| named(key));
                return unknown(at, format!("{section}.{key}"), near);
            };
            let place = place(item.span().map_or(at, |span| span.start));
            entries.push(FileEntry { setting, place, value: value_of(text, item) });
        }
    }
    Ok(entries)
}

/// The setting whose key is `key`, in whatever section.
fn named(key: &str) -> Option<String> {
    SETTINGS.iter().find(|setting| setting.key == key).map(Setting::path)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}
