//! One run as a whole, and its targets as a certificate lists them: read in one pass, in memory that
//! does not grow with the run.

mod latency;
mod timeline;

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction};
use serde_json::Value;

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::Content;
use crate::domain::{
    ClosingListing, LogState, Outcome, RecordMark, RunAccount, Session, SessionFacts, Timestamp,
};
use latency::Latencies;
use timeline::{Counted, Happened};

/// Keeps the log as it is for one reader, while somebody may be writing to it: all that is read until
/// this is dropped is of one moment.
#[derive(Debug)]
pub struct Moment<'a> {
    _transaction: Transaction<'a>,
}

/// A log, and where its records stand in the file.
struct Log {
    id: String,
    first: i64,
    last: i64,
}

/// A record of the run, as far as it counts here.
struct Fact {
    kind: String,
    at_us: i64,
    number: Option<i64>,
    latency_us: Option<i64>,
    waited_us: Option<i64>,
    outcome: Option<Outcome>,
    evidence: Option<String>,
    detail: Option<String>,
}

impl AuditReader {
    /// From here on, reads the log as it is now.
    pub fn hold_still(&self) -> Result<Moment<'_>, AuditError> {
        let transaction = self.connection.unchecked_transaction().map_err(|e| self.failed(e))?;
        Ok(Moment { _transaction: transaction })
    }

    /// The log that the record `seq` is in. A file has one; one into which several were merged has one
    /// behind the other.
    fn log_around(&self, seq: i64) -> Result<Log, AuditError> {
        let (first, id): (i64, String) = self
            .connection
            .query_row(
                "SELECT seq, name FROM record WHERE kind = 'log' AND seq <= ?1 ORDER BY seq DESC LIMIT 1",
                [seq],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(|e| self.failed(e))?;
        let last = "SELECT coalesce((SELECT seq - 1 FROM record WHERE kind = 'log' AND seq > ?1 ORDER BY seq LIMIT 1),
                                    (SELECT max(seq) FROM record))";
        let last = self.connection.query_row(last, [first], |row| row.get(0)).map_err(|e| self.failed(e))?;
        Ok(Log { id, first, last })
    }

    /// The record of `log` that `which` picks as the last, `?1` being `seq`.
    fn mark(&self, log: &Log, which: &str, seq: i64) -> Result<RecordMark, AuditError> {
        let query = format!(
            "SELECT seq - ?2 + 1, at_us, lower(hex(hash)) FROM record
              WHERE seq BETWEEN ?2 AND ?3 AND ({which}) ORDER BY seq DESC LIMIT 1"
        );
        let mark = |row: &Row<'_>| {
            let at = Timestamp::from_micros(row.get(1)?);
            Ok(RecordMark { seq: row.get(0)?, at, hash: row.get(2)? })
        };
        self.connection.query_row(&query, [seq, log.first, log.last], mark).map_err(|e| self.failed(e))
    }

    /// The log that holds the run with this id, as it is now.
    pub fn log_now(&self, run_id: &str) -> Result<LogState, AuditError> {
        let query = "SELECT seq FROM record WHERE kind = 'run' AND name = ?1";
        let run: i64 =
            self.connection.query_row(query, [run_id], |row| row.get(0)).map_err(|e| self.failed(e))?;
        let log = self.log_around(run)?;
        let head = self.mark(&log, "?1 IS NOT NULL", run)?;
        Ok(LogState { id: log.id, is_merged: self.content == Content::Merged, head })
    }

    /// The last record of the log whose first record is at the place `first`.
    pub(in crate::audit) fn head_of_log_at(&self, first: i64) -> Result<RecordMark, AuditError> {
        let log = self.log_around(first)?;
        self.mark(&log, "?1 IS NOT NULL", first)
    }

    /// The run with this id as a whole.
    pub fn account(&self, run_id: &str) -> Result<RunAccount, AuditError> {
        let (run, began, detail): (i64, i64, String) = self
            .connection
            .query_row(
                "SELECT seq, at_us, detail FROM record WHERE kind = 'run' AND name = ?1",
                [run_id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .map_err(|e| self.failed(e))?;
        let log = self.log_around(run)?;
        // The plus has SQLite walk back from the end, where it is soon found.
        let last = self.mark(&log, "+run = ?1 OR seq = ?1", run)?;
        let state = LogState {
            id: log.id.clone(),
            is_merged: self.content == Content::Merged,
            head: self.mark(&log, "?1 IS NOT NULL", run)?,
        };
        let mut account = opened(&detail, Timestamp::from_micros(began), state, last);
        let mut latencies = Latencies::new();
        let mut counted = Counted::new(began, account.last.at.as_micros());
        let mut answers = 0;
        self.each_fact(&log, run, &mut |fact| {
            if let (Some(outcome), Some(listing)) = (fact.outcome, &mut account.listing) {
                listing.gone_after += u64::from(outcome.is_gone());
            }
            match fact.kind.as_str() {
                "send" => {
                    account.requests += 1;
                    account.repeats += u64::from(fact.number.is_some_and(|number| number > 1));
                    counted.sent(fact.at_us, fact.waited_us.unwrap_or(0));
                }
                "answer" => {
                    answers += 1;
                    if let Some(latency) = fact.latency_us.and_then(|micros| u64::try_from(micros).ok()) {
                        latencies.add(latency);
                    }
                    counted.happened(fact.at_us, happened(fact.outcome));
                }
                "settle" if fact.outcome == Some(Outcome::Skipped) => {
                    *account.skipped.entry(fact.detail.unwrap_or_default()).or_default() += 1;
                }
                "settle" => counted.happened(fact.at_us, happened(fact.outcome)),
                "check" if fact.evidence.as_deref() == Some("still_listed") => {}
                "check" => {
                    account.listing = Some(ClosingListing {
                        at: Timestamp::from_micros(fact.at_us),
                        names: json(fact.detail.as_deref())["listed"].as_u64().unwrap_or_default(),
                        gone_after: 0,
                    });
                }
                "resume" => {
                    account.resumed += 1;
                    account.why = None;
                    counted.stopped();
                    let from = Timestamp::from_micros(fact.at_us);
                    account.sessions.push(session(from, &json(fact.detail.as_deref())));
                }
                "end" => {
                    account.why = text(&json(fact.detail.as_deref())["why"]);
                    counted.stopped();
                    if let Some(session) = account.sessions.last_mut() {
                        session.to = Some(Timestamp::from_micros(fact.at_us));
                    }
                }
                _ => {}
            }
        })?;
        account.definitions = self.kept_definitions(run_id)?;
        account.unanswered = account.requests.saturating_sub(answers);
        account.latency = latencies.summed_up();
        account.timeline = counted.summed_up();
        Ok(account)
    }

    /// Hands each record of the run to `take`, in order.
    fn each_fact(&self, log: &Log, run: i64, take: &mut dyn FnMut(Fact)) -> Result<(), AuditError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT kind, at_us, number, latency_us, waited_us, outcome, evidence, detail
                   FROM record WHERE seq > ?1 AND seq <= ?2 AND +run = ?1 AND kind <> 'target' ORDER BY seq",
            )
            .map_err(|e| self.failed(e))?;
        let mut rows = statement.query([run, log.last]).map_err(|e| self.failed(e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            take(fact(row).map_err(|e| self.failed(e))?);
        }
        Ok(())
    }
}

