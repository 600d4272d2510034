//! The logs of a merged file: where each of them is, and whether the file is right about that.

use rusqlite::Connection;

use super::account::Account;
use super::source::Source;
use super::{Finding, Findings, First, end};

/// The logs that stand in the file, each with a connection of its own.
pub(super) fn blocks(
    source: &Source,
    connection: &Connection,
    findings: &mut Findings,
) -> rusqlite::Result<Vec<First>> {
    let mut firsts = Vec::new();
    let mut shift = 0;
    let mut statement =
        connection.prepare("SELECT number, log_id, shift, records, head FROM log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (number, said_shift, records): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let said = (row.get(1)?, row.get(4)?);
        if number != count(&firsts) + 1 || said_shift != shift || records < 1 {
            findings.add(Finding::Blocks { why: format!("log {number} is not where it should be") });
        }
        shift = said_shift.saturating_add(records);
        let (head, at_us) = end(connection, shift).unwrap_or((None, None));
        let connection = source.connect()?;
        firsts.push(First {
            connection,
            shift: said_shift,
            smallest: 1,
            last: records,
            head,
            at_us,
            checks_file: firsts.is_empty(),
            said: Some(said),
        });
    }
    let (smallest, last): (Option<i64>, Option<i64>) =
        connection
            .query_row("SELECT min(seq), max(seq) FROM record", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if (smallest, last) != (Some(1), Some(shift)) {
        let why = "there are records that belong to none of the logs, or logs without their records";
        findings.add(Finding::Blocks { why: why.to_owned() });
    }
    Ok(firsts)
}

/// Holds what the file says of a log against its records.
pub(super) fn hold(
    (log_id, head): &(String, Vec<u8>),
    found: Option<[u8; 32]>,
    account: &Account,
    findings: &mut Findings,
) {
    if account.log_id.as_ref() != Some(log_id) {
        findings.add(Finding::Blocks {
            why: format!("the log {} calls itself otherwise", log_id.escape_debug()),
        });
    }
    if found.as_ref().map(<[u8; 32]>::as_slice) != Some(head) {
        findings
            .add(Finding::Blocks { why: format!("the log {} has another last hash", log_id.escape_debug()) });
    }
}

fn count(firsts: &[First]) -> i64 {
    i64::try_from(firsts.len()).unwrap_or(i64::MAX)
}
