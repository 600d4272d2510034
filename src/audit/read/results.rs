//! The results of a whole run: the rows of the view `results`, made from the records themselves.
//!
//! The view looks up each target's records five times over, which is right for one name and slow for
//! a million. Here each record is read once. A test holds the two together.

use std::ops::RangeInclusive;

use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::AuditReader;
use crate::audit::AuditError;
use crate::domain::{Outcome, TargetResult, Timestamp};

/// The records about targets of the run ?1, those of each target together. What is `{which}` is a condition on them.
const RECORDS: &str = "
    SELECT t.seq, t.number, t.name, t.reason, t.ticket, t.detail ->> '$.message_id',
           a.seq, a.kind, a.at_us, a.number, a.outcome, a.evidence,
           a.http_status, a.error_code, a.message, a.datasource_id, a.detail
      FROM record t LEFT JOIN record a ON a.target = t.seq
     WHERE t.kind = 'target' AND t.run = ?1 {which} ORDER BY t.number, t.seq";

/// What was settled is found by its outcome.
const SETTLED_SO: &str = "AND t.seq IN (SELECT o.target FROM record o WHERE o.run = ?1 AND o.outcome IN ";

/// The times that SQLite can write, in microseconds: up to the end of the year 9999.
const TIMES: RangeInclusive<i64> = 0..=253_402_300_799_999_999;

impl AuditReader {
    /// Hands each result of the run to `take`, in the order of the targets, until that returns
    /// `false`. With `outcomes`, only those that ended so.
    pub fn each_result(
        &self,
        run_id: &str,
        outcomes: Option<&[Outcome]>,
        take: impl FnMut(TargetResult) -> bool,
    ) -> Result<(), AuditError> {
        self.results_of(run_id, outcomes, take).map_err(|e| self.failed(e))
    }

    fn results_of(
        &self,
        run_id: &str,
        outcomes: Option<&[Outcome]>,
        mut take: impl FnMut(TargetResult) -> bool,
    ) -> rusqlite::Result<()> {
        let run = "SELECT seq FROM record WHERE kind = 'run' AND name = ?1";
        let Some(run) = self.connection.prepare(run)?.query_map([run_id], |row| row.get(0))?.next() else {
            return Ok(());
        };
        let run: i64 = run?;
        let which = match outcomes {
            None => String::new(),
            Some(some) if some.contains(&Outcome::Pending) && self.has_pending(run)? => String::new(),
            Some(some) => {
                let words: Vec<_> = some.iter().map(|outcome| format!("'{outcome}'")).collect();
                format!("{SETTLED_SO} ({}))", words.join(","))
            }
        };
        let checks = self.checks_of(run)?;
        let mut statement = self.connection.prepare(&RECORDS.replace("{which}", &which))?;
        let mut rows = statement.query([run])?;
        let (mut told, mut times) = (Told::default(), Times::default());
        let mut hand_over = |told: Told| {
            let wanted = |result: &TargetResult| outcomes.is_none_or(|some| some.contains(&result.outcome));
            told.results(run_id, &checks).filter(wanted).all(&mut take)
        };
        while let Some(row) = rows.next()? {
            let target = row.get(0)?;
            if told.target != target {
                let before = std::mem::replace(&mut told, Told::of(target, row)?);
                if before.target != 0 && !hand_over(before) {
                    return Ok(());
                }
            }
            told.add(row, &mut times)?;
        }
        if told.target != 0 {
            hand_over(told);
        }
        Ok(())
    }

    fn has_pending(&self, run: i64) -> rusqlite::Result<bool> {
        self.connection.query_row(
            "SELECT (SELECT count(*) FROM record WHERE kind = 'target' AND run = ?1)
                  > (SELECT count(*) FROM record WHERE run = ?1 AND outcome IS NOT NULL)",
            [run],
            |row| row.get(0),
        )
    }

