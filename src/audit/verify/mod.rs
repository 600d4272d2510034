//! Checks whether a log is what decom wrote: the database, the schema, every record and its hash, what the
//! records say of each other, and what the checkpoints say of them.
//!
//! Everything is read through SQLite, by one connection in one read transaction: what is checked is what every
//! other reader sees. The memory that this takes does not grow with the number of records.

mod anchors;
mod database;
mod finding;
mod findings;
mod merged;
mod passing;
mod refusal;
mod rows;
mod runs;
mod schema;
mod shape;
mod source;
mod verdicts;
mod weight;
mod words;

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

pub use anchors::{Anchor, AnchorCheck, AnchorSignature, Anchors};
pub use finding::Finding;
pub use findings::Findings;
pub use refusal::refuse_to_certify;
pub(super) use refusal::refuse_unsound;
pub use runs::Totals;
pub use weight::Weight;

use crate::audit::AuditError;
use crate::audit::record::{NO_DATABASE, Schema, schema_of};
use passing::may_pass;
use rows::{Chain, Fact};
use runs::Runs;
use source::Source;

/// What the verification of a log shows.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// The log's id.
    pub log_id: Option<String>,
    /// The last record's hash.
    pub head: Option<[u8; 32]>,
    /// The last record's time, in microseconds since 1970.
    pub at_us: Option<i64>,
    /// How many records, runs, targets and requests there are.
    pub totals: Totals,
    /// What is wrong, or open.
    pub findings: Findings,
    /// Which checkpoints confirm it.
    pub anchors: Anchors,
}

/// What the verification of a file shows.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Whether several logs were merged into the file.
    pub is_merged: bool,
    /// Its logs: one, unless it is a merged file. What is wrong with the file as a whole is with the first.
    pub logs: Vec<Verification>,
}

/// Verifies the log at `path`, and holds it against the checkpoints of `anchors`. Writes nothing.
///
/// # Errors
/// If there is nothing that could be verified, or several logs were merged into the file.
pub fn verify(path: &Path, anchors: &AnchorCheck<'_>) -> Result<Verification, AuditError> {
    let mut verified = verify_each(path, anchors)?;
    match verified.logs.pop() {
        Some(only) if !verified.is_merged => Ok(only),
        _ => Err(AuditError::Merged { path: path.to_owned() }),
    }
}

/// Verifies the log at `path`, or each log of a merged file.
///
/// # Errors
/// If there is nothing that could be verified.
pub fn verify_each(path: &Path, anchors: &AnchorCheck<'_>) -> Result<Verified, AuditError> {
    let source = Source::find(path)?;
    let mut findings = Findings::default();
    let opened = source.connect().map_err(|source| failed(path, source));
    let opened = opened.and_then(|connection| Ok((schema_of(&connection, path)?, connection)));
    let (is_merged, connection) = match opened {
        Ok((Schema::Ours, connection)) => (false, connection),
        Ok((Schema::Merged, connection)) => (true, connection),
        Ok((Schema::NotYet, _)) => return Err(AuditError::Empty { path: path.to_owned() }),
        Err(AuditError::Sqlite { source: error, .. }) => {
            return unreadable(false, &source, &error, path, findings);
        }
        Err(error) => return Err(error),
    };
    let logs = source
        .check_wal(&connection, &mut findings)
        .and_then(|()| schema::compare(&connection, is_merged, &mut findings))
        .and_then(|is_known| {
            database::check(&connection, is_known, &mut findings)?;
            if is_merged { merged::logs(&connection, &mut findings) } else { Ok(vec![Log::ONLY]) }
        });
    let logs = match logs {
        Ok(logs) => logs,
        Err(error) => return unreadable(is_merged, &source, &error, path, findings),
    };
    let mut verifications = Vec::new();
    for log in logs {
        match log.verify(&connection, &source, anchors, std::mem::take(&mut findings)) {
            Ok(verification) => verifications.push(verification),
            Err(error) => return Err(cannot_read(path, &error)),
        }
    }
    // SQLite takes a disk that does not answer for a damaged file.
    if verifications.iter().any(|it| it.findings.count("corrupt") > 0) {
        source.check_readable(path)?;
    }
    source.check_unchanged(path)?;
    if verifications.iter().all(|it| it.totals.records == 0 && it.findings.count("corrupt") == 0) {
        return Err(AuditError::NoRecords { path: path.to_owned() });
    }
    Ok(Verified { is_merged, logs: verifications })
}

