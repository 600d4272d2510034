//! The body of one reply of a listing, and what it says of the length of the whole.

use std::fmt;
use std::marker::PhantomData;

use http::HeaderMap;
use http::header::{CONTENT_RANGE, LINK};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::success::names_a_failure;

/// What is read from an object only: an array would fill a structure as well, by its order.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// The body of a listing: the documented `data` and `error`, and whatever else there is.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Page<T> {
    data: Vec<Object<T>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl<T> Page<T> {
    /// Returns true if it holds an error beside its data.
    pub(super) fn names_a_failure(&self) -> bool {
        names_a_failure(&self.rest)
    }

    pub(super) fn read(self, headers: &HeaderMap) -> Part<T> {
        let mut length = Length::default();
        length.read(&self.rest);
        length.read_headers(headers);
        Part { entries: self.data.into_iter().map(|Object(entry)| entry).collect(), length }
    }
}

/// What one reply brings of a listing.
pub(super) struct Part<T> {
    pub(super) entries: Vec<T>,
    pub(super) length: Length,
}

/// What a reply says of the length of the whole listing. None of it is documented; all of it is heeded.
#[derive(Default)]
pub(super) struct Length {
    /// There is more after this reply.
    pub(super) more: bool,
    pub(super) total: Option<u64>,
}

impl Length {
    fn read(&mut self, object: &Map<String, Value>) {
        for (key, value) in object {
            let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
            match key.to_ascii_lowercase().as_str() {
                "hasmore" | "hasnext" | "hasnextpage" | "istruncated" | "truncated" => {
                    self.more |= value == &Value::Bool(true);
                }
                "next" | "nextpage" | "nextcursor" | "nextpagetoken" | "nexttoken" | "nexturl"
                | "nextlink" => {
                    self.more |= !matches!(value, Value::Null | Value::Bool(false)) && value != "";
                }
                "total" | "totalcount" | "totalitems" | "totalrecords" | "totalelements" | "totalresults" => {
                    self.set_total(value.as_u64().or_else(|| value.as_str()?.parse().ok()));
                }
                _ => {}
            }
            if let Value::Object(inner) = value {
                self.read(inner);
            }
        }
    }

    fn read_headers(&mut self, headers: &HeaderMap) {
        let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        self.more |= texts(LINK).flat_map(|links| links.split([',', ';'])).any(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or_default();
            key.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        for range in texts(CONTENT_RANGE) {
            self.set_total(range.rsplit('/').next().and_then(|total| total.trim().parse().ok()));
        }
    }

    /// The largest counts, if there are several.
    fn set_total(&mut self, total: Option<u64>) {
        self.total = self.total.max(total);
    }
}
