//! What a body must not hold if it is a success: an error in any of the places that an API puts one, or a key twice,
//! of which only the last would be read.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Returns true if `object`, a whole body or all of it but its data, says that something failed.
pub(super) fn names_a_failure(object: &Map<String, Value>) -> bool {
    let holds = |key, what: fn(&Value) -> bool| object.get(key).is_some_and(what);
    holds("error", |error| !error.is_null())
        || holds("code", |code| !code.is_null())
        || holds("errors", |errors| !is_empty(errors))
        || holds("success", |success| !matches!(success, Value::Null | Value::Bool(true)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// Returns true if `text` is an object that has a key twice.
pub(super) fn repeats_a_key(text: &[u8]) -> bool {
    serde_json::from_slice(text).is_ok_and(|Repeats(repeats)| repeats)
}

struct Repeats(bool);

impl<'de> Deserialize<'de> for Repeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Repeats;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeats, A::Error> {
                let (mut keys, mut repeats) = (HashSet::new(), false);
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    repeats |= !keys.insert(key);
                }
                Ok(Repeats(repeats))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}