/// What the record of a run tells, before anything has happened in it.
fn opened(detail: &str, at: Timestamp, log: LogState, last: RecordMark) -> RunAccount {
    let detail = json(Some(detail));
    let settings = &detail["settings"];
    let origin = &settings["origin"];
    let began = last.at.as_micros();
    RunAccount {
        log,
        last,
        definitions: None,
        rows: origin["rows"].as_u64(),
        targets_sha256: text(&detail["targets_sha256"]),
        token_fingerprint: text(&detail["token_fingerprint"]),
        rate: text(&settings["rate"]),
        checkpoints: settings["checkpoints"] == true,
        sessions: vec![session(at, &detail)],
        plan_creator: text(&origin["plan_creator"]),
        approved_with: text(&origin["approved_with"]),
        why: None,
        resumed: 0,
        requests: 0,
        repeats: 0,
        unanswered: 0,
        skipped: BTreeMap::new(),
        listing: None,
        latency: None,
        timeline: Counted::new(began, began).summed_up(),
    }
}

/// The session that begins at that time, by the detail of its record. Earlier versions recorded a part of it.
fn session(from: Timestamp, detail: &Value) -> Session {
    Session { from, to: None, facts: session_facts(detail) }
}

/// What the detail of a `run` or a `resume` record says of who begins it, where and through what.
pub(in crate::audit) fn session_facts(detail: &Value) -> SessionFacts {
    let recorded = serde_json::from_value::<SessionFacts>(detail["session"].clone());
    recorded.unwrap_or_else(|_| SessionFacts {
        operator: text(&detail["operator"]),
        host: text(&detail["host"]),
        tool_version: text(&detail["tool_version"]),
        ..SessionFacts::default()
    })
}

