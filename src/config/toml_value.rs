//! Values as TOML writes them.

use figment::value::{Dict, Value};
use toml_edit::{ImDocument, Item, TomlError};

pub(super) fn document(text: &str) -> Result<ImDocument<&str>, TomlError> {
    ImDocument::parse(text)
}

/// A value of the file `text`. A number with a point stays as it is written, as not every one can be kept exactly.
pub(super) fn value_of(text: &str, item: &Item) -> Value {
    match item.as_value() {
        Some(toml_edit::Value::String(value)) => value.value().as_str().into(),
        Some(toml_edit::Value::Integer(value)) => (*value.value()).into(),
        Some(toml_edit::Value::Boolean(value)) => (*value.value()).into(),
        Some(toml_edit::Value::Array(items)) => {
            let items = items.iter().map(|item| value_of(text, &Item::Value(item.clone())));
            items.collect::<Vec<_>>().into()
        }
        Some(value @ (toml_edit::Value::Float(_) | toml_edit::Value::Datetime(_))) => {
            value.span().and_then(|span| text.get(span)).unwrap_or_default().into()
        }
        // No setting is a table.
        Some(toml_edit::Value::InlineTable(_)) | None => Dict::new().into(),
    }
}
