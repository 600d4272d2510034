//! The datamarts that exist, each with a definition that is drawn from the seed instead of being kept.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::bits::next_set;
use super::chance::{Chance, DrawPurpose};

const SUBJECTS: [&str; 16] = [
    "sales",
    "finance",
    "customer-360",
    "marketing",
    "inventory",
    "support",
    "product-usage",
    "billing",
    "logistics",
    "churn",
    "onboarding",
    "hr",
    "procurement",
    "web-traffic",
    "revenue",
    "risk",
];
const KINDS: [&str; 8] =
    ["analytics", "overview", "dashboard", "insights", "monthly", "kpis", "report", "embedded"];
const TABLES: [&str; 4] = ["customers", "orders", "invoices", "events"];
pub(super) const COLUMNS: [(&str, &str); 5] = [
    ("id", "integer"),
    ("name", "varchar"),
    ("created_at", "timestamp"),
    ("amount", "numeric"),
    ("status", "varchar"),
];

/// All datamarts, in the order of the datasources that they read. A datamart is known by its index.
#[derive(Debug)]
pub(super) struct Datamarts {
    chance: Chance,
    /// For each datamart the position of its datasource, ascending.
    sources: Vec<usize>,
    /// The positions of datasources that serve several customers, ascending.
    shared: Vec<usize>,
    /// One bit for each datamart, set if it exists.
    present: Vec<u64>,
    /// What happens to datamarts once they were listed.
    pending: HashMap<usize, Change>,
    /// What has happened.
    changed: HashMap<usize, Change>,
    /// Those that requests created, after all others; `None` once deleted.
    created: Vec<Option<Created>>,
}

/// A datamart that a request created.
#[derive(Debug)]
struct Created {
    name: String,
    /// The position of the datasource that it reads.
    source: usize,
    entry: Value,
}

/// What happens to a datamart during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Appears,
    /// It reads the datasource at this position from then on.
    Moves(usize),
    /// It has one more table from then on.
    Grows,
}

/// What is drawn of the datamarts, in any order.
#[derive(Debug, Default)]
pub(super) struct DrawnDatamarts {
    /// The position of a datasource for each datamart that reads it.
    pub(super) sources: Vec<usize>,
    /// The positions of datasources that serve several customers.
    pub(super) shared: Vec<usize>,
    /// Positions of datasources, each with what happens to one of its datamarts.
    pub(super) changes: Vec<(usize, Change)>,
}

impl Datamarts {
    pub(super) fn new(chance: Chance, drawn: DrawnDatamarts) -> Self {
        let DrawnDatamarts { mut sources, mut shared, changes } = drawn;
        sources.sort_unstable();
        shared.sort_unstable();
        let mut present = vec![u64::MAX; sources.len().div_ceil(64)];
        if let Some(last) = present.last_mut() {
            *last >>= (64 - sources.len() % 64) % 64;
        }
        let (pending, changed) = (HashMap::new(), HashMap::new());
        let mut datamarts = Self { chance, sources, shared, present, pending, changed, created: Vec::new() };
        for (source, change) in changes {
            let first = datamarts.first_of(source);
            if change == Change::Appears {
                datamarts.delete(first);
            }
            datamarts.pending.insert(first, change);
        }
        datamarts
    }

    /// The datamarts were listed: what is pending happens, to those that exist still.
    pub(super) fn change(&mut self) {
        for (index, change) in std::mem::take(&mut self.pending) {
            if change == Change::Appears {
                self.present[index / 64] |= 1 << (index % 64);
            }
            self.changed.insert(index, change);
        }
    }

    /// Returns true if a datamart reads the datasource at this position.
    pub(super) fn read(&self, source: usize) -> bool {
        let mut next = self.next(self.first_of(source));
        while let Some(index) = next.filter(|index| self.sources.get(*index) == Some(&source)) {
            if self.source(index) == source {
                return true;
            }
            next = self.next(index + 1);
        }
        let moved_here = |(index, change): (&usize, &Change)| {
            *change == Change::Moves(source) && self.next(*index) == Some(*index)
        };
        self.changed.iter().any(moved_here)
            || self.created.iter().flatten().any(|created| created.source == source)
    }

    /// Adds one that reads the datasource at this position.
    pub(super) fn create(&mut self, name: String, source: usize, entry: Value) {
        self.created.push(Some(Created { name, source, entry }));
    }

    fn created(&self, index: usize) -> Option<&Created> {
        self.created.get(index.checked_sub(self.sources.len())?)?.as_ref()
    }

    /// The position of the datasource that a datamart reads.
    pub(super) fn source(&self, index: usize) -> usize {
        if let Some(created) = self.created(index) {
            return created.source;
        }
        match self.changed.get(&index) {
            Some(Change::Moves(source)) => *source,
            _ => self.sources[index],
        }
    }

    /// The position of the datasource that it read when it was made, which its name is drawn from.
    pub(super) fn origin(&self, index: usize) -> usize {
        self.sources.get(index).copied().unwrap_or_else(|| self.source(index))
    }

