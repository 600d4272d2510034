//! The JSON Schema of the configuration file, for editors. It is made of the documented defaults and of what the
//! settings themselves say of a value that they refuse, so that it cannot say anything else than they do.

use figment::value::{Dict, Value};
use serde_json::{Map, json};
use toml_edit::Item;

use super::layers::Layers;
use super::toml_value::document;
use super::{ConfigError, DEFAULTS, Environment, Flags, Settings};

/// A text that no setting takes.
const IMPOSSIBLE: &str = "\u{1}";

/// The JSON Schema (draft 7) of the configuration file.
///
/// # Errors
/// If the defaults are not valid.
pub fn schema() -> Result<serde_json::Value, ConfigError> {
    let layers = Layers::new(None, &Environment::default(), &Flags::default())?;
    let mut sections = Map::new();
    for (section, item) in document(DEFAULTS).iter().flat_map(|defaults| defaults.iter()) {
        let mut settings = Map::new();
        for (key, default) in item.as_table_like().iter().flat_map(|table| table.iter()) {
            settings.insert(key.to_owned(), of_setting(&layers, section, key, default));
        }
        let section_schema =
            json!({ "type": "object", "additionalProperties": false, "properties": settings });
        sections.insert(section.to_owned(), section_schema);
    }
    Ok(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of decom",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    }))
}

fn of_setting(layers: &Layers, section: &str, key: &str, default: &Item) -> serde_json::Value {
    let refused = |value: Value| match Settings::of(&layers.with(&format!("{section}.{key}"), value)) {
        Err(ConfigError::Invalid { expected, .. }) => expected,
        _ => String::new(),
    };
    let mut schema = Map::new();
    let mut put = |name: &str, value: serde_json::Value| schema.insert(name.to_owned(), value);
    let expected = match default.as_value() {
        Some(toml_edit::Value::Boolean(value)) => {
            put("type", json!("boolean"));
            put("default", json!(value.value()));
            String::new()
        }
        Some(toml_edit::Value::Integer(value)) => {
            put("type", json!("integer"));
            put("default", json!(value.value()));
            let expected = refused(Dict::new().into());
            let (least, most) = bounds(&expected);
            for (name, bound) in [("minimum", least), ("maximum", most)] {
                if let Some(bound) = bound {
                    put(name, json!(bound));
                }
            }
            expected
        }
        Some(toml_edit::Value::Float(value)) => {
            put("type", json!(["number", "string"]));
            put("default", json!(value.value()));
            refused(IMPOSSIBLE.into())
        }
        Some(toml_edit::Value::Array(_)) => {
            let expected = refused(vec![IMPOSSIBLE].into());
            let words = words(&expected, "a list of ");
            put("type", json!("array"));
            put("default", json!([]));
            put(
                "items",
                if words.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": words }) },
            );
            expected
        }
        _ => {
            let expected = refused(IMPOSSIBLE.into());
            let words = words(&expected, "one of ");
            let is_number = expected.starts_with("a whole number");
            put("type", if is_number { json!(["integer", "string"]) } else { json!("string") });
            put("default", json!(default.as_str().unwrap_or_default()));
            if !words.is_empty() {
                put("enum", json!(words));
            }
            expected
        }
    };
    let documentation = documentation(section, key);
    let description = match expected.as_str() {
        "" => documentation,
        expected => format!("{documentation} It must be {expected}."),
    };
    put("description", json!(description));
    schema.into()
}

/// The bounds in "a whole number from 1 to 1024" and "a whole number, 1 or more".
fn bounds(expected: &str) -> (Option<i64>, Option<i64>) {
    let mut numbers = expected.split([' ', ',']).filter_map(|word| word.parse().ok());
    (numbers.next(), numbers.next())
}

/// The words of a list that begins with `beginning`.
fn words<'a>(expected: &'a str, beginning: &str) -> Vec<&'a str> {
    expected.strip_prefix(beginning).map(|list| list.split(", ").collect()).unwrap_or_default()
}

/// The comment before a setting of the defaults, without the flags that it names.
fn documentation(section: &str, key: &str) -> String {
    let (mut current, mut comment) = ("", Vec::new());
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            let text = text.split("(--").next().unwrap_or_default().trim();
            comment.extend((!text.is_empty()).then_some(text));
        } else if let Some(name) = line.strip_prefix('[') {
            (current, comment) = (name.trim_end_matches(']'), Vec::new());
        } else if line.split(" =").next() == Some(key) && current == section {
            return comment.join(" ");
        } else {
            comment.clear();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(path: &str, value: impl Into<Value>) -> bool {
        let layers = Layers::new(None, &Environment::default(), &Flags::default()).unwrap();
        Settings::of(&layers.with(path, value.into())).is_ok()
    }

    /// Each setting, as `section.key`, and its schema.
    fn settings() -> Vec<(String, serde_json::Value)> {
        let schema = schema().unwrap();
        let sections = schema["properties"].as_object().unwrap().iter();
        let of = |(section, schema): (&String, &serde_json::Value)| {
            let settings = schema["properties"].as_object().unwrap().clone().into_iter();
            settings.map(|(key, schema)| (format!("{section}.{key}"), schema)).collect::<Vec<_>>()
        };
        sections.flat_map(of).collect()
    }

    #[test]
    fn knows_every_setting_and_describes_it() {
        let settings = settings();
        assert_eq!(settings.len(), super::super::setting::SETTINGS.len());
        for (path, schema) in settings {
            assert!(schema["description"].as_str().unwrap().len() > 10, "{path}: {schema}");
        }
    }

    #[test]
    fn bounds_are_those_that_the_settings_keep() {
        let mut integers = 0;
        for (path, schema) in settings().into_iter().filter(|(_, schema)| schema["type"] == "integer") {
            let least = schema["minimum"].as_i64().unwrap();
            assert!(!is_accepted(&path, least - 1), "{path}");
            // The failures that stop a run have to fit into their window.
            if path != "safety.breaker_window" {
                assert!(is_accepted(&path, least), "{path}");
            }
            if let Some(most) = schema["maximum"].as_i64() {
                assert!(!is_accepted(&path, most + 1), "{path}");
                assert!(is_accepted(&path, most) || path == "safety.breaker_failures", "{path}");
            }
            integers += 1;
        }
        assert!(integers > 5, "{integers}");
    }

    #[test]
    fn words_are_those_that_the_settings_take() {
        let mut found = Vec::new();
        for (path, schema) in settings() {
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.iter().all(|word| is_accepted(&path, word.as_str().unwrap())), "{path}");
                found.push(path);
            } else if let Some(words) = schema["items"]["enum"].as_array() {
                assert!(words.iter().all(|word| is_accepted(&path, vec![word.as_str().unwrap()])), "{path}");
                found.push(path);
            }
        }
        found.sort();
        assert_eq!(found, ["log.format", "run.accept", "watch.notify_form", "watch.notify_on"]);
    }
}
