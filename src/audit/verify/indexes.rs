//! Whether the indexes hold an entry for each record that they should, and no other.
//!
//! SQLite's own check looks each record up in each index, and does not miss an entry that is too many
//! in a partial index; all of ours are partial. Here, both sides are read once, each in its own order:
//! the entries that the records should have, and those that the indexes have, are added up, each as a
//! number that depends on a key drawn for this verification. Sets that differ have the same sum by a
//! chance of one in 2^64, and nobody can prepare for a key that is not drawn yet.

use std::hash::{BuildHasher, Hasher, RandomState};

use rusqlite::Connection;
use rusqlite::types::{FromSqlError, FromSqlResult, ValueRef};

use super::chain::Values;
use super::shape::{COLUMNS, bit, place};

/// An index of the table of records (see schema.sql).
struct Index {
    name: &'static str,
    is_unique: bool,
    columns: &'static [usize],
    /// Which records it has.
    condition: &'static str,
    /// The same: of the kind of a record, and of the columns that it has.
    has: fn(&[u8], u32) -> bool,
}

impl Index {
    const fn of(
        name: &'static str,
        columns: &'static [usize],
        condition: &'static str,
        has: fn(&[u8], u32) -> bool,
    ) -> Self {
        Self { name, is_unique: false, columns, condition, has }
    }
}

const RUN: usize = place("run");
const TARGET: usize = place("target");
const NUMBER: usize = place("number");
const NAME: usize = place("name");
const OUTCOME: usize = place("outcome");

const INDEXES: [Index; 8] = [
    Index { is_unique: true, ..Index::of("record_run", &[NAME], "kind = 'run'", |kind, _| kind == b"run") },
    Index::of("record_target_of_run", &[RUN, NUMBER], "kind = 'target'", |kind, _| kind == b"target"),
    Index::of("record_datasource", &[NAME], "kind = 'target'", |kind, _| kind == b"target"),
    Index::of("record_about_target", &[TARGET, NUMBER], "target IS NOT NULL", |_, set| {
        set & bit("target") != 0
    }),
    Index::of("record_outcome", &[RUN, OUTCOME], "outcome IS NOT NULL", |_, set| set & bit("outcome") != 0),
    Index::of("record_run_state", &[RUN], "kind IN ('resume', 'end')", |kind, _| {
        kind == b"resume" || kind == b"end"
    }),
    Index::of("record_check", &[RUN], "kind = 'check'", |kind, _| kind == b"check"),
    Index::of("record_refused", &[RUN], "kind = 'refused'", |kind, _| kind == b"refused"),
];

/// The entries of each index, added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums([u64; INDEXES.len()]);

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(more);
        }
    }
}

/// Makes a number of each entry.
#[derive(Debug, Default, Clone)]
pub(super) struct Key(RandomState);

impl Key {
    fn number(&self, index: usize, form: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_usize(index);
        hasher.write(form);
        hasher.finish()
    }

    /// Adds the entries that a record should have; `set` are the columns that it has.
    pub(super) fn add(
        &self,
        sums: &mut Sums,
        kind: &[u8],
        set: u32,
        values: &Values<'_>,
        form: &mut Vec<u8>,
    ) {
        for (number, index) in INDEXES.iter().enumerate().filter(|(_, index)| (index.has)(kind, set)) {
            form.clear();
            for column in index.columns {
                encode(values[*column], form);
            }
            encode(values[0], form);
            sums.0[number] = sums.0[number].wrapping_add(self.number(number, form));
        }
    }
}

/// What the indexes hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    sums: Sums,
    /// Those that are not as SQLite makes them: out of order, or with more in an entry than belongs there.
    odd: [bool; INDEXES.len()],
}

impl Found {
    /// Puts in what was read of an index, whose entries take this many bytes.
    pub(super) fn put(&mut self, scan: &Scan<'_>, bytes: i64) {
        self.sums.0[scan.number] = scan.sum;
        self.odd[scan.number] = scan.is_odd || scan.bytes != bytes;
    }

    /// The indexes that do not hold what the records say.
    pub(super) fn differ_from(&self, sums: &Sums) -> impl Iterator<Item = &'static str> {
        let differs = |number: &usize| self.odd[*number] || self.sums.0[*number] != sums.0[*number];
        (0..INDEXES.len()).filter(differs).map(|number| INDEXES[number].name)
    }
}

/// Reads all indexes, as far as they are about the records up to `last`.
pub(super) fn read(connection: &Connection, key: &Key, last: i64) -> rusqlite::Result<Found> {
    // Of a log that is being written, this may see more than was there at the first look.
    let newest: i64 = connection.query_row("SELECT max(seq) FROM record", [], |row| row.get(0))?;
    let mut found = Found::default();
    for (number, index) in INDEXES.iter().enumerate() {
        let mut scan = Scan::of(key, number, last);
        let mut statement = connection.prepare(&index.query())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut values = NO_ENTRY;
            let values = &mut values[..scan.width()];
            for (column, value) in values.iter_mut().enumerate() {
                *value = row.get_ref(column)?;
            }
            let seq = scan.entry(values)?;
            scan.is_odd |= seq > newest;
        }
        let bytes = "SELECT payload FROM dbstat WHERE aggregate = 1 AND name = ?1";
        let bytes: i64 = connection.query_row(bytes, [index.name], |row| row.get(0))?;
        found.put(&scan, bytes);
    }
    Ok(found)
}

