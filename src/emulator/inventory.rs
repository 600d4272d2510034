//! The datasources and datamarts that exist, in a form that stays small with a million of them.
//!
//! All names are in one text, in the order in which they were given, which is also the order of the listings: no
//! client may rely on an alphabetical order. A name is found by binary search in a sorted index, and a page of the
//! listing by counting bits, so neither needs a map of owned names.

use serde::Serialize;

use super::bits::next_set;
use super::chance::{Chance, DrawPurpose};
use super::creation::Creation;
use super::datamarts::{Change, Datamarts, DrawnDatamarts};
use super::faults::{Family, FaultKind, Faults};

/// The entries of one page of a listing.
pub(super) const PAGE: usize = 10;
/// How many words of 64 datasources share one count.
const BLOCK: usize = 64;
const MOST_DATAMARTS: u8 = 3;

/// Why a datamart is not created: there is nothing that it could read.
pub(super) const NO_DATASOURCE: &str = "Invalid datasource name";

/// One of the two listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Datasources,
    Datamarts,
}

impl Listing {
    pub(super) const OPENING: &'static [u8] = br#"{"data":["#;

    pub(super) const fn closing(self) -> &'static [u8] {
        match self {
            Self::Datasources => b"]}",
            Self::Datamarts => br#"],"error":null}"#,
        }
    }
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// The state of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameState {
    /// Exists at this position and can be deleted.
    Free(usize),
    /// Exists, and datamarts read it.
    InUse,
    /// Exists, and a workspace is connected to it.
    Bound,
    /// Was given, but drawn to be missing from the start.
    Missing,
    /// Was deleted or never given.
    Absent,
}

/// All datasources and datamarts.
#[derive(Debug)]
pub(super) struct Inventory {
    chance: Chance,
    /// All names joined, and where each one ends.
    text: String,
    ends: Vec<usize>,
    /// The positions of all different names, sorted by name.
    sorted: Vec<usize>,
    /// One bit for each position, set if the datasource exists, and the number of set bits in each block.
    present: Vec<u64>,
    present_in_block: Vec<usize>,
    /// The positions that are drawn to be missing, ascending.
    missing: Vec<usize>,
    /// The positions of datasources to which a workspace is connected, ascending.
    bound: Vec<usize>,
    datamarts: Datamarts,
}

/// What is drawn for the names, while they are admitted.
#[derive(Default)]
struct Drawn {
    missing: Vec<usize>,
    bound: Vec<usize>,
    datamarts: DrawnDatamarts,
}

