//! Reads the records in their order, and checks each by itself and against the hash before it.
//!
//! The canonical form is built here a second time, from the page that describes it and not from the
//! writer: what both agree on is what the page says.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

use super::shape::{COLUMNS, Kind, evidence_of, is_integer, kind_of, outcome_of, place, verdict_of};
use super::verdicts::{can_follow, can_settle, can_show};
use super::{Finding, Findings};
use crate::audit::record::{BEFORE_THE_FIRST, Hash, role_from_detail};
use crate::domain::{Outcome, Verdict};

const KIND: usize = place("kind");
const AT: usize = place("at_us");
const RUN: usize = place("run");
const TARGET: usize = place("target");
const NUMBER: usize = place("number");
const NAME: usize = place("name");
const OUTCOME: usize = place("outcome");
const VERDICT: usize = place("verdict");
const STATUS: usize = place("http_status");
const CODE: usize = place("error_code");
const EVIDENCE: usize = place("evidence");
const DETAIL: usize = place("detail");
const HASH: usize = place("hash");

/// The columns that hold the number of a record.
const SEQS: [usize; 3] = [place("seq"), RUN, TARGET];

/// What one record says, as far as others are held against it. What is not there is 0.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) seq: i64,
    pub(super) at_us: i64,
    pub(super) kind: Kind,
    pub(super) verdict: Option<Verdict>,
    pub(super) outcome: Option<Outcome>,
    pub(super) run: i64,
    pub(super) target: i64,
    pub(super) number: i64,
    /// Of a log, a run or an end: its name and its detail.
    pub(super) words: Option<Box<(String, String)>>,
}

/// A record's columns, in the table's order.
pub(super) type Values<'a> = [ValueRef<'a>; COLUMNS.len()];

