//! Every request that was sent, with what it was sent for and what came of it.

use std::collections::VecDeque;

use rusqlite::{OptionalExtension, Row};

use crate::audit::read::session_facts;
use crate::audit::record::Hash;
use crate::audit::{AuditError, AuditReader};
use crate::domain::{RequestAnswer, RequestOrigin, ResourceKind, SentRequest, SessionFacts, Timestamp, hex};

/// A walk along the records with a look-up for each: nothing is sorted, and nothing held.
const REQUESTS: &str = "
    SELECT s.seq, s.hash, s.at_us, s.run, t.number, t.name, t.reason, t.ticket, s.number, s.waited_us,
           a.seq, a.hash, a.at_us, a.verdict, a.http_status, a.error_code, a.message, a.latency_us,
           a.datasource_id, o.outcome, o.evidence, t.detail ->> '$.kind'
      FROM record s
      JOIN record t ON t.seq = s.target AND t.kind = 'target'
      LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
      LEFT JOIN record o ON o.target = s.target AND o.outcome IS NOT NULL
     WHERE s.kind = 'send' AND s.seq > coalesce(?1, 0) AND (?1 IS NULL OR s.run = ?1)
     ORDER BY s.seq";

/// The run that sends, in the session that it is in.
struct Sender {
    run: i64,
    by: RequestOrigin,
    shift: i64,
    /// Those that have not begun yet, each with the place of its record.
    sessions: VecDeque<(i64, SessionFacts)>,
}

impl Sender {
    /// Enters the session that the record `seq` belongs to.
    fn advance_to(&mut self, seq: i64) {
        while self.sessions.front().is_some_and(|(from, _)| *from <= seq) {
            let Some((_, facts)) = self.sessions.pop_front() else { return };
            let SessionFacts { operator, login, uid, host, tool_version, .. } = facts;
            (self.by.operator, self.by.login, self.by.uid) = (operator, login, uid);
            self.by.host = host.unwrap_or_default();
            self.by.tool_version = tool_version.unwrap_or_default();
        }
    }
}

impl AuditReader {
    /// Hands each request that was sent to `take`, in the order of their records, until that returns
    /// `false`. With `run_id`, only those of that run. One request is held at a time.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn each_request(
        &self,
        run_id: Option<&str>,
        mut take: impl FnMut(&RequestOrigin, &SentRequest) -> bool,
    ) -> Result<(), AuditError> {
        let failed = |e| self.failed(e);
        let only = run_id.map(|run_id| self.place_of(run_id)).transpose()?.flatten();
        let mut statement = self.connection.prepare(REQUESTS).map_err(failed)?;
        let mut rows = statement.query([only]).map_err(failed)?;
        // One writer, one run at a time: the same run goes on for long.
        let mut current: Option<Sender> = None;
        while let Some(row) = rows.next().map_err(failed)? {
            let (seq, run): (i64, i64) = (row.get(0).map_err(failed)?, row.get(3).map_err(failed)?);
            let sender = match current.take() {
                Some(sender) if sender.run == run => sender,
                _ => self.sender(run)?,
            };
            let sender = current.insert(sender);
            sender.advance_to(seq);
            if !take(&sender.by, &request(row, sender.shift).map_err(failed)?) {
                break;
            }
        }
        Ok(())
    }

    fn sender(&self, run: i64) -> Result<Sender, AuditError> {
        let (by, shift) = self.sent_by(run)?;
        // The run itself, and each time that it was resumed: the index has these two kinds.
        let query = "SELECT seq, detail FROM record WHERE seq = ?1
                     UNION ALL SELECT seq, detail FROM record WHERE run = ?1 AND kind IN ('resume', 'end')
                                AND kind = 'resume' ORDER BY seq";
        let mut statement = self.connection.prepare_cached(query).map_err(|e| self.failed(e))?;
        let facts = |text: String| session_facts(&serde_json::from_str(&text).unwrap_or_default());
        let sessions = statement
            .query_map([run], |row| Ok((row.get(0)?, facts(row.get(1)?))))
            .and_then(Iterator::collect)
            .map_err(|e| self.failed(e))?;
        Ok(Sender { run, by, shift, sessions })
    }

    fn place_of(&self, run_id: &str) -> Result<Option<i64>, AuditError> {
        self.connection
            .query_row("SELECT seq FROM record WHERE kind = 'run' AND name = ?1", [run_id], |row| row.get(0))
            .optional()
            .map_err(|e| self.failed(e))
    }

    fn sent_by(&self, run: i64) -> Result<(RequestOrigin, i64), AuditError> {
        let (log_id, shift) = self.log_of(run)?;
        self.connection
            .prepare_cached(
                "SELECT name, detail ->> '$.base_url', detail ->> '$.operator', detail ->> '$.host',
                        detail ->> '$.tool_version', reason, ticket,
                        detail ->> '$.settings.origin.plan_digest', detail ->> '$.settings.origin.approved_by',
                        detail ->> '$.token_fingerprint',
                        coalesce(detail ->> '$.settings.origin.command', '') = 'rehearse'
                   FROM record WHERE seq = ?1",
            )
            .and_then(|mut statement| {
                statement.query_row([run], |row| {
                    let by = RequestOrigin {
                        log_id,
                        run_id: row.get(0)?,
                        base_url: row.get(1)?,
                        operator: row.get(2)?,
                        login: None,
                        uid: None,
                        host: row.get(3)?,
                        tool_version: row.get(4)?,
                        reason: row.get(5)?,
                        ticket: row.get(6)?,
                        plan_digest: row.get(7)?,
                        approved_by: row.get(8)?,
                        token_fingerprint: row.get(9)?,
                        rehearsal: row.get(10)?,
                    };
                    Ok((by, shift))
                })
            })
            .map_err(|e| self.failed(e))
    }
}

/// `shift`: how far the records were moved from where they are in their own log.
fn request(row: &Row<'_>, shift: i64) -> rusqlite::Result<SentRequest> {
    let place = |index| {
        Ok::<_, rusqlite::Error>((row.get::<_, i64>(index)? - shift, hex(row.get::<_, Hash>(index + 1)?)))
    };
    let millis = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<f64>>(index)?.map(|us| us / 1000.0));
    let answer = match row.get::<_, Option<String>>(13)? {
        None => None,
        Some(verdict) => Some(RequestAnswer {
            record: place(10)?,
            at: Timestamp::from_micros(row.get(12)?),
            verdict,
            http_status: row.get(14)?,
            error_code: row.get(15)?,
            message: row.get(16)?,
            latency_ms: millis(17)?,
            datasource_id: row.get(18)?,
        }),
    };
    let outcome = match row.get::<_, Option<String>>(19)? {
        None => None,
        Some(word) => {
            let outcome = word.parse().map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(19, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Some((outcome, row.get(20)?))
        }
    };
    let kind = match row.get::<_, Option<String>>(21)? {
        None => ResourceKind::Datasource,
        Some(word) => word.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(21, rusqlite::types::Type::Text, Box::new(error))
        })?,
    };
    Ok(SentRequest {
        record: place(0)?,
        at: Timestamp::from_micros(row.get(2)?),
        target: row.get(4)?,
        name: row.get(5)?,
        kind,
        reason: row.get(6)?,
        ticket: row.get(7)?,
        attempt: row.get(8)?,
        waited_ms: millis(9)?,
        answer,
        outcome,
    })
}