    /// What readings of the listing showed for the run as a whole, each from its place.
    fn checks_of(&self, run: i64) -> rusqlite::Result<Vec<(i64, String)>> {
        let query = "SELECT seq, evidence FROM record
            WHERE kind = 'check' AND run = ?1 AND target IS NULL AND evidence IS NOT NULL ORDER BY seq";
        let mut statement = self.connection.prepare(query)?;
        statement.query_map(params![run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

/// What the records tell of one target.
#[derive(Default)]
struct Told {
    target: i64,
    number: u64,
    name: String,
    reason: Option<String>,
    ticket: Option<String>,
    message_id: Option<String>,
    attempts: u32,
    first_attempt_at: Option<String>,
    /// What a reading of the listing showed for it alone.
    check: Option<String>,
    /// How it ended: once, in a log that nobody has tampered with.
    ended: Vec<Ended>,
}

/// The record that settled a target.
struct Ended {
    seq: i64,
    at: Option<String>,
    outcome: Outcome,
    evidence: Option<String>,
    http_status: Option<u16>,
    error_code: Option<String>,
    message: Option<String>,
    datasource_id: Option<String>,
    detail: Option<String>,
}

impl Ended {
    /// What is said of a target that no record settles.
    const PENDING: Self = Self {
        seq: 0,
        at: None,
        outcome: Outcome::Pending,
        evidence: None,
        http_status: None,
        error_code: None,
        message: None,
        datasource_id: None,
        detail: None,
    };
}

impl Told {
    fn of(target: i64, row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            target,
            number: row.get(1)?,
            name: row.get(2)?,
            reason: row.get(3)?,
            ticket: row.get(4)?,
            message_id: row.get(5)?,
            ..Self::default()
        })
    }

    /// Adds the record about the target that `row` has, if any.
    fn add(&mut self, row: &Row<'_>, times: &mut Times) -> rusqlite::Result<()> {
        let ValueRef::Text(kind) = row.get_ref(7)? else { return Ok(()) };
        let number: Option<u32> = row.get(9)?;
        self.attempts = self.attempts.max(number.unwrap_or(0));
        match kind {
            b"send" if number == Some(1) && self.first_attempt_at.is_none() => {
                self.first_attempt_at = times.text(row.get(8)?);
            }
            b"check" if self.check.is_none() => self.check = row.get(11)?,
            _ => {}
        }
        if let ValueRef::Text(outcome) = row.get_ref(10)? {
            let text = String::from_utf8_lossy(outcome);
            let outcome = text.parse().map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(10, rusqlite::types::Type::Text, Box::new(error))
            })?;
            self.ended.push(Ended {
                seq: row.get(6)?,
                at: times.text(row.get(8)?),
                outcome,
                evidence: row.get(11)?,
                http_status: row.get(12)?,
                error_code: row.get(13)?,
                message: row.get(14)?,
                datasource_id: row.get(15)?,
                detail: row.get(16)?,
            });
        }
        Ok(())
    }

    /// The result that this makes; one for each end, where there are several.
    fn results(mut self, run_id: &str, checks: &[(i64, String)]) -> impl Iterator<Item = TargetResult> {
        let mut ended = std::mem::take(&mut self.ended);
        if ended.is_empty() {
            ended.push(Ended::PENDING);
        }
        ended.into_iter().map(move |ended| {
            let is_gone = matches!(ended.outcome, Outcome::Deleted | Outcome::DeletedUnconfirmed);
            // An acknowledged deletion that the listing bore out afterwards: recorded once for the run.
            let later =
                || checks.iter().find(|(seq, _)| *seq > ended.seq).map(|(_, evidence)| evidence.clone());
            let checked = if is_gone { self.check.clone().or_else(later) } else { None };
            let evidence = checked.or_else(|| ended.evidence.clone());
            self.result(run_id, Ended { evidence, ..ended })
        })
    }

    fn result(&self, run_id: &str, ended: Ended) -> TargetResult {
        TargetResult {
            run_id: run_id.to_owned(),
            target: self.number,
            datasource: self.name.clone(),
            outcome: ended.outcome,
            attempts: self.attempts,
            http_status: ended.http_status,
            error_code: ended.error_code,
            message: ended.message,
            datasource_id: ended.datasource_id,
            evidence: ended.evidence,
            detail: ended.detail,
            first_attempt_at: self.first_attempt_at.clone(),
            finished_at: ended.at,
            target_reason: self.reason.clone(),
            target_ticket: self.ticket.clone(),
            message_id: self.message_id.clone(),
        }
    }
}

/// Writes times as the view does. Most records are of the same second as the one before.
#[derive(Default)]
struct Times {
    second: i64,
    /// That second, up to the point before the microseconds.
    text: String,
}

impl Times {
    fn text(&mut self, at_us: i64) -> Option<String> {
        if !TIMES.contains(&at_us) {
            return None;
        }
        let (second, micros) = (at_us / 1_000_000, at_us % 1_000_000);
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = Timestamp::from_micros(at_us).to_string();
            self.text.truncate(self.text.len() - "000000Z".len());
        }
        Some(format!("{}{micros:06}Z", self.text))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::audit::read::history::result;
    use crate::audit::record::Content;

