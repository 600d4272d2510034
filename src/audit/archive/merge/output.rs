//! The merged file: written beside its place, and put there once it is whole.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};
use tempfile::{NamedTempFile, TempPath};

use super::input::Input;
use crate::audit::AuditError;
use crate::audit::record::{make_merged, seal};

/// A datasource that went in more than one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Its name.
    pub datasource: String,
    /// The places of the logs in [`super::Merged::logs`], from 1.
    pub logs: Vec<usize>,
}

/// How many overlaps are named.
const NAMED: usize = 10;

/// A merged file that is being written.
pub(super) struct Output {
    connection: Connection,
    temporary: TempPath,
    path: PathBuf,
}

impl Output {
    /// Begins a file that is to stand at `path`, where nothing may be yet.
    pub(super) fn begin(path: &Path) -> Result<Self, AuditError> {
        let io = |source| AuditError::Io { path: path.to_owned(), action: "write the merged", source };
        if path.symlink_metadata().is_ok() {
            return Err(AuditError::Exists { path: path.to_owned() });
        }
        // As any new file: the default of temporary files keeps others out.
        let temporary = tempfile::Builder::new()
            .prefix(".decom-merge-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder(path))
            .map(NamedTempFile::into_temp_path)
            .map_err(io)?;
        let connection = Connection::open(&temporary).map_err(|e| failed(path, e))?;
        // Until it is whole it is nothing: what is cut off is thrown away.
        connection
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            .and_then(|()| make_merged(&connection))
            .map_err(|e| failed(path, e))?;
        Ok(Self { connection, temporary, path: path.to_owned() })
    }

    /// Copies all records of `inputs`, one log behind the other.
    pub(super) fn fill(&mut self, inputs: &[Input]) -> Result<(), AuditError> {
        let path = self.path.clone();
        let own = |e| failed(&path, e);
        let transaction = self.connection.transaction().map_err(own)?;
        let mut shift = 0;
        for (number, input) in (1_i64..).zip(inputs) {
            copy(&transaction, input, shift, &path)?;
            transaction
                .execute(
                    "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        number,
                        input.log_id,
                        input.path().to_string_lossy(),
                        shift,
                        input.records,
                        input.head
                    ],
                )
                .map_err(own)?;
            shift += input.records;
        }
        seal(&transaction).map_err(own)?;
        transaction.commit().map_err(own)
    }

    /// The datasources that went in more than one of the logs: how many, and the first of them.
    pub(super) fn overlaps(&self) -> Result<(u64, Vec<Overlap>), AuditError> {
        let failed = |e| failed(&self.path, e);
        let mut statement = self
            .connection
            .prepare(
                "SELECT t.name, group_concat(DISTINCT l.number)
                   FROM record o
                   JOIN record t ON t.seq = o.target
                   JOIN record r ON r.seq = t.run
                   JOIN log l ON r.seq > l.shift AND r.seq <= l.shift + l.records
                  WHERE o.outcome IN ('deleted', 'deleted_unconfirmed')
                  GROUP BY r.detail ->> '$.base_url', t.detail ->> '$.kind', t.name
                 HAVING count(DISTINCT l.number) > 1
                  ORDER BY t.name",
            )
            .map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut count, mut first) = (0, Vec::new());
        while let Some(row) = rows.next().map_err(failed)? {
            count += 1;
            if first.len() < NAMED {
                let logs: String = row.get(1).map_err(failed)?;
                let logs = logs.split(',').filter_map(|number| number.parse().ok()).collect();
                first.push(Overlap { datasource: row.get(0).map_err(failed)?, logs });
            }
        }
        Ok((count, first))
    }

    /// Puts the file in its place, durably, unless something is there by now.
    pub(super) fn finish(self) -> Result<(), AuditError> {
        let Self { connection, temporary, path } = self;
        connection.close().map_err(|(_, e)| failed(&path, e))?;
        let io = |source| AuditError::Io { path: path.clone(), action: "write the merged", source };
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(io)?;
        temporary.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => AuditError::Exists { path: path.clone() },
            _ => io(error.error),
        })?;
        File::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(io)
    }
}

fn copy(into: &Transaction<'_>, input: &Input, shift: i64, path: &Path) -> Result<(), AuditError> {
    let own = |e| failed(path, e);
    let theirs = |e| input.failed(e);
    let mut read = input.connection().prepare("SELECT * FROM record ORDER BY seq").map_err(theirs)?;
    let columns = read.column_count();
    let insert = format!("INSERT OR ROLLBACK INTO record VALUES ({})", vec!["?"; columns].join(","));
    let mut write = into.prepare_cached(&insert).map_err(own)?;
    let moved = ["seq", "run", "target"].map(|name| read.column_index(name));
    let mut places = Vec::new();
    for place in moved {
        places.push(place.map_err(theirs)?);
    }
    let mut rows = read.query([]).map_err(theirs)?;
    while let Some(row) = rows.next().map_err(theirs)? {
        for index in 0..columns {
            if places.contains(&index) {
                let seq: Option<i64> = row.get(index).map_err(theirs)?;
                write.raw_bind_parameter(index + 1, seq.map(|seq| seq + shift)).map_err(own)?;
            } else {
                let value = row.get_ref(index).map_err(theirs)?;
                let value = rusqlite::types::ToSqlOutput::Borrowed(value);
                write.raw_bind_parameter(index + 1, value).map_err(own)?;
            }
        }
        write.raw_execute().map_err(own)?;
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path, source: rusqlite::Error) -> AuditError {
    AuditError::Sqlite { path: path.to_owned(), action: "write the merged", source }
}