/// Hands the records after `shift`, or all if that is 0, up to `last`, to `take`.
pub(super) fn each(
    connection: &Connection,
    shift: i64,
    last: Option<i64>,
    mut take: impl FnMut(&Values<'_>),
) -> rusqlite::Result<()> {
    let first = if shift == 0 { i64::MIN } else { shift.saturating_add(1) };
    let query = format!(
        "SELECT {} FROM record NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        COLUMNS.join(", ")
    );
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([first, last.unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let mut values = [ValueRef::Null; COLUMNS.len()];
        for (column, value) in values.iter_mut().enumerate() {
            *value = row.get_ref(column)?;
        }
        take(&values);
    }
    Ok(())
}

/// The records so far.
pub(super) struct Chain {
    /// By how much the numbers of records were raised.
    shift: i64,
    records: u64,
    last: i64,
    at_us: i64,
    /// The hash that the last record has.
    hash: Hash,
    /// The last record's canonical form.
    form: Vec<u8>,
}

impl Chain {
    /// Before the first record of a log.
    pub(super) fn new(shift: i64) -> Self {
        Self { shift, records: 0, last: 0, at_us: 0, hash: BEFORE_THE_FIRST, form: Vec::with_capacity(1024) }
    }

    /// How many records there are.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// The number of the last record.
    pub(super) const fn last(&self) -> i64 {
        self.last
    }

    /// The hash of the last record.
    pub(super) fn head(&self) -> Option<Hash> {
        (self.records > 0).then_some(self.hash)
    }

    /// The time of the last record, in microseconds since 1970.
    pub(super) fn at_us(&self) -> Option<i64> {
        (self.records > 0).then_some(self.at_us)
    }

    /// Checks the next record; `None` if it is of no known kind.
    pub(super) fn check(&mut self, values: &Values<'_>, findings: &mut Findings) -> Option<Fact> {
        let mut integers = [0_i64; COLUMNS.len()];
        let (mut set, mut misfit) = (1_u32 << HASH, None);
        self.form.clear();
        self.form.extend_from_slice(&self.hash);
        for (column, value) in values.iter().copied().enumerate().take(HASH) {
            let fits = match value {
                ValueRef::Null => {
                    self.form.push(0);
                    continue;
                }
                ValueRef::Integer(integer) => {
                    let raised = if SEQS.contains(&column) { self.shift } else { 0 };
                    let integer = integer.wrapping_sub(raised);
                    integers[column] = integer;
                    let mut form = [1; 9];
                    form[1..].copy_from_slice(&integer.to_be_bytes());
                    self.form.extend_from_slice(&form);
                    is_integer(column)
                }
                ValueRef::Text(bytes) => {
                    // SQLite stores no text of 4 GiB.
                    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    let mut form = [2; 5];
                    form[1..].copy_from_slice(&length.to_be_bytes());
                    self.form.extend_from_slice(&form);
                    self.form.extend_from_slice(bytes);
                    !is_integer(column) && std::str::from_utf8(bytes).is_ok()
                }
                ValueRef::Blob(_) | ValueRef::Real(_) => false,
            };
            set |= 1 << column;
            if !fits {
                misfit = misfit.or(Some((COLUMNS[column], in_words(value))));
            }
        }
        let stored = hash_of(values[HASH]);
        if stored.is_none() {
            misfit = misfit.or(Some(("hash", in_words(values[HASH]))));
        }
        let (seq, at_us) = (integers[0], integers[AT]);
        if seq != self.last.saturating_add(1) {
            findings.add(Finding::Gap { seq, expected: self.last.saturating_add(1) });
        }
        if let Some((column, found)) = misfit {
            findings.add(Finding::Type { seq, column, found });
        }
        let computed: Hash = Sha256::digest(&self.form).into();
        if stored != Some(computed) {
            findings.add(Finding::Hash { seq });
        }
        if at_us < 0 || self.records > 0 && at_us < self.at_us {
            findings.add(Finding::Time { seq });
        }
        self.records += 1;
        (self.last, self.at_us, self.hash) = (seq, at_us, stored.unwrap_or(computed));
        fact(values, &integers, set, findings)
    }
}

/// What the record says, if it is of a known kind.
fn fact(
    values: &Values<'_>,
    integers: &[i64; COLUMNS.len()],
    set: u32,
    findings: &mut Findings,
) -> Option<Fact> {
    let seq = integers[0];
    let Some((kind, missing, surplus)) = kind_of(bytes_of(values[KIND]), set) else {
        findings.add(Finding::Word { seq, column: "kind" });
        return None;
    };
    for (columns, missing) in [(missing, true), (surplus, false)] {
        if let Some(column) = COLUMNS.get(columns.trailing_zeros() as usize) {
            findings.add(Finding::Shape { seq, column, missing });
        }
    }
    let verdict = word(values, VERDICT, verdict_of, seq, findings);
    let outcome = word(values, OUTCOME, outcome_of, seq, findings);
    let evidence = word(values, EVIDENCE, evidence_of, seq, findings);
    let status = (set & (1 << STATUS) != 0).then_some(integers[STATUS]);
    if let Some(verdict) = verdict
        && !can_show(verdict, status, bytes_of(values[CODE]))
    {
        findings.add(Finding::Verdict { seq, verdict, status });
    }
    if let Some(outcome) = outcome {
        let is_possible = match verdict {
            Some(verdict) => can_settle(verdict, outcome, evidence),
            None => evidence.is_some_and(|evidence| can_follow(evidence, outcome)),
        };
        if !is_possible {
            findings.add(Finding::Outcome { seq, outcome, verdict, evidence });
        }
    }
    let words = matches!(kind, Kind::Log | Kind::Run | Kind::End).then(|| {
        let text = |column: usize| String::from_utf8_lossy(bytes_of(values[column])).into_owned();
        Box::new((text(NAME), text(DETAIL)))
    });
    // The views look into it.
    if let Some((_, detail)) = words.as_deref()
        && !serde_json::from_str::<serde_json::Value>(detail).is_ok_and(|value| value.is_object())
    {
        findings.add(Finding::Word { seq, column: "detail" });
    }
    // As are what other targets of the name are, and whether a message had been delivered before.
    let detail = std::str::from_utf8(bytes_of(values[DETAIL])).ok().filter(|_| set & (1 << DETAIL) != 0);
    if kind == Kind::Target && role_from_detail(detail).is_err() {
        findings.add(Finding::Word { seq, column: "detail" });
    }
    let (run, target, number) = (integers[RUN], integers[TARGET], integers[NUMBER]);
    Some(Fact { seq, at_us: integers[AT], kind, verdict, outcome, run, target, number, words })
}

/// What the word in a column means. A word that decom does not write is a finding.
fn word<T>(
    values: &Values<'_>,
    column: usize,
    meaning: fn(&[u8]) -> Option<T>,
    seq: i64,
    findings: &mut Findings,
) -> Option<T> {
    let ValueRef::Text(bytes) = values[column] else { return None };
    let found = meaning(bytes);
    if found.is_none() {
        findings.add(Finding::Word { seq, column: COLUMNS[column] });
    }
    found
}

/// The bytes of a text; of anything else there are none.
const fn bytes_of(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) => bytes,
        _ => b"",
    }
}

/// The hash that a record says it has.
fn hash_of(value: ValueRef<'_>) -> Option<Hash> {
    match value {
        ValueRef::Blob(bytes) => bytes.try_into().ok(),
        _ => None,
    }
}

const fn in_words(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "nothing",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a fraction",
        ValueRef::Text(_) => "a text, or one that is not UTF-8",
        ValueRef::Blob(_) => "bytes",
    }
}
