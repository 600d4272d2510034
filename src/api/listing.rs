//! A listing as the API returns it, and the entries that are known of it so far.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::page::{Length, Part};
use crate::domain::Datamart;

/// A listing whose length is not a multiple of this was not one page of a longer one.
const ROUND: usize = 5;

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

/// A datamart, with the whole of its entry.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct DatamartEntry {
    name: String,
    datasource: Option<String>,
    entry: Value,
}

/// Why an entry is not a datamart.
#[derive(Debug, thiserror::Error)]
#[error("an entry has no name")]
pub(super) struct Nameless;

impl TryFrom<Value> for DatamartEntry {
    type Error = Nameless;

    fn try_from(entry: Value) -> Result<Self, Nameless> {
        let name = entry["name"].as_str().ok_or(Nameless)?.to_owned();
        let datasource = entry["companyIntegration"]["name"].as_str().map(str::to_owned);
        Ok(Self { name, datasource, entry })
    }
}

impl DatamartEntry {
    /// Returns the datamart, or its name if the entry does not say which datasource it reads.
    pub(super) fn into_datamart(self) -> Result<Datamart, String> {
        let Self { name, datasource, entry } = self;
        let Some(datasource) = datasource else { return Err(name) };
        let tables = entry["datamartTables"].as_array();
        let columns =
            tables.into_iter().flatten().filter_map(|table| table["datamartTableColumns"].as_array());
        Ok(Datamart {
            name,
            datasource,
            tenancy: entry["datamartOrganization"]["tenancyLevel"].as_str().map(str::to_owned),
            tables: tables.map_or(0, Vec::len),
            columns: columns.map(Vec::len).sum(),
            definition: entry.to_string(),
        })
    }
}

impl Entry for DatamartEntry {
    fn key(&self) -> String {
        let reads = self.datasource.as_deref().unwrap_or_default();
        // No name holds a NUL.
        format!("{}\0{reads}", self.name)
    }
}

/// The entries of one pass over a listing, each once.
pub(super) struct Pass<T> {
    pub(super) entries: Vec<T>,
    keys: HashSet<String>,
    /// How many entries came, repeated ones included.
    count: usize,
    /// What the last reply said of it.
    length: Length,
}

impl<T: Entry> Pass<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), keys: HashSet::new(), count: 0, length: Length::default() }
    }

    pub(super) fn add(&mut self, part: Part<T>) {
        self.length = Length { total: part.length.total.or(self.length.total), ..part.length };
        self.count += part.entries.len();
        for entry in part.entries {
            if self.keys.insert(entry.key()) {
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn holds(&self, entry: &T) -> bool {
        self.keys.contains(&entry.key())
    }

    /// Returns true if all entries of `other` are among these.
    pub(super) fn holds_all(&self, other: &Self) -> bool {
        other.keys.is_subset(&self.keys)
    }

    /// How many entries came.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns true if nothing that came with it says that it is not all.
    pub(super) fn is_whole(&self) -> bool {
        !self.length.more && self.length.total.is_none_or(|total| total == self.count as u64)
    }

    /// Returns true if this may be one page of a longer listing: pages have round sizes.
    pub(super) fn may_be_a_page(&self) -> bool {
        self.count > 0 && self.count.is_multiple_of(ROUND)
    }

    /// Returns true if both passes are whole and hold the same entries.
    pub(super) fn confirms(&self, other: &Self) -> bool {
        self.is_whole() && other.is_whole() && self.keys == other.keys
    }
}
