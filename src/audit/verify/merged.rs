//! The logs of a merged file: where each of them is, and whether the file is right about that.

use rusqlite::Connection;

use super::rows::Chain;
use super::runs::Runs;
use super::{Finding, Findings, Log};

/// What the table of the logs in a merged file says of one of them.
pub(super) struct Claim {
    pub(super) records: i64,
    log_id: String,
    head: Vec<u8>,
}

/// The logs in the file, in their order.
pub(super) fn logs(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<Vec<Log>> {
    let mut logs: Vec<Log> = Vec::new();
    let mut end = 0;
    let mut statement =
        connection.prepare("SELECT number, shift, log_id, records, head FROM log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (number, shift): (usize, i64) = (row.get(0)?, row.get(1)?);
        let claim = Claim { log_id: row.get(2)?, records: row.get(3)?, head: row.get(4)? };
        if number != logs.len() + 1 || shift != end || claim.records < 1 {
            findings.add(Finding::Blocks { why: format!("log {number} is not where it should be") });
        }
        end = shift.saturating_add(claim.records);
        logs.push(Log { shift, claim: Some(claim) });
    }
    let ends = "SELECT min(seq), max(seq) FROM record";
    let ends = connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if ends != (Some(1), Some(end)) {
        let why = "there are records that belong to none of the logs, or logs without their records";
        findings.add(Finding::Blocks { why: why.to_owned() });
    }
    Ok(logs)
}

impl Claim {
    /// Checks what the file says of a log against its records.
    pub(super) fn check(&self, chain: &Chain, runs: &Runs, findings: &mut Findings) {
        let id = self.log_id.escape_debug();
        if runs.log_id.as_ref() != Some(&self.log_id) {
            findings.add(Finding::Blocks { why: format!("the log {id} calls itself otherwise") });
        }
        if chain.head().as_ref().map(<[u8; 32]>::as_slice) != Some(&self.head) {
            findings.add(Finding::Blocks { why: format!("the log {id} has another last hash") });
        }
    }
}