impl Inventory {
    /// Takes `names`, of which equal ones are one datasource, and draws the fault of each, and which datamarts read it:
    /// at most `most_datamarts`, if no fault decides that.
    pub(super) fn new(
        names: impl Iterator<Item = String>,
        most_datamarts: u8,
        faults: &Faults,
        chance: Chance,
    ) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(names.size_hint().0));
        for name in names {
            text.push_str(&name);
            ends.push(text.len());
        }
        text.shrink_to_fit();
        ends.shrink_to_fit();
        let words = ends.len().div_ceil(64);
        let mut inventory = Self {
            chance,
            text,
            sorted: (0..ends.len()).collect(),
            ends,
            present: vec![0; words],
            present_in_block: vec![0; words.div_ceil(BLOCK)],
            missing: Vec::new(),
            bound: Vec::new(),
            datamarts: Datamarts::new(chance, DrawnDatamarts::default()),
        };
        let mut sorted = std::mem::take(&mut inventory.sorted);
        sorted.sort_unstable_by_key(|at| (inventory.name(*at), *at));
        sorted.dedup_by(|later, first| inventory.name(*later) == inventory.name(*first));
        let mut drawn = Drawn::default();
        for (nth, at) in sorted.iter().enumerate() {
            let neighbour = sorted[(nth + 1) % sorted.len()];
            inventory.admit(*at, neighbour, most_datamarts, faults, &mut drawn);
        }
        let Drawn { mut missing, mut bound, datamarts } = drawn;
        missing.sort_unstable();
        bound.sort_unstable();
        Self { sorted, missing, bound, datamarts: Datamarts::new(chance, datamarts), ..inventory }
    }

    fn admit(&mut self, at: usize, neighbour: usize, most_datamarts: u8, faults: &Faults, drawn: &mut Drawn) {
        let (chance, name) = (self.chance, self.name(at));
        let draw = faults.has_any(Family::Name).then(|| chance.draw(DrawPurpose::NameFault, name, 0));
        let fault = draw.and_then(|draw| faults.of_draw(Family::Name, draw));
        let below = |bound: u8| chance.below(bound, DrawPurpose::Datamarts, name, 0);
        let datamarts = match fault {
            Some(FaultKind::Missing) => {
                drawn.missing.push(at);
                return;
            }
            Some(
                FaultKind::InUse
                | FaultKind::Shared
                | FaultKind::NewDatamart
                | FaultKind::MovedDatamart
                | FaultKind::ChangedDatamart,
            ) => 1 + below(MOST_DATAMARTS),
            _ => below(most_datamarts.saturating_add(1)),
        };
        drawn.datamarts.sources.extend((0..datamarts).map(|_| at));
        match fault {
            Some(FaultKind::Workspace) => drawn.bound.push(at),
            Some(FaultKind::Shared) => drawn.datamarts.shared.push(at),
            Some(FaultKind::NewDatamart) => drawn.datamarts.changes.push((at, Change::Appears)),
            Some(FaultKind::MovedDatamart) => drawn.datamarts.changes.push((at, Change::Moves(neighbour))),
            Some(FaultKind::ChangedDatamart) => drawn.datamarts.changes.push((at, Change::Grows)),
            _ => {}
        }
        self.present[at / 64] |= 1 << (at % 64);
        self.present_in_block[at / 64 / BLOCK] += 1;
    }

    /// The state of `name`, compared byte by byte.
    pub(super) fn state(&self, name: &str) -> NameState {
        let Ok(found) = self.sorted.binary_search_by(|at| self.name(*at).cmp(name)) else {
            return NameState::Absent;
        };
        let at = self.sorted[found];
        if self.present[at / 64] & (1 << (at % 64)) == 0 {
            let missing = self.missing.binary_search(&at).is_ok();
            if missing { NameState::Missing } else { NameState::Absent }
        } else if self.datamarts.read(at) {
            NameState::InUse
        } else if self.bound.binary_search(&at).is_ok() {
            NameState::Bound
        } else {
            NameState::Free(at)
        }
    }

    /// Removes the datasource at a position that [`NameState::Free`] gave.
    pub(super) fn delete(&mut self, at: usize) {
        self.present[at / 64] &= !(1 << (at % 64));
        self.present_in_block[at / 64 / BLOCK] -= 1;
    }

    /// Removes the datamart of this name; returns false if there is none.
    pub(super) fn delete_datamart(&mut self, name: &str) -> bool {
        let is_named = |index: &usize| self.datamart_name(*index) == name;
        let found = self.datamarts.candidate(name).filter(is_named);
        if let Some(index) = found {
            self.datamarts.delete(index);
        }
        found.is_some()
    }

    /// Creates a datamart if its datasource exists and its name is free.
    pub(super) fn create_datamart(&mut self, creation: &Creation) -> Result<(), &'static str> {
        let found = self.sorted.binary_search_by(|at| self.name(*at).cmp(&creation.datasource_name));
        let source = found.ok().map(|found| self.sorted[found]);
        let exists = |at: &usize| self.present[at / 64] & (1 << (at % 64)) != 0;
        let Some(source) = source.filter(exists) else { return Err(NO_DATASOURCE) };
        let taken = self.datamarts.candidate(&creation.name);
        if taken.is_some_and(|index| self.datamart_name(index) == creation.name) {
            return Err("A datamart of this name exists already");
        }
        self.datamarts.create(creation.name.clone(), source, creation.entry());
        Ok(())
    }

    fn datamart_name(&self, index: usize) -> String {
        self.datamarts.name(index, self.name(self.datamarts.origin(index)))
    }

    /// The datamarts were listed: those that are to change do so.
    pub(super) fn change_datamarts(&mut self) {
        self.datamarts.change();
    }

    /// The position of the entry with this index in a listing; `None` past the end.
    pub(super) fn position(&self, listing: Listing, index: usize) -> Option<usize> {
        let mut skip = index;
        if listing == Listing::Datamarts {
            return self.datamarts.nth(skip);
        }
        let block = self.present_in_block.iter().position(|count| {
            let here = skip < *count;
            if !here {
                skip -= count;
            }
            here
        })?;
        let mut at = self.next_present(block * BLOCK * 64)?;
        for _ in 0..skip {
            at = self.next_present(at + 1)?;
        }
        Some(at)
    }

    /// Appends the entries of a listing from position `from` to `out`, as JSON separated by commas, as long as
    /// `more` returns true for the entries so far and the bytes of `out`. `begun` is true if the listing has an
    /// entry already. Returns the position to continue at, `None` at the end.
    pub(super) fn list(
        &self,
        listing: Listing,
        from: usize,
        begun: &mut bool,
        out: &mut Vec<u8>,
        more: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        let (mut from, mut entries) = (from, 0);
        while more(entries, out.len()) {
            let at = match listing {
                Listing::Datasources => self.next_present(from)?,
                Listing::Datamarts => self.datamarts.next(from)?,
            };
            if std::mem::replace(begun, true) {
                out.push(b',');
            }
            // Writing to memory cannot fail.
            let _ = match listing {
                Listing::Datasources => serde_json::to_writer(&mut *out, &Named { name: self.name(at) }),
                Listing::Datamarts => {
                    let [origin, reads] =
                        [self.datamarts.origin(at), self.datamarts.source(at)].map(|at| self.name(at));
                    serde_json::to_writer(&mut *out, &self.datamarts.entry(at, origin, reads))
                }
            };
            (from, entries) = (at + 1, entries + 1);
        }
        Some(from)
    }

    fn name(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[at]]
    }

    fn next_present(&self, from: usize) -> Option<usize> {
        next_set(&self.present, from)
    }

    /// The memory that the inventory takes, in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let words = [&self.ends, &self.sorted, &self.present_in_block, &self.missing, &self.bound];
        self.text.capacity()
            + self.datamarts.heap_bytes()
            + self.present.capacity() * 8
            + words.iter().map(|v| v.capacity() * 8).sum::<usize>()
    }
}