const fn happened(outcome: Option<Outcome>) -> Happened {
    match outcome {
        Some(outcome) if outcome.is_gone() => Happened::Gone,
        Some(_) => Happened::Other,
        None => Happened::Unsettled,
    }
}

fn fact(row: &Row<'_>) -> rusqlite::Result<Fact> {
    let outcome: Option<String> = row.get(5)?;
    Ok(Fact {
        kind: row.get(0)?,
        at_us: row.get(1)?,
        number: row.get(2)?,
        latency_us: row.get(3)?,
        waited_us: row.get(4)?,
        outcome: outcome.and_then(|word| word.parse().ok()),
        evidence: row.get(6)?,
        detail: row.get(7)?,
    })
}

/// A detail that is no JSON, as that of a skip, has no members.
fn json(detail: Option<&str>) -> Value {
    detail.and_then(|detail| serde_json::from_str(detail).ok()).unwrap_or_default()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::real_path;
    use crate::audit::write::open_for_writing;

    /// Adds a record of this kind and name.
    const ADD: &str = "INSERT INTO record (seq, kind, at_us, name, hash)
                       SELECT coalesce(max(seq), 0) + 1, ?1, 0, ?2, zeroblob(32) FROM record";

    #[test]
    fn what_is_read_is_of_one_moment_and_of_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let (writer, _) = open_for_writing(&path, &real_path(&path).unwrap()).unwrap();
        writer.execute(ADD, ["log", "one"]).unwrap();

        let reader = AuditReader::open(&path).unwrap();
        let moment = reader.hold_still().unwrap();
        assert_eq!(reader.log_around(1).unwrap().last, 1);
        writer.execute(ADD, ["end", ""]).unwrap();
        assert_eq!(reader.log_around(1).unwrap().last, 1, "what came since is not seen");
        drop(moment);
        assert_eq!(reader.log_around(1).unwrap().last, 2);

        // As in a file into which two logs were merged.
        writer.execute(ADD, ["log", "two"]).unwrap();
        let logs = [2, 3].map(|seq| reader.log_around(seq).unwrap());
        let [one, two] = logs.each_ref().map(|log| (log.id.as_str(), log.first, log.last));
        assert_eq!((one, two), (("one", 1, 2), ("two", 3, 3)));
        let head = reader.mark(&logs[1], "?1 IS NOT NULL", 3).unwrap();
        assert_eq!((head.seq, head.hash), (1, "00".repeat(32)), "counted from the beginning of its log");
    }
}
