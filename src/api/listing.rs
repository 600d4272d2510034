//! A listing as the API returns it, and the entries that are known of it so far.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::MAX_NAME_BYTES;

/// A listing whose length is not a multiple of this was not one page of a longer one.
const ROUND: usize = 5;

/// The body of a listing, as the API documents it.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) error: Option<serde_json::Value>,
}

/// An entry of a listing.
pub(super) trait Entry: DeserializeOwned {
    /// What distinguishes it from the others.
    fn key(&self) -> String;
}

#[derive(Deserialize)]
pub(super) struct NamedEntry {
    pub(super) name: String,
}

impl Entry for NamedEntry {
    fn key(&self) -> String {
        self.name.clone()
    }
}

#[derive(Deserialize)]
pub(super) struct Datamart {
    name: String,
    #[serde(rename = "companyIntegration")]
    company_integration: Option<NamedEntry>,
}

impl Datamart {
    /// Returns the name of the datasource that it reads, if the entry says it, and its own name, cut if it is longer
    /// than a name can be.
    pub(super) fn into_names(self) -> (Option<String>, String) {
        (self.company_integration.map(|integration| integration.name), cut(self.name))
    }
}

impl Entry for Datamart {
    fn key(&self) -> String {
        let reads = self.company_integration.as_ref().map_or("", |integration| &integration.name);
        // No name holds a NUL.
        format!("{}\0{reads}", self.name)
    }
}

fn cut(mut name: String) -> String {
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
        name.push('…');
    }
    name
}

/// The entries of one pass over a listing, each once.
pub(super) struct Pass<T> {
    pub(super) entries: Vec<T>,
    keys: HashSet<String>,
}

impl<T: Entry> Pass<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), keys: HashSet::new() }
    }

    pub(super) fn add(&mut self, entries: Vec<T>) {
        for entry in entries {
            if self.keys.insert(entry.key()) {
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn holds(&self, entry: &T) -> bool {
        self.keys.contains(&entry.key())
    }

    /// Returns true if this may be one page of a longer listing: pages have round sizes.
    pub(super) fn may_be_a_page(&self) -> bool {
        !self.entries.is_empty() && self.entries.len().is_multiple_of(ROUND)
    }

    /// Returns true if both passes hold the same entries.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}
