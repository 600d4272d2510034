//! A log that is to be merged: read as it was at one moment, and only where it is sound.

use std::path::Path;

use rusqlite::Connection;

use crate::audit::record::{BEFORE_THE_FIRST, Hash, Predecessor, rehash};
use crate::audit::{AuditError, AuditReader};

/// A log that is to be merged.
pub(super) struct Input {
    reader: AuditReader,
    /// Its id.
    pub(super) log_id: String,
    /// How many records it has.
    pub(super) records: i64,
    /// The hash of the last one.
    pub(super) head: Hash,
    /// What it says of the log before it, where it is the successor of one.
    pub(super) predecessor: Option<Predecessor>,
}

impl Input {
    /// Opens the log at `path`, and walks its chain from end to end.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let reader = AuditReader::open(path)?;
        // What a run appends meanwhile is left out: everything is read as it is now.
        reader.connection.execute_batch("BEGIN").map_err(|e| reader.failed(e))?;
        let (records, head) = walk(&reader)?;
        let first = "SELECT name FROM record WHERE seq = 1 AND kind = 'log'";
        let log_id =
            reader.connection.query_row(first, [], |row| row.get(0)).map_err(|e| reader.failed(e))?;
        let predecessor = Predecessor::of(&reader.connection).map_err(|e| reader.failed(e))?;
        Ok(Self { reader, log_id, records, head, predecessor })
    }

    pub(super) fn path(&self) -> &Path {
        self.reader.path()
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.reader.connection
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> AuditError {
        self.reader.failed(source)
    }

    /// The hash of its record `seq`.
    pub(super) fn hash_at(&self, seq: i64) -> Result<Hash, AuditError> {
        self.connection()
            .prepare_cached("SELECT hash FROM record WHERE seq = ?1")
            .and_then(|mut statement| statement.query_row([seq], |row| row.get(0)))
            .map_err(|e| self.failed(e))
    }

    /// The ids of its runs.
    pub(super) fn runs(&self) -> Result<Vec<String>, AuditError> {
        let mut statement = self
            .connection()
            .prepare("SELECT name FROM record WHERE kind = 'run' ORDER BY seq")
            .map_err(|e| self.failed(e))?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// The first record in which this log and `other`, which differ at record `last`, do so: in sound
    /// chains all hashes before it are the same, and none is from there on.
    pub(super) fn parts_from(&self, other: &Self, last: i64) -> Result<i64, AuditError> {
        let (mut same, mut differs) = (0, last);
        while differs - same > 1 {
            let between = same + (differs - same) / 2;
            if self.hash_at(between)? == other.hash_at(between)? {
                same = between;
            } else {
                differs = between;
            }
        }
        Ok(differs)
    }
}

/// Checks every record against its hash; how many there are, and the last hash.
///
/// # Errors
/// Where a record does not match, or there is none.
fn walk(reader: &AuditReader) -> Result<(i64, Hash), AuditError> {
    let failed = |e| reader.failed(e);
    let broken = |seq| AuditError::BrokenChain { path: reader.path.clone(), seq };
    let mut statement = reader.connection.prepare("SELECT * FROM record ORDER BY seq").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let (mut last, mut before) = (0, BEFORE_THE_FIRST);
    while let Some(row) = rows.next().map_err(failed)? {
        let (seq, hash): (i64, Hash) = (row.get(0).map_err(failed)?, row.get(19).map_err(failed)?);
        if seq != last + 1 || rehash(&before, row).map_err(failed)? != hash {
            return Err(broken(seq));
        }
        (last, before) = (seq, hash);
    }
    if last == 0 {
        return Err(broken(1));
    }
    Ok((last, before))
}