/// What is said of a file of which SQLite cannot read the beginning.
fn unreadable(
    is_merged: bool,
    source: &Source,
    error: &rusqlite::Error,
    path: &Path,
    mut findings: Findings,
) -> Result<Verified, AuditError> {
    match error.sqlite_error_code() {
        _ if may_pass(error) => Err(cannot_read(path, error)),
        Some(ErrorCode::NotADatabase) => {
            Err(AuditError::Foreign { path: path.to_owned(), found: NO_DATABASE.to_owned() })
        }
        _ => {
            source.check_readable(path)?;
            findings.add(Finding::Corrupt { why: error.to_string() });
            Ok(Verified { is_merged, logs: vec![Verification { findings, ..Verification::default() }] })
        }
    }
}

/// Returns true if a request for the kind and name of the fact's target, of whichever run, raised doubt before, or the message
/// that asked for it had been given to another worker.
fn earlier_doubt(connection: &Connection, shift: i64, fact: &Fact) -> bool {
    let query = "SELECT EXISTS (
            SELECT 1 FROM record t WHERE t.seq = ?1 AND t.detail ->> '$.redelivered')
        OR EXISTS (
            SELECT 1 FROM record t
              JOIN record e ON e.kind = 'target' AND e.name = t.name
               AND coalesce(e.detail ->> '$.kind', 'datasource') = coalesce(t.detail ->> '$.kind', 'datasource')
              JOIN record s ON s.target = e.seq AND s.kind = 'send'
              LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
             WHERE t.seq = ?1 AND s.seq < ?2
               AND (a.seq IS NULL OR a.seq > ?2 OR a.verdict IN ('server_error', 'no_answer')))";
    let [target, seq] = [fact.target, fact.seq].map(|seq| seq.saturating_add(shift));
    let found =
        connection.prepare_cached(query).and_then(|mut it| it.query_row([target, seq], |row| row.get(0)));
    // What cannot be read is found elsewhere.
    found.unwrap_or(true)
}

fn cannot_read(path: &Path, error: &rusqlite::Error) -> AuditError {
    AuditError::Unreadable { path: path.to_owned(), why: error.to_string() }
}

fn failed(path: &Path, source: rusqlite::Error) -> AuditError {
    AuditError::Sqlite { path: path.to_owned(), action: "read", source }
}

/// A log in the file.
struct Log {
    /// By how much the numbers of its records were raised when it was merged.
    shift: i64,
    /// What a merged file says of it.
    claim: Option<merged::Claim>,
}

impl Log {
    /// The log of a file that is not a merged one.
    const ONLY: Self = Self { shift: 0, claim: None };

    /// Reads all records of the log, and holds them against each other and against the checkpoints.
    fn verify(
        &self,
        connection: &Connection,
        source: &Source,
        anchors: &AnchorCheck<'_>,
        mut findings: Findings,
    ) -> rusqlite::Result<Verification> {
        let (mut chain, mut runs) = (Chain::new(self.shift), Runs::default());
        let last = self.claim.as_ref().map(|claim| self.shift.saturating_add(claim.records));
        let read = rows::each(connection, self.shift, last, |values| {
            let Some(fact) = chain.check(values, &mut findings) else { return };
            runs.take(&fact, &mut findings);
            if runs.lacks_doubt(&fact) && !earlier_doubt(connection, self.shift, &fact) {
                findings.add(Finding::Doubt { seq: fact.seq, target: fact.target });
            }
        });
        if let Err(error) = read {
            if may_pass(&error) {
                return Err(error);
            }
            findings.add(Finding::Corrupt { why: error.to_string() });
        }
        runs.close(&mut findings);
        if let Some(claim) = &self.claim {
            claim.check(&chain, &runs, &mut findings);
        }
        if source.lacks_wal {
            findings.add(Finding::WalMissing { ended: runs.has_ended() });
        }
        let anchors = anchors.hold((connection, self.shift), chain.last(), &runs, &mut findings);
        Ok(Verification {
            head: chain.head(),
            at_us: chain.at_us(),
            totals: Totals { records: chain.records(), ..runs.totals },
            log_id: runs.log_id,
            findings,
            anchors,
        })
    }
}
