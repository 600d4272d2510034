//! The datasources and datamarts that exist, in a form that stays small with a million of them.
//!
//! All names are in one text, in the order in which they were given, which is also the order of the listings: no
//! client may rely on an alphabetical order. A name is found by binary search in a sorted index, and a page of the
//! listing by counting bits, so neither needs a map of owned names.

use serde::Serialize;

use super::chance::{Chance, DrawPurpose};
use super::faults::{Family, FaultKind, Faults};

/// The entries of one page of a listing.
pub(super) const PAGE: usize = 10;
/// How many words of 64 datasources share one count.
const BLOCK: usize = 64;
const MOST_DATAMARTS: u8 = 3;
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

#[derive(Serialize)]
struct Datamart<'a> {
    name: &'a str,
    #[serde(rename = "companyIntegration")]
    company_integration: Named<'a>,
}

/// The state of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameState {
    /// Exists at this position and can be deleted.
    Free(usize),
    /// Exists, and datamarts depend on it.
    InUse,
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
    /// For each datamart the position of its datasource, ascending.
    datamarts: Vec<usize>,
}

impl Inventory {
    /// Takes `names`, of which equal ones are one datasource, and draws the fault of each.
    pub(super) fn new(names: impl Iterator<Item = String>, faults: &Faults, chance: Chance) -> Self {
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
            datamarts: Vec::new(),
        };
        let mut sorted = std::mem::take(&mut inventory.sorted);
        sorted.sort_unstable_by_key(|at| (inventory.name(*at), *at));
        sorted.dedup_by(|later, first| inventory.name(*later) == inventory.name(*first));
        for at in &sorted {
            inventory.admit(*at, faults);
        }
        inventory.sorted = sorted;
        inventory.missing.sort_unstable();
        inventory.datamarts.sort_unstable();
        inventory
    }

    fn admit(&mut self, at: usize, faults: &Faults) {
        let (chance, name) = (self.chance, self.name(at));
        let draw = faults.has_any(Family::Name).then(|| chance.draw(DrawPurpose::NameFault, name, 0));
        match draw.and_then(|draw| faults.of_draw(Family::Name, draw)) {
            Some(FaultKind::Missing) => {
                self.missing.push(at);
                return;
            }
            Some(_) => {
                let datamarts = 1 + chance.below(MOST_DATAMARTS, DrawPurpose::Datamarts, name, 0);
                self.datamarts.extend((0..datamarts).map(|_| at));
            }
            None => {}
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
        } else if self.datamarts.binary_search(&at).is_ok() {
            NameState::InUse
        } else {
            NameState::Free(at)
        }
    }

    /// Removes the datasource at a position that [`NameState::Free`] gave.
    pub(super) fn delete(&mut self, at: usize) {
        self.present[at / 64] &= !(1 << (at % 64));
        self.present_in_block[at / 64 / BLOCK] -= 1;
    }

    /// The position of the entry with this index in a listing; `None` past the end.
    pub(super) fn position(&self, listing: Listing, index: usize) -> Option<usize> {
        let mut skip = index;
        if listing == Listing::Datamarts {
            return (skip < self.datamarts.len()).then_some(skip);
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
                Listing::Datamarts => (from < self.datamarts.len()).then_some(from)?,
            };
            if std::mem::replace(begun, true) {
                out.push(b',');
            }
            // Writing to memory cannot fail.
            let _ = match listing {
                Listing::Datasources => serde_json::to_writer(&mut *out, &Named { name: self.name(at) }),
                Listing::Datamarts => {
                    let source = self.datamarts[at];
                    let company_integration = Named { name: self.name(source) };
                    let name = self.datamart_name(at, source);
                    serde_json::to_writer(&mut *out, &Datamart { name: &name, company_integration })
                }
            };
            (from, entries) = (at + 1, entries + 1);
        }
        Some(from)
    }

    fn datamart_name(&self, datamart: usize, source: usize) -> String {
        let first = self.datamarts.partition_point(|at| *at < source);
        let nth = u32::try_from(datamart - first).unwrap_or_default();
        let draw = |bound: usize, turn: u32| {
            let bound = u8::try_from(bound).unwrap_or(u8::MAX);
            // Draw 0 was for the number of datamarts; each takes two further ones for its words.
            usize::from(self.chance.below(
                bound,
                DrawPurpose::Datamarts,
                self.name(source),
                1 + 2 * nth + turn,
            ))
        };
        let (subject, kind) = (SUBJECTS[draw(SUBJECTS.len(), 0)], KINDS[draw(KINDS.len(), 1)]);
        // The number makes each name unique.
        format!("{subject}-{kind}-{}", datamart + 1)
    }

    fn name(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[at]]
    }

    fn next_present(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.present.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.present.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// The memory that the inventory takes, in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let words = [&self.ends, &self.sorted, &self.present_in_block, &self.missing, &self.datamarts];
        self.text.capacity()
            + self.present.capacity() * 8
            + words.iter().map(|v| v.capacity() * 8).sum::<usize>()
    }
}
