//! A copy of the audit log, read with SQL alone.
//!
//! A copy, because whoever opens a log that was left behind by a kill, and closes it, mends it: the
//! next decom must find it as the kill left it.

use std::collections::HashMap;
use std::path::Path;

use decom::audit::AuditError;
use decom::audit::verify::{AnchorCheck, Weight, verify};
use rusqlite::Connection;
use tempfile::TempDir;

use super::chain;

/// The state of a log at one moment.
pub struct Snapshot {
    pub planned: u64,
    /// `None` where no run has begun.
    pub status: Option<String>,
    pub runs: u64,
    /// The sum of all outcomes in the view `runs`, pending among them.
    pub in_sum: u64,
    pub hashes: Vec<[u8; 32]>,
    pub attempts: HashMap<String, Attempt>,
    pub results: Vec<TargetEnd>,
    /// Attempts without an answer that the last process began.
    pub in_doubt: u64,
    /// Attempts that were begun although their target was settled.
    pub sent_after_outcome: u64,
    /// Clear replies that settled nothing. A 400 whose body was cut short is tried again, so that only a rejection with
    /// a code counts.
    pub unsettling: u64,
    /// Targets with more or less than one place in the view `results`.
    pub odd_targets: u64,
    /// Requests for a datasource that were begun while a datamart of it was not gone.
    pub out_of_order: u64,
}

/// One attempt.
pub struct Attempt {
    pub verdict: Option<String>,
    pub http_status: Option<u64>,
}

/// The outcome of one target.
pub struct TargetEnd {
    pub name: String,
    pub outcome: String,
    pub evidence: Option<String>,
    pub attempts: u64,
    /// The id of the request whose answer settled it, where one did.
    pub settled_by: Option<String>,
    /// Whether an attempt got no clear answer.
    pub doubted: bool,
}

const RESULTS: &str = "
SELECT iif(v.kind = 'datamart', 'datamart ' || v.name, v.name), v.outcome, v.evidence, v.attempts,
       r.name || '-' || t.number || '-' || o.number,
       EXISTS (SELECT 1 FROM attempts a WHERE a.run_id = v.run_id AND a.target = v.target
                AND (a.verdict IS NULL OR a.verdict IN ('server_error', 'no_answer')))
  FROM results v
  JOIN record r ON r.kind = 'run' AND r.name = v.run_id
  JOIN record t ON t.kind = 'target' AND t.run = r.seq AND t.number = v.target
  LEFT JOIN record o ON o.target = t.seq AND o.outcome IS NOT NULL AND o.kind = 'answer'
 ORDER BY v.target";

/// Reads the log as it lies there.
pub fn snapshot(path: &Path) -> Result<Snapshot, String> {
    verified(path)?;
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let from = path.with_file_name(format!("{}{suffix}", path.file_name().unwrap().to_str().unwrap()));
        if from.exists() {
            std::fs::copy(&from, folder.path().join(format!("copy.db{suffix}"))).unwrap();
        }
    }
    let log = Connection::open(&copy).unwrap();
    read(&log).map_err(|error| format!("the log cannot be read: {error}"))?
}

/// What `audit verify` says of the log as the kill left it: whatever is half done, nothing is wrong.
fn verified(path: &Path) -> Result<(), String> {
    match verify(path, &AnchorCheck::default()) {
        Ok(found) if found.findings.weight() < Weight::Unsound => Ok(()),
        Ok(found) => Err(format!("audit verify: {:?}", found.findings.list())),
        // The log was not begun yet, or the kill was in the moment when it was folded.
        Err(
            AuditError::Missing { .. }
            | AuditError::Empty { .. }
            | AuditError::NoRecords { .. }
            | AuditError::Unplayed { .. },
        ) => Ok(()),
        Err(error) => Err(format!("audit verify: {error}")),
    }
}

