//! A log together with the closed logs before it: each log names the one that it follows, where that was put, how long
//! it is and its last hash. What a report says of a name or of a period is complete only if all of them are at hand, so
//! one that is missing is named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::{Content, Head, Predecessor};
use crate::domain::{MissingLog, Timestamp, hex};

/// A log, or several that were merged, and the closed ones before, as far as they are at hand.
#[derive(Debug)]
pub struct LogSeries {
    /// The oldest first; the last is the one that was asked for.
    readers: Vec<AuditReader>,
    missing: Vec<MissingLog>,
}

impl LogSeries {
    /// Opens the log at `path`, and all those before it that can be found: where they were put, or beside it.
    ///
    /// # Errors
    /// If there is no log at `path`, or one of them cannot be read.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let newest = AuditReader::open_for_reports(path)?;
        let mut known: BTreeSet<_> = newest.log_ids()?.into_iter().collect();
        let mut wanted = newest.predecessors()?;
        let (mut readers, mut missing) = (vec![newest], Vec::new());
        while let Some(predecessor) = wanted.pop() {
            if !known.insert(predecessor.log_id.clone()) {
                continue;
            }
            match find(&predecessor, path)? {
                Ok(reader) => {
                    wanted.extend(reader.predecessors()?);
                    readers.push(reader);
                }
                Err(why) => missing.push(MissingLog {
                    log_id: predecessor.log_id,
                    records: predecessor.records.unsigned_abs(),
                    head: predecessor.head,
                    file: predecessor.file,
                    why,
                }),
            }
        }
        readers.reverse();
        Ok(Self { readers, missing })
    }

    /// The logs at hand, the oldest first.
    pub fn readers(&self) -> impl Iterator<Item = &AuditReader> {
        self.readers.iter()
    }

    /// The files that were read.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.readers.iter().map(|reader| reader.path.clone()).collect()
    }

    /// The logs that are named, and not at hand.
    #[must_use]
    pub fn missing(&self) -> &[MissingLog] {
        &self.missing
    }

    /// When the oldest log at hand was begun.
    pub fn begun_at(&self) -> Result<Option<Timestamp>, AuditError> {
        let query = "SELECT min(at_us) FROM record WHERE seq = 1";
        let begun = self.readers.iter().map(|reader| {
            reader
                .connection
                .query_row(query, [], |row| row.get::<_, Option<i64>>(0))
                .map_err(|e| reader.failed(e))
        });
        let begun = begun.collect::<Result<Vec<_>, _>>()?;
        Ok(begun.into_iter().flatten().min().map(Timestamp::from_micros))
    }
}

impl AuditReader {
    /// The ids of the logs in the file.
    pub fn log_ids(&self) -> Result<Vec<String>, AuditError> {
        let query = match self.content {
            Content::Log => "SELECT name FROM record WHERE seq = 1",
            Content::Merged => "SELECT log_id FROM log ORDER BY number",
        };
        let mut statement = self.connection.prepare(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(|e| self.failed(e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// The id of the log that the record at `seq` belongs to, and how far its records were moved.
    pub(in crate::audit) fn log_of(&self, seq: i64) -> Result<(String, i64), AuditError> {
        let query = match self.content {
            Content::Log => "SELECT name, 0 FROM record WHERE seq = min(1, ?1)",
            Content::Merged => "SELECT log_id, shift FROM log WHERE ?1 > shift AND ?1 <= shift + records",
        };
        self.connection
            .prepare_cached(query)
            .and_then(|mut statement| statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(|e| self.failed(e))
    }

    /// What the logs in the file say of those before them.
    fn predecessors(&self) -> Result<Vec<Predecessor>, AuditError> {
        let query = match self.content {
            Content::Log => "SELECT detail FROM record WHERE seq = 1",
            Content::Merged => {
                "SELECT r.detail FROM log l JOIN record r ON r.seq = l.shift + 1 ORDER BY l.number"
            }
        };
        let mut statement = self.connection.prepare(query).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(|e| self.failed(e))?;
        let details: Vec<Option<String>> = rows.collect::<Result<_, _>>().map_err(|e| self.failed(e))?;
        Ok(details.iter().filter_map(|detail| Predecessor::named_in(detail.as_deref()?)).collect())
    }
}

/// Opens the log that `predecessor` names, or returns why it is not at hand.
pub(super) fn find(
    predecessor: &Predecessor,
    successor: &Path,
) -> Result<Result<AuditReader, &'static str>, AuditError> {
    let place = PathBuf::from(&predecessor.file);
    let moved = place.file_name().map(|name| successor.with_file_name(name));
    let mut why = "there is no such file";
    for path in [Some(place), moved].into_iter().flatten() {
        match AuditReader::open(&path) {
            Ok(reader) => {
                if is_it(&reader, predecessor)? {
                    return Ok(Ok(reader));
                }
                why = "the file there is another log, or has other records";
            }
            Err(AuditError::Missing { .. }) => {}
            Err(AuditError::Foreign { .. } | AuditError::Merged { .. }) => {
                why = "the file there is not that log";
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Err(why))
}

/// Returns true if the log is the one that was closed: by its id, its length, and its last hash.
fn is_it(reader: &AuditReader, predecessor: &Predecessor) -> Result<bool, AuditError> {
    let head = Head::at_end(&reader.connection, &reader.path)?;
    Ok(reader.log_id()? == predecessor.log_id
        && head.seq == predecessor.records
        && hex(head.hash) == predecessor.head)
}