impl Index {
    /// All that the index holds, in its order. SQLite knows that the condition holds of every entry, and
    /// so looks at the index alone.
    fn query(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| COLUMNS[*column]).collect();
        let (columns, name, condition) = (columns.join(", "), self.name, self.condition);
        format!("SELECT {columns}, seq FROM record INDEXED BY {name} WHERE {condition}")
    }
}

/// The most columns that an index has, with the place of the record at the end.
const MOST_COLUMNS: usize = 3;

/// The values of an entry, the place of its record behind its columns.
pub(super) type Entry<'a> = [ValueRef<'a>; MOST_COLUMNS];

/// Room for them.
pub(super) const NO_ENTRY: Entry<'_> = [ValueRef::Null; MOST_COLUMNS];

/// The indexes, by their names.
pub(super) fn names() -> [&'static str; INDEXES.len()] {
    INDEXES.map(|index| index.name)
}

/// An index that is being read.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    key: &'a Key,
    /// Which index it is.
    number: usize,
    /// Up to which record its entries are added up.
    last: i64,
    sum: u64,
    /// The entry, and the one before it, each with where its columns end and the place of its record begins.
    form: Vec<u8>,
    before: Vec<u8>,
    ends: [usize; 2],
    /// How many bytes SQLite needs for the entries so far.
    bytes: i64,
    /// Whether it is not as SQLite makes it: out of order, or of a record that is not there.
    pub(super) is_odd: bool,
}

impl<'a> Scan<'a> {
    /// Before the first entry of the index at this place.
    pub(super) const fn of(key: &'a Key, number: usize, last: i64) -> Self {
        Self {
            key,
            number,
            last,
            sum: 0,
            form: Vec::new(),
            before: Vec::new(),
            ends: [0; 2],
            bytes: 0,
            is_odd: false,
        }
    }

    /// How many values an entry has.
    pub(super) const fn width(&self) -> usize {
        INDEXES[self.number].columns.len() + 1
    }

    /// Takes the next entry, and returns the place of its record.
    pub(super) fn entry(&mut self, values: &[ValueRef<'_>]) -> FromSqlResult<i64> {
        let [columns @ .., seq] = values else { return Err(FromSqlError::InvalidType) };
        std::mem::swap(&mut self.form, &mut self.before);
        self.form.clear();
        let mut size = Size::default();
        for value in columns {
            size.add(*value);
            encode(*value, &mut self.form);
        }
        self.ends = [self.form.len(), self.ends[0]];
        size.add(*seq);
        encode(*seq, &mut self.form);
        self.bytes += size.total();
        let [end, end_before] = self.ends;
        self.is_odd |= self.form <= self.before
            || INDEXES[self.number].is_unique
                && self.form[..end] == self.before[..end_before.min(self.before.len())];
        let seq = seq.as_i64()?;
        if seq <= self.last {
            self.sum = self.sum.wrapping_add(self.key.number(self.number, &self.form));
        }
        Ok(seq)
    }
}

/// Writes a value so that the order of the bytes is SQLite's order of the values.
fn encode(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(1),
        ValueRef::Integer(integer) => {
            out.push(2);
            out.extend_from_slice(&(integer ^ i64::MIN).to_be_bytes());
        }
        ValueRef::Text(bytes) => {
            out.push(3);
            if bytes.contains(&0) {
                for byte in bytes {
                    out.extend_from_slice(if *byte == 0 { &[0, 255] } else { std::slice::from_ref(byte) });
                }
            } else {
                out.extend_from_slice(bytes);
            }
            out.extend_from_slice(&[0, 0]);
        }
        // These are found where their records are checked.
        ValueRef::Real(real) => {
            out.push(4);
            out.extend_from_slice(&real.to_bits().to_be_bytes());
        }
        ValueRef::Blob(bytes) => {
            out.push(5);
            out.extend_from_slice(bytes);
        }
    }
}

/// How many bytes an entry takes (<https://sqlite.org/fileformat2.html#record_format>).
#[derive(Debug, Default)]
struct Size {
    header: i64,
    body: i64,
}

