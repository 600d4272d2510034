//! The datasources that exist, in a form that stays lean with a million of them.
//!
//! All names lie in one text, in the order in which they were given, which is also the order of the
//! listings: a client must not rely on an alphabet there. Looking a name up is a binary search over
//! a sorted index, and a page of the listing is found by counting bits, so that neither needs a map
//! of owned names.

use serde::Serialize;

use super::faults::{FaultKind, Faults};
use super::lots::{Lots, Purpose};

/// How many entries a page of a listing has.
pub(super) const PAGE: usize = 10;
/// How many words of 64 datasources are counted together.
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
const FACES: [&str; 8] =
    ["analytics", "overview", "dashboard", "insights", "monthly", "kpis", "report", "embedded"];

/// One of the two listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Catalog {
    Datasources,
    Datamarts,
}

impl Catalog {
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

/// What there is to know about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Exists and can be deleted; the position is its own.
    Free(usize),
    /// Exists, and datamarts depend on it.
    InUse,
    /// Was given, but drawn to be missing from the beginning.
    Missing,
    /// Deleted, or never heard of.
    Absent,
}

/// All datasources and datamarts.
#[derive(Debug)]
pub(super) struct Estate {
    lots: Lots,
    /// All names, one after the other, and where each one ends.
    text: String,
    ends: Vec<usize>,
    /// The positions of all different names, sorted by name.
    sorted: Vec<usize>,
    /// One bit for each position: does it exist? And how many do, block by block.
    present: Vec<u64>,
    present_in_block: Vec<usize>,
    /// The positions that are drawn to be missing, ascending.
    missing: Vec<usize>,
    /// For each datamart the position of its datasource, ascending.
    datamarts: Vec<usize>,
}

impl Estate {
    /// Takes stock of `names`, of which equal ones are one datasource, and draws the fate of each.
    pub(super) fn new(names: impl Iterator<Item = String>, faults: &Faults, lots: Lots) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(names.size_hint().0));
        for name in names {
            text.push_str(&name);
            ends.push(text.len());
        }
        text.shrink_to_fit();
        ends.shrink_to_fit();
        let words = ends.len().div_ceil(64);
        let mut estate = Self {
            lots,
            text,
            sorted: (0..ends.len()).collect(),
            ends,
            present: vec![0; words],
            present_in_block: vec![0; words.div_ceil(BLOCK)],
            missing: Vec::new(),
            datamarts: Vec::new(),
        };
        let mut sorted = std::mem::take(&mut estate.sorted);
        sorted.sort_unstable_by_key(|at| (estate.name(*at), *at));
        sorted.dedup_by(|later, first| estate.name(*later) == estate.name(*first));
        for at in &sorted {
            estate.admit(*at, faults);
        }
        estate.sorted = sorted;
        estate.missing.sort_unstable();
        estate.datamarts.sort_unstable();
        estate
    }

    fn admit(&mut self, at: usize, faults: &Faults) {
        let (lots, name) = (self.lots, self.name(at));
        let fate = faults.has_any(true).then(|| lots.lot(Purpose::Fate, name, 0));
        match fate.and_then(|lot| faults.drawn(true, lot)) {
            Some(FaultKind::Missing) => {
                self.missing.push(at);
                return;
            }
            Some(_) => {
                let datamarts = 1 + lots.below(MOST_DATAMARTS, Purpose::Datamarts, name, 0);
                self.datamarts.extend((0..datamarts).map(|_| at));
            }
            None => {}
        }
        self.present[at / 64] |= 1 << (at % 64);
        self.present_in_block[at / 64 / BLOCK] += 1;
    }

    /// Where `name` stands, compared byte by byte.
    pub(super) fn standing(&self, name: &str) -> Standing {
        let Ok(found) = self.sorted.binary_search_by(|at| self.name(*at).cmp(name)) else {
            return Standing::Absent;
        };
        let at = self.sorted[found];
        if self.present[at / 64] & (1 << (at % 64)) == 0 {
            let missing = self.missing.binary_search(&at).is_ok();
            if missing { Standing::Missing } else { Standing::Absent }
        } else if self.datamarts.binary_search(&at).is_ok() {
            Standing::InUse
        } else {
            Standing::Free(at)
        }
    }

    /// Removes the datasource at a position that [`Standing::Free`] gave.
    pub(super) fn delete(&mut self, at: usize) {
        self.present[at / 64] &= !(1 << (at % 64));
        self.present_in_block[at / 64 / BLOCK] -= 1;
    }

    /// The position at which page `page` (from 1) of a listing begins; `None` past the end.
    pub(super) fn page_begin(&self, catalog: Catalog, page: usize) -> Option<usize> {
        let mut skip = page.checked_sub(1)?.checked_mul(PAGE)?;
        if catalog == Catalog::Datamarts {
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

    /// Appends entries of a listing from position `from` to `out`, as JSON with commas between, for as
    /// long as `more` (told the entries so far and the bytes of `out`) says so. `begun` tells whether
    /// the listing has an entry already. Returns where to go on, `None` at the end.
    pub(super) fn list(
        &self,
        catalog: Catalog,
        from: usize,
        begun: &mut bool,
        out: &mut Vec<u8>,
        more: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        let (mut from, mut entries) = (from, 0);
        while more(entries, out.len()) {
            let at = match catalog {
                Catalog::Datasources => self.next_present(from)?,
                Catalog::Datamarts => (from < self.datamarts.len()).then_some(from)?,
            };
            if std::mem::replace(begun, true) {
                out.push(b',');
            }
            // Writing texts to memory cannot fail.
            let _ = match catalog {
                Catalog::Datasources => serde_json::to_writer(&mut *out, &Named { name: self.name(at) }),
                Catalog::Datamarts => {
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
            // The number of datamarts was drawn with 0: the words of each take the two that follow.
            usize::from(self.lots.below(bound, Purpose::Datamarts, self.name(source), 1 + 2 * nth + turn))
        };
        let (subject, face) = (SUBJECTS[draw(SUBJECTS.len(), 0)], FACES[draw(FACES.len(), 1)]);
        // The number keeps the names of all datamarts apart.
        format!("{subject}-{face}-{}", datamart + 1)
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

    /// What the estate occupies, in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let words = [&self.ends, &self.sorted, &self.present_in_block, &self.missing, &self.datamarts];
        self.text.capacity()
            + self.present.capacity() * 8
            + words.iter().map(|v| v.capacity() * 8).sum::<usize>()
    }
}
