//! Reads records in their order, checks each by itself and against the hash before it, and passes
//! on what it says.
//!
//! The canonical form is built here a second time, from the page that describes it and not from the
//! writer: what both agree on is what the page says.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::indexes::{Key, Sums};
use super::shape::{COLUMNS, Kind, is_evidence, is_integer, is_verdict, kind_of, outcome_of, place};
use super::{Finding, Findings};
use crate::audit::record::{BEFORE_THE_FIRST, Hash};
use crate::domain::Outcome;

const KIND: usize = place("kind");
const NAME: usize = place("name");
const OUTCOME: usize = place("outcome");
const VERDICT: usize = place("verdict");
const EVIDENCE: usize = place("evidence");
const DETAIL: usize = place("detail");
const HASH: usize = place("hash");

/// The columns that hold the place of a record: `seq`, `run` and `target`.
const PLACES: [usize; 3] = [0, 3, 4];

/// How many records are passed on at once: few enough to be in the processor's cache still.
const PART: usize = 1024;

/// What one record says, as far as others are to be held against it. What is not there is 0.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) seq: i64,
    pub(super) at_us: i64,
    pub(super) kind: Kind,
    pub(super) outcome: Option<Outcome>,
    pub(super) run: i64,
    pub(super) target: i64,
    pub(super) number: i64,
    /// Of a log, a run or an end: its name and its detail.
    pub(super) words: Option<Box<(String, String)>>,
}

/// Some records in a row.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) facts: Vec<Fact>,
    pub(super) findings: Findings,
    /// How many there are, those included that say nothing.
    pub(super) records: u64,
    /// The places of the first and the last.
    pub(super) ends: Option<(i64, i64)>,
    /// The entries that the indexes should have of them.
    pub(super) entries: Sums,
}

impl Part {
    fn empty() -> Self {
        Self { facts: Vec::with_capacity(PART), ..Self::default() }
    }
}

/// A record's columns, in the table's order.
pub(super) type Values<'a> = [ValueRef<'a>; COLUMNS.len()];

/// Room for them.
pub(super) const NO_VALUES: Values<'_> = [ValueRef::Null; COLUMNS.len()];

/// Takes what was read; `false` where no more is wanted.
pub(super) type Take<'a> = &'a mut dyn FnMut(Part) -> bool;

/// Reads the records of which `from <= seq <= to`. Each range that is read gives at least one part,
/// and `last` in the last. In a merged file they are those of one log, moved by `shift`.
pub(super) fn read(
    connection: &Connection,
    key: &Key,
    shift: i64,
    from: i64,
    to: i64,
    take: Take<'_>,
) -> rusqlite::Result<bool> {
    let before = "SELECT hash FROM record WHERE seq < ?1 AND seq > ?2 ORDER BY seq DESC LIMIT 1";
    // What stands before the first record of a log that was merged is another log.
    let not_before = if shift == 0 { i64::MIN } else { shift };
    let previous = connection
        .prepare_cached(before)?
        .query_row([from.saturating_add(shift), not_before], |row| Ok(hash_of(row.get_ref(0)?)))
        .optional()?
        .flatten()
        .unwrap_or(BEFORE_THE_FIRST);
    let query = format!("SELECT {} FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq", COLUMNS.join(", "));
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query([from.saturating_add(shift), to.saturating_add(shift)])?;
    let mut reading = Reading::new(key, shift, previous);
    while let Some(row) = rows.next()? {
        let mut values = NO_VALUES;
        for (column, value) in values.iter_mut().enumerate() {
            *value = row.get_ref(column)?;
        }
        reading.record(&values);
        if let Some(part) = reading.full()
            && !take(part)
        {
            return Ok(false);
        }
    }
    Ok(take(reading.rest()))
}

/// The hash that a record says it has.
pub(super) fn hash_of(value: ValueRef<'_>) -> Option<Hash> {
    match value {
        ValueRef::Blob(bytes) => bytes.try_into().ok(),
        _ => None,
    }
}

/// Records that are being read, one behind the other.
pub(super) struct Reading<'a> {
    key: &'a Key,
    shift: i64,
    previous: Hash,
    canonical: Vec<u8>,
    entry: Vec<u8>,
    part: Part,
}

impl<'a> Reading<'a> {
    /// Before the first of the records, behind one of the hash `previous`.
    pub(super) fn new(key: &'a Key, shift: i64, previous: Hash) -> Self {
        let (canonical, entry) = (Vec::with_capacity(1024), Vec::new());
        Self { key, shift, previous, canonical, entry, part: Part::empty() }
    }

    /// The records so far, where they are enough to be passed on.
    pub(super) fn full(&mut self) -> Option<Part> {
        (self.part.facts.len() >= PART).then(|| std::mem::replace(&mut self.part, Part::empty()))
    }

    /// The records that were not passed on yet.
    pub(super) fn rest(self) -> Part {
        self.part
    }