impl Size {
    fn add(&mut self, value: ValueRef<'_>) {
        let (kind, body) = match value {
            ValueRef::Null | ValueRef::Integer(0 | 1) => (0, 0),
            ValueRef::Integer(integer) => {
                let bits = 65 - (integer ^ (integer >> 63)).leading_zeros();
                (0, [1, 2, 3, 4, 6, 8].into_iter().find(|bytes| bits <= bytes * 8).map_or(8, i64::from))
            }
            ValueRef::Real(_) => (0, 8),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX / 4);
                (length * 2 + 13, length)
            }
        };
        self.header += varint(kind);
        self.body += body;
    }

    fn total(&self) -> i64 {
        // The header begins with its own length.
        let own = if self.header + 1 < 128 { 1 } else { 2 };
        self.header + own + self.body
    }
}

/// How many bytes a small number takes, seven bits in each.
const fn varint(number: i64) -> i64 {
    let bits = 64 - (number | 1).leading_zeros();
    (bits as i64 + 6) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::SCHEMA;

    fn log() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
    }

    #[test]
    fn the_indexes_are_those_of_the_schema() {
        let log = log();
        let mut statement =
            log.prepare("SELECT sql FROM sqlite_schema WHERE type = 'index' ORDER BY rowid").unwrap();
        let made: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let known = INDEXES.map(|index| {
            let unique = if index.is_unique { "UNIQUE " } else { "" };
            let columns: Vec<_> = index.columns.iter().map(|column| COLUMNS[*column]).collect();
            let (name, columns, condition) = (index.name, columns.join(", "), index.condition);
            format!("CREATE {unique}INDEX {name} ON record ({columns}) WHERE {condition}")
        });
        assert_eq!(made, known);
    }

    #[test]
    fn an_index_has_the_records_that_its_condition_says() {
        let log = log();
        let kinds = [
            "log", "run", "target", "refused", "send", "answer", "settle", "check", "resume", "end", "close",
            "x",
        ];
        for index in INDEXES {
            for (kind, target, outcome) in kinds
                .into_iter()
                .flat_map(|kind| [(kind, None, None), (kind, Some(7), None), (kind, None, Some("deleted"))])
            {
                let query = format!(
                    "SELECT {} FROM (SELECT ?1 AS kind, ?2 AS target, ?3 AS outcome)",
                    index.condition
                );
                let said: bool = log.query_row(&query, (kind, target, outcome), |row| row.get(0)).unwrap();
                let set = target.map_or(0, |_| bit("target")) | outcome.map_or(0, |_| bit("outcome"));
                assert_eq!((index.has)(kind.as_bytes(), set), said, "{} {kind}", index.name);
            }
        }
    }

    #[test]
    fn only_the_index_is_read_and_not_the_table() {
        let log = log();
        for index in INDEXES {
            let query = format!("EXPLAIN {}", index.query());
            let mut statement = log.prepare(&query).unwrap();
            let steps =
                statement.query_map([], |row| Ok((row.get::<_, String>(1)?, row.get::<_, i64>(2)?))).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            // The table has the first cursor: it may be opened, and nothing is read through it.
            let reads = ["Column", "Rowid", "Rewind", "Next", "SeekRowid", "NotExists"];
            let read = steps.iter().find(|(step, cursor)| *cursor == 0 && reads.contains(&step.as_str()));
            assert_eq!(read, None, "{}: {steps:?}", index.name);
            assert!(steps.iter().any(|(step, cursor)| step == "Next" && *cursor == 1), "{steps:?}");
        }
    }

    #[test]
    fn the_bytes_of_values_are_in_the_order_of_sqlite_and_as_many() {
        let log = Connection::open_in_memory().unwrap();
        log.execute_batch("CREATE TABLE t (v, w); CREATE INDEX i ON t (v, w);").unwrap();
        let texts = ["", "a", "a\0", "a\0b", "ab", "b", "\u{10ffff}"].map(str::to_owned);
        let longer = [57, 58, 5000, 9000].map(|length| "x".repeat(length));
        for text in texts.into_iter().chain(longer) {
            log.execute("INSERT INTO t VALUES (?1, NULL)", [text]).unwrap();
        }
        for power in 0..63 {
            for integer in [(1_i64 << power) - 1, 1 << power, -(1 << power), -(1 << power) - 1] {
                log.execute("INSERT INTO t VALUES (?1, ?1)", [integer]).unwrap();
            }
        }
        log.execute_batch("INSERT INTO t VALUES (NULL, NULL), (9223372036854775807, 'y')").unwrap();
        let mut statement = log.prepare("SELECT v, w, rowid FROM t ORDER BY v, w, rowid").unwrap();
        let mut rows = statement.query([]).unwrap();
        let key = Key::default();
        let mut scan = Scan::of(&key, 1, i64::MAX);
        while let Some(row) = rows.next().unwrap() {
            scan.entry(&[0, 1, 2].map(|column| row.get_ref(column).unwrap())).unwrap();
            assert!(!scan.is_odd, "{row:?}");
        }
        let bytes: i64 = log
            .query_row("SELECT payload FROM dbstat WHERE aggregate = 1 AND name = 'i'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(scan.bytes, bytes);
    }
}
