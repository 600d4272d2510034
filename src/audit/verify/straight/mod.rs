//! Reads the records and the indexes of a log straight from the pages of its file, where nobody can write
//! to it meanwhile: SQLite hands over each column of each record by itself, which takes longer than all
//! that is done with them.
//!
//! What is found this way is only ever that all is well. Wherever there is anything that is not just as
//! decom writes it, this way is left, and all is read again by SQLite, which says what is wrong. That the
//! pages themselves are in order, SQLite has to say in any case.

mod form;
mod node;
mod tree;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::WAITING;
use super::chain::{NO_VALUES, Part, Reading, hash_of};
use super::indexes::{self, Found, Key, NO_ENTRY, Scan, Sums};
use super::shape::place;
use super::source::Source;
use super::whole::Look;
use crate::audit::record::{BEFORE_THE_FIRST, Hash};
use form::take_apart;
use node::Tree;
use tree::{Branch, Pages, Walk};

/// There is something that is not just as decom writes it, or it cannot be read in this way.
#[derive(Debug)]
pub(super) struct Doubt;

type Sure<T> = Result<T, Doubt>;

/// Reads a whole log, of which `connection` has begun to read, and hands its records over in their order.
///
/// # Errors
/// Where there is any doubt that the file, its indexes and each record by itself are in order. Then what was
/// handed over counts for nothing.
pub(super) fn read(
    source: &Source,
    connection: &Connection,
    look: &Look,
    threads: usize,
    take: &mut dyn FnMut(Part),
) -> Sure<()> {
    let pages = &Pages::of(source.file().ok_or(Doubt)?)?;
    let roots = Roots::of(connection)?;
    let mut branches = Vec::new();
    let mut walk = Walk::new(pages, Tree::Table);
    let whole = walk.whole(roots.record)?;
    walk.cut(whole, &mut branches)?;
    let (branches, indexes) = (&branches, &Indexes::of(&roots, look));
    std::thread::scope(|scope| {
        let in_order = scope.spawn(|| look.pages(&source.connect()?));
        let (receivers, readers): (Vec<_>, Vec<_>) = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(WAITING);
                let reader = scope.spawn(move || {
                    for branch in (first..branches.len()).step_by(threads) {
                        let read = read_branch(pages, &look.key, branches, branch, &sender);
                        sender.send(read.map(|()| None)).map_err(|_| Doubt)?;
                    }
                    drop(sender);
                    // Whoever is done with the records goes on with the indexes.
                    indexes.read(pages)
                });
                (receiver, reader)
            })
            .unzip();
        let entries = hand_over(&receivers, branches.len(), look.last, take);
        if entries.is_err() {
            pages.give_up();
        }
        drop(receivers);
        for reader in readers {
            reader.join().map_err(|_| Doubt)??;
        }
        let in_order = in_order.join().is_ok_and(|said| said.is_ok_and(|said| said.is_empty()));
        if in_order && indexes.hold(&entries?)? { Ok(()) } else { Err(Doubt) }
    })
}

/// What a thread hands over; `None` where a branch is at its end.
type Handed = Sure<Option<Part>>;

/// Takes from each thread in turn what is next; returns the entries that the indexes should have.
fn hand_over(
    readers: &[Receiver<Handed>],
    branches: usize,
    last: i64,
    take: &mut dyn FnMut(Part),
) -> Sure<Sums> {
    let mut entries = Sums::default();
    let mut newest = None;
    for branch in 0..branches {
        while let Some(part) = readers[branch % readers.len()].recv().map_err(|_| Doubt)?? {
            if !part.findings.is_empty() {
                return Err(Doubt);
            }
            entries.add(part.entries);
            newest = part.ends.map_or(newest, |(_, last)| Some(last));
            take(part);
        }
    }
    if newest == Some(last) { Ok(entries) } else { Err(Doubt) }
}

fn read_branch(
    pages: &Pages<'_>,
    key: &Key,
    branches: &[Branch],
    branch: usize,
    sender: &SyncSender<Handed>,
) -> Sure<()> {
    let mut walk = Walk::new(pages, Tree::Table);
    let previous = match branch.checked_sub(1) {
        Some(before) => walk.last(branches[before], stored_hash)?,
        None => BEFORE_THE_FIRST,
    };
    let mut reading = Reading::new(key, 0, previous);
    walk.rows(branches[branch], &mut |seq, row| {
        let mut values = NO_VALUES;
        take_apart(row, &mut values)?;
        // The place of a record is where it lies, and is not stored with it.
        if !matches!(values[0], ValueRef::Null) {
            return Err(Doubt);
        }
        values[0] = ValueRef::Integer(seq);
        reading.record(&values);
        match reading.full() {
            Some(part) => sender.send(Ok(Some(part))).map_err(|_| Doubt),
            None => Ok(()),
        }
    })?;
    sender.send(Ok(Some(reading.rest()))).map_err(|_| Doubt)
}

fn stored_hash(row: &[u8]) -> Sure<Hash> {
    let mut values = NO_VALUES;
    take_apart(row, &mut values)?;
    hash_of(values[place("hash")]).ok_or(Doubt)
}

/// The indexes, which several threads read, one at a time each.
struct Indexes<'a> {
    roots: &'a [u32],
    look: &'a Look,
    /// The next that nobody has begun with.
    next: AtomicUsize,
    found: Mutex<Found>,
}