    /// Checks one record.
    pub(super) fn record(&mut self, values: &Values<'_>) {
        self.part.records += 1;
        let mut integers = [0_i64; COLUMNS.len()];
        let (mut set, mut wrong) = (1_u32 << HASH, None);
        let (mut kind_word, mut outcome_word): (&[u8], &[u8]) = (b"", b"");
        let mut unknown_word = None;
        self.canonical.clear();
        self.canonical.extend_from_slice(&self.previous);
        for (column, value) in values.iter().copied().enumerate().take(HASH) {
            let fits = match value {
                ValueRef::Null => {
                    self.canonical.push(0);
                    continue;
                }
                ValueRef::Integer(integer) => {
                    let moved = if PLACES.contains(&column) { self.shift } else { 0 };
                    let integer = integer.wrapping_sub(moved);
                    integers[column] = integer;
                    let mut form = [1; 9];
                    form[1..].copy_from_slice(&integer.to_be_bytes());
                    self.canonical.extend_from_slice(&form);
                    is_integer(column)
                }
                ValueRef::Text(bytes) => {
                    // A text of 4 GiB is none that SQLite stores.
                    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    let mut form = [2; 5];
                    form[1..].copy_from_slice(&length.to_be_bytes());
                    self.canonical.extend_from_slice(&form);
                    self.canonical.extend_from_slice(bytes);
                    match column {
                        KIND => kind_word = bytes,
                        OUTCOME => outcome_word = bytes,
                        VERDICT if !is_verdict(bytes) => unknown_word = Some("verdict"),
                        EVIDENCE if !is_evidence(bytes) => unknown_word = Some("evidence"),
                        _ => {}
                    }
                    !is_integer(column) && std::str::from_utf8(bytes).is_ok()
                }
                ValueRef::Blob(_) | ValueRef::Real(_) => false,
            };
            set |= 1 << column;
            if !fits {
                wrong = wrong.or(Some((COLUMNS[column], in_words(value))));
            }
        }
        let stored = hash_of(values[HASH]);
        if stored.is_none() {
            wrong = wrong.or(Some(("hash", in_words(values[HASH]))));
        }
        let seq = integers[0];
        // What comes before the first of a part, those know who have the part before.
        if let Some((_, last)) = self.part.ends
            && seq != last.saturating_add(1)
        {
            self.part.findings.add(Finding::Gap { seq, expected: last.saturating_add(1) });
        }
        self.part.ends = Some((self.part.ends.map_or(seq, |(first, _)| first), seq));
        if let Some((column, found)) = wrong {
            self.part.findings.add(Finding::Type { seq, column, found });
        }
        let computed: Hash = Sha256::digest(&self.canonical).into();
        if stored != Some(computed) {
            self.part.findings.add(Finding::Hash { seq });
        }
        if let Some(column) = unknown_word {
            self.part.findings.add(Finding::Word { seq, column });
        }
        if integers[2] < 0 {
            self.part.findings.add(Finding::Time { seq });
        }
        self.key.add(&mut self.part.entries, kind_word, set, values, &mut self.entry);
        self.note(values, seq, kind_word, outcome_word, set, &integers);
        self.previous = stored.unwrap_or(computed);
    }

    fn note(
        &mut self,
        values: &Values<'_>,
        seq: i64,
        kind_word: &[u8],
        outcome_word: &[u8],
        set: u32,
        integers: &[i64; COLUMNS.len()],
    ) {
        let findings = &mut self.part.findings;
        let Some((kind, missing, surplus)) = kind_of(kind_word, set) else {
            return findings.add(Finding::Word { seq, column: "kind" });
        };
        for (columns, missing) in [(missing, true), (surplus, false)] {
            if let Some(column) = COLUMNS.get(columns.trailing_zeros() as usize) {
                findings.add(Finding::Shape { seq, column, missing });
            }
        }
        let outcome = outcome_of(outcome_word);
        if outcome.is_none() && !outcome_word.is_empty() {
            findings.add(Finding::Word { seq, column: "outcome" });
        }
        let words = match kind {
            Kind::Log | Kind::Run | Kind::End => {
                let text = |column: usize| match values[column] {
                    ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    _ => String::new(),
                };
                let (name, detail) = (text(NAME), text(DETAIL));
                // The views look into it.
                if !serde_json::from_str::<serde_json::Value>(&detail).is_ok_and(|value| value.is_object()) {
                    findings.add(Finding::Word { seq, column: "detail" });
                }
                Some(Box::new((name, detail)))
            }
            _ => None,
        };
        self.part.facts.push(Fact {
            seq,
            at_us: integers[2],
            kind,
            outcome,
            run: integers[3],
            target: integers[4],
            number: integers[5],
            words,
        });
    }
}

const fn in_words(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "nothing",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a fraction",
        ValueRef::Text(_) => "a text, or one that is no UTF-8",
        ValueRef::Blob(_) => "bytes",
    }
}