    /// The first datamart that exists, from `from` on.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let drawn = self.sources.len();
        let among_created = || {
            let from = from.max(drawn);
            (from..drawn + self.created.len()).find(|index| self.created(*index).is_some())
        };
        next_set(&self.present, from).or_else(among_created)
    }

    /// The datamart that comes after `skip` others.
    pub(super) fn nth(&self, mut skip: usize) -> Option<usize> {
        let Some(word) = self.present.iter().position(|bits| {
            let count = bits.count_ones() as usize;
            let here = skip < count;
            if !here {
                skip -= count;
            }
            here
        }) else {
            let created = (self.sources.len()..).zip(&self.created).filter(|(_, created)| created.is_some());
            return created.map(|(index, _)| index).nth(skip);
        };
        let mut at = self.next(word * 64)?;
        for _ in 0..skip {
            at = self.next(at + 1)?;
        }
        Some(at)
    }

    /// The one datamart that can have this name, if it exists: each name ends with the number of its datamart.
    pub(super) fn candidate(&self, name: &str) -> Option<usize> {
        let is_named =
            |created: &Option<Created>| created.as_ref().is_some_and(|created| created.name == name);
        if let Some(nth) = self.created.iter().position(is_named) {
            return Some(self.sources.len() + nth);
        }
        let (_, number) = name.rsplit_once('-')?;
        let index =
            number.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < self.sources.len())?;
        (self.next(index)? == index).then_some(index)
    }

    pub(super) fn delete(&mut self, index: usize) {
        if let Some(nth) = index.checked_sub(self.sources.len()) {
            self.created[nth] = None;
            return;
        }
        self.present[index / 64] &= !(1 << (index % 64));
    }

    /// The name of a datamart that was made for the datasource `origin`.
    pub(super) fn name(&self, index: usize, origin: &str) -> String {
        if let Some(created) = self.created(index) {
            return created.name.clone();
        }
        let nth = u32::try_from(index - self.first_of(self.sources[index])).unwrap_or_default();
        let draw = |bound: usize, turn: u32| {
            // Draw 0 was for the number of datamarts; each takes two further ones for its words.
            self.draw(bound, DrawPurpose::Datamarts, origin, 1 + 2 * nth + turn)
        };
        let (subject, kind) = (SUBJECTS[draw(SUBJECTS.len(), 0)], KINDS[draw(KINDS.len(), 1)]);
        // The number makes each name unique.
        format!("{subject}-{kind}-{}", index + 1)
    }

    /// The entry of a datamart in the listing, in the documented form: it was made for the datasource `origin`, and
    /// reads the datasource `reads`.
    pub(super) fn entry(&self, index: usize, origin: &str, reads: &str) -> Value {
        if let Some(created) = self.created(index) {
            return created.entry.clone();
        }
        let name = self.name(index, origin);
        let draw = |bound, turn| self.draw(bound, DrawPurpose::Definition, &name, turn);
        let shared = self.shared.binary_search(&self.sources[index]).is_ok();
        let grown = usize::from(self.changed.get(&index) == Some(&Change::Grows));
        let tables = (0..=draw(TABLES.len() - 1, 0) + grown).map(|table| {
            let columns = COLUMNS.iter().take(2 + draw(COLUMNS.len() - 1, 1));
            json!({
                "schemaName": "public",
                "tableName": TABLES[table],
                "label": TABLES[table],
                "clientColumn": "id",
                "isHide": false,
                "datamartTableColumns": columns.map(|(column, datatype)| json!({
                    "columnName": column,
                    "datatype": datatype,
                    "alias": column,
                    "label": column,
                    "isHide": false,
                })).collect::<Vec<_>>(),
            })
        });
        let mut entry = json!({
            "name": name,
            "companyIntegration": { "name": reads },
            "datamartTables": tables.collect::<Vec<_>>(),
            "datamartRelationships": [],
        });
        // The settings are optional.
        if shared || draw(4, 2) > 0 {
            let level = if shared { "TABLE" } else { "DATABASE" };
            entry["datamartOrganization"] = json!({
                "tenancyLevel": level,
                "clientColumnType": "STRING",
                "schemaName": "public",
                "tableName": "organizations",
                "tableClientNameColumn": "name",
                "tablePrimaryKeyColumn": "id",
            });
        }
        entry
    }

    /// A number below `bound`, which is small.
    fn draw(&self, bound: usize, purpose: DrawPurpose, name: &str, nth: u32) -> usize {
        let bound = u8::try_from(bound).unwrap_or(u8::MAX);
        usize::from(self.chance.below(bound, purpose, name, nth))
    }

    fn first_of(&self, source: usize) -> usize {
        self.sources.partition_point(|at| *at < source)
    }

    /// The memory that they take, in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        (self.sources.capacity() + self.shared.capacity() + self.present.capacity()) * 8
    }
}