fn read(log: &Connection) -> rusqlite::Result<Result<Snapshot, String>> {
    let number = |query: &str| log.query_row(query, [], |row| row.get::<_, u64>(0));
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    let mut snapshot = Snapshot {
        planned: 0,
        status: None,
        runs: 0,
        in_sum: 0,
        hashes: Vec::new(),
        attempts: HashMap::new(),
        results: Vec::new(),
        in_doubt: 0,
        sent_after_outcome: 0,
        unsettling: 0,
        odd_targets: 0,
        out_of_order: 0,
    };
    if empty {
        return Ok(Ok(snapshot));
    }
    let sound: String = log.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Ok(Err(format!("integrity_check: {sound}")));
    }
    snapshot.hashes = match chain::check(log) {
        Ok(hashes) => hashes,
        Err(broken) => return Ok(Err(broken)),
    };
    snapshot.runs = number("SELECT count(*) FROM runs")?;
    if snapshot.runs > 0 {
        let sum =
            "deleted + deleted_unconfirmed + not_found + in_use + rejected + failed + unknown + skipped";
        (snapshot.planned, snapshot.status, snapshot.in_sum) =
            log.query_row(&format!("SELECT planned, status, {sum} + pending FROM runs"), [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        if number(&format!("SELECT {sum} FROM runs"))? > snapshot.planned {
            return Ok(Err("more targets are settled than planned".to_owned()));
        }
    }
    let mut statement = log.prepare("SELECT request_id, verdict, http_status FROM attempts")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, Attempt { verdict: row.get(1)?, http_status: row.get(2)? })))?;
    snapshot.attempts = rows.collect::<Result<_, _>>()?;
    let mut statement = log.prepare(RESULTS)?;
    let rows = statement.query_map([], |row| {
        Ok(TargetEnd {
            name: row.get(0)?,
            outcome: row.get(1)?,
            evidence: row.get(2)?,
            attempts: row.get(3)?,
            settled_by: row.get(4)?,
            doubted: row.get(5)?,
        })
    })?;
    snapshot.results = rows.collect::<Result<_, _>>()?;
    snapshot.in_doubt = number(
        "SELECT count(*) FROM record s WHERE s.kind = 'send'
            AND s.seq > (SELECT max(seq) FROM record WHERE kind IN ('run', 'resume'))
            AND NOT EXISTS (SELECT 1 FROM record a
                             WHERE a.kind = 'answer' AND a.target = s.target AND a.number = s.number)",
    )?;
    snapshot.sent_after_outcome = number(
        "SELECT count(*) FROM record s JOIN record o ON o.target = s.target AND o.outcome IS NOT NULL
          WHERE s.kind = 'send' AND s.seq > o.seq",
    )?;
    snapshot.unsettling = number(
        "SELECT count(*) FROM record WHERE kind = 'answer' AND outcome IS NULL
            AND (verdict IN ('deleted', 'not_found')
              OR verdict = 'rejected' AND error_code IS NOT NULL
              -- After its own datamarts are gone, it is tried again.
              OR verdict = 'in_use' AND (SELECT coalesce(t.detail ->> '$.datamarts', 0) = 0
                                           FROM record t WHERE t.seq = record.target))",
    )?;
    snapshot.odd_targets = number(
        "SELECT count(*) FROM (SELECT t.seq FROM record t
            LEFT JOIN record o ON o.target = t.seq AND o.outcome IS NOT NULL
            WHERE t.kind = 'target' GROUP BY t.seq HAVING count(*) <> 1)",
    )?;
    snapshot.out_of_order = number(
        "SELECT count(*) FROM record s JOIN record t ON t.seq = s.target
           JOIN record m ON m.kind = 'target' AND m.run = t.run AND m.number < t.number
            AND m.number >= t.number - (t.detail ->> '$.datamarts')
          WHERE s.kind = 'send' AND t.detail ->> '$.datamarts' > 0
            AND NOT EXISTS (SELECT 1 FROM record o WHERE o.target = m.seq AND o.seq < s.seq
                             AND o.outcome IN ('deleted', 'deleted_unconfirmed', 'not_found'))",
    )?;
    Ok(Ok(snapshot))
}
