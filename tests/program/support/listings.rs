//! Listings as the API documents them.

use serde_json::{Value, json};

use super::{Reply, Request};

/// How many entries a page of a listing has.
const PAGE: usize = 10;

/// The entry of a datamart in the listing.
pub fn datamart_entry(name: &str, reads: &str) -> Value {
    json!({ "name": name, "companyIntegration": { "name": reads } })
}

/// A listing as the API documents it.
pub fn listing(entries: Vec<Value>) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let data = match request.page() {
            None => &entries[..],
            Some(page) => entries.chunks(PAGE).nth(page - 1).unwrap_or_default(),
        };
        Reply::json(200, &json!({ "data": data, "error": null }))
    }
}