    /// Two runs with a target for each case that the view tells apart, and a record of each kind about it.
    const RECORDS: &str = "
        (2, 'run', 10, NULL, NULL, NULL, 'r', NULL, NULL, NULL, NULL),
        (3, 'target', 10, 2, NULL, 1, 'a', NULL, NULL, NULL, NULL),
        (4, 'target', 10, 2, NULL, 2, 'b', NULL, NULL, NULL, '{\"message_id\":\"m\"}'),
        (5, 'target', 10, 2, NULL, 3, 'c', NULL, NULL, NULL, NULL),
        (6, 'target', 10, 2, NULL, 4, 'd', NULL, NULL, NULL, NULL),
        (7, 'target', 10, 2, NULL, 5, 'e', NULL, NULL, NULL, NULL),
        (8, 'settle', 10, 2, 7, NULL, NULL, NULL, 'skipped', 'pattern', 'protected'),
        (9, 'send', 1000000, 2, 3, 1, NULL, NULL, NULL, NULL, NULL),
        (10, 'answer', 2999999, 2, 3, 1, NULL, 200, 'deleted', 'answer', NULL),
        (11, 'send', 3000000, 2, 4, 1, NULL, NULL, NULL, NULL, NULL),
        (12, 'answer', 3000001, 2, 4, 1, NULL, 503, NULL, NULL, NULL),
        (13, 'send', 4000000, 2, 4, 2, NULL, NULL, NULL, NULL, NULL),
        (14, 'answer', 4000001, 2, 4, 2, NULL, 404, 'deleted_unconfirmed', 'answer', NULL),
        (15, 'send', 1767225600123456, 2, 5, 1, NULL, NULL, NULL, NULL, NULL),
        (16, 'check', 1767225600123456, 2, 4, NULL, NULL, NULL, NULL, 'still_listed', NULL),
        (17, 'check', 1767225600123456, 2, NULL, NULL, NULL, NULL, NULL, 'absent', NULL),
        (18, 'run', 1767225600123456, NULL, NULL, NULL, 's', NULL, NULL, NULL, NULL),
        (19, 'target', 1767225600123456, 18, NULL, 1, 'a', NULL, NULL, NULL, NULL)";

    fn reader() -> AuditReader {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(crate::audit::record::SCHEMA).unwrap();
        let columns = "seq, kind, at_us, run, target, number, name, http_status, outcome, evidence, detail";
        connection
            .execute_batch(&format!(
                "INSERT INTO record (seq, kind, at_us, hash) VALUES (1, 'log', 10, zeroblob(32));
                 INSERT INTO record ({columns}, hash) SELECT *, zeroblob(32) FROM (VALUES {RECORDS})"
            ))
            .unwrap();
        AuditReader { connection, path: "audit.db".into(), content: Content::Log }
    }

    #[test]
    fn the_results_of_a_run_are_those_of_the_view() {
        let reader = reader();
        let exceptions: Vec<_> = Outcome::ALL.into_iter().filter(|it| *it != Outcome::Deleted).collect();
        let some: [Option<&[Outcome]>; 4] =
            [None, Some(&exceptions), Some(&[Outcome::Skipped, Outcome::InUse]), Some(&[Outcome::Pending])];
        for run in ["r", "s", "t"] {
            for outcomes in some {
                let mut statement = reader
                    .connection
                    .prepare("SELECT * FROM results WHERE run_id = ?1 ORDER BY target")
                    .unwrap();
                let viewed = statement.query_map([run], result).unwrap().map(Result::unwrap);
                let wanted = viewed.filter(|it| outcomes.is_none_or(|some| some.contains(&it.outcome)));
                let wanted: Vec<_> = wanted.collect();
                let mut found = Vec::new();
                reader
                    .each_result(run, outcomes, |result| {
                        found.push(result);
                        true
                    })
                    .unwrap();
                assert_eq!(found, wanted, "{run} {outcomes:?}");
            }
        }
    }

    #[test]
    fn whoever_has_seen_enough_gets_no_more() {
        let mut found = 0;
        reader()
            .each_result("r", None, |_| {
                found += 1;
                found < 2
            })
            .unwrap();
        assert_eq!(found, 2);
    }
}