impl<'a> Indexes<'a> {
    fn of(roots: &'a Roots, look: &'a Look) -> Self {
        Self { roots: &roots.indexes, look, next: AtomicUsize::new(0), found: Mutex::default() }
    }

    fn read(&self, pages: &Pages<'_>) -> Sure<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(root) = self.roots.get(number) else { return Ok(()) };
            let mut scan = Scan::of(&self.look.key, number, self.look.last);
            let (width, mut bytes) = (scan.width(), 0);
            let mut walk = Walk::new(pages, Tree::Index);
            let whole = walk.whole(*root)?;
            walk.rows(whole, &mut |_, row| {
                let mut values = NO_ENTRY;
                take_apart(row, &mut values[..width])?;
                let seq = scan.entry(&values[..width]).map_err(|_| Doubt)?;
                bytes += row.len();
                // Out of order, it could go on for ever.
                if scan.is_odd || seq > self.look.last { Err(Doubt) } else { Ok(()) }
            })?;
            let bytes = i64::try_from(bytes).map_err(|_| Doubt)?;
            self.found.lock().map_err(|_| Doubt)?.put(&scan, bytes);
        }
    }

    /// Whether all of them have just these entries.
    fn hold(&self, entries: &Sums) -> Sure<bool> {
        Ok(self.found.lock().map_err(|_| Doubt)?.differ_from(entries).next().is_none())
    }
}

/// The first page of the table of records, and that of each index.
struct Roots {
    record: u32,
    indexes: Vec<u32>,
}

impl Roots {
    fn of(connection: &Connection) -> Sure<Self> {
        let root = |name: &str| {
            let query = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
            connection.query_row(query, [name], |row| row.get(0)).map_err(|_| Doubt)
        };
        let indexes = indexes::names().into_iter().map(root).collect::<Sure<_>>()?;
        Ok(Self { record: root("record")?, indexes })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::params;

    use super::*;
    use crate::audit::record::SCHEMA;
    use crate::audit::record::rehash;

    /// A log of some thousand targets.
    fn log(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(&format!("{SCHEMA} BEGIN")).unwrap();
        let columns =
            "?1, ?2, ?3, ?4, NULL, ?5, ?6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, '{}'";
        let mut hash = BEFORE_THE_FIRST;
        for place in 1..=3000_i64 {
            let (kind, run, number) = match place {
                1 => ("log", None, None),
                2 => ("run", None, None),
                _ => ("target", Some(2), Some(place - 2)),
            };
            let (at_us, name) = (1_700_000_000_000_000 + place, format!("name-{place}"));
            let mut selected = connection.prepare_cached(&format!("SELECT {columns}")).unwrap();
            let values = params![place, kind, at_us, run, number, name];
            hash = selected.query_row(values, |row| rehash(&hash, row)).unwrap();
            let insert = format!("INSERT INTO record VALUES ({columns}, ?7)");
            let mut insert = connection.prepare_cached(&insert).unwrap();
            insert.execute(params![place, kind, at_us, run, number, name, hash]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        connection
    }

    /// How many records are found of this log, where nothing is in doubt.
    fn found(path: &Path) -> Sure<u64> {
        let source = Source::find(path).unwrap();
        let connection = source.connect().unwrap();
        let last = connection.query_row("SELECT max(seq) FROM record", [], |row| row.get(0)).unwrap();
        let look = Look { key: Key::default(), last, is_merged: false, is_known: true };
        let mut records = 0;
        read(&source, &connection, &look, 3, &mut |part| records += part.records).map(|()| records)
    }

    #[test]
    fn a_log_that_nobody_writes_to_is_read_straight_and_one_with_a_write_ahead_log_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let connection = log(&path);
        assert_eq!(found(&path).unwrap(), 3000);
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        found(&path).unwrap_err();
    }

    #[test]
    fn nobody_writes_while_it_is_read_straight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let connection = log(&path);
        let source = Source::find(&path).unwrap();
        let reader = source.connect().unwrap();
        reader.query_row("SELECT max(seq) FROM record", [], |row| row.get::<_, i64>(0)).unwrap();
        assert!(source.file().is_some());
        let refused = connection.execute_batch("CREATE TABLE t (x)").unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
    }

    #[test]
    fn another_file_in_the_place_of_the_log_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["log.db", "other.db"].map(|name| folder.path().join(name));
        drop((log(&path), log(&other)));
        let source = Source::find(&path).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(source.file().is_none());
    }

    #[test]
    fn whatever_is_not_as_it_should_be_is_left_to_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let alterations = [
            "UPDATE record SET at_us = at_us + 1 WHERE seq = 1500",
            "UPDATE record SET hash = zeroblob(32) WHERE seq = 3000",
            "DELETE FROM record WHERE seq = 1500",
            "UPDATE record SET name = 'other' WHERE seq = 1500",
        ];
        for alteration in alterations {
            let _ = std::fs::remove_file(&path);
            let connection = log(&path);
            connection.execute_batch("DROP TRIGGER record_is_never_updated").unwrap();
            connection.execute_batch("DROP TRIGGER record_is_never_deleted").unwrap();
            assert_eq!(found(&path).unwrap(), 3000);
            connection.execute_batch(alteration).unwrap();
            found(&path).unwrap_err();
        }
    }
}
