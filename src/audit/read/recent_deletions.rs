//! What this log, and the closed logs before it, record as deleted since a point in time. A rotation resets nothing.

use rusqlite::params;

use super::AuditReader;
use super::doubt::{is_unclear, is_unsettled};
use super::series::find;
use crate::audit::AuditError;
use crate::audit::record::Predecessor;
use crate::domain::{RecentDeletions, ResourceKind, Timestamp};

/// The deletions of run ?1 since record ?2.
const DELETED: &str = "SELECT at_us FROM record
    WHERE run = ?1 AND outcome IN ('deleted', 'deleted_unconfirmed') AND seq >= ?2";

/// The resources on host ?2 of which an attempt since record ?1 got no clear answer, and nothing later showed whether
/// they exist.
const IN_DOUBT: &str = concat!(
    "
    SELECT coalesce(t.detail ->> '$.kind', 'datasource'), t.name, max(s.at_us)
      FROM record s
      JOIN record t ON t.seq = s.target
      JOIN record r ON r.seq = s.run
      LEFT JOIN record a ON a.target = s.target AND a.number = s.number AND a.kind = 'answer'
     WHERE s.seq >= ?1 AND s.kind = 'send' AND r.detail ->> '$.base_url' = ?2
       AND ",
    is_unclear!(),
    " AND ",
    is_unsettled!("?2"),
    "
     GROUP BY 1, 2"
);

impl AuditReader {
    /// The deletions on this host that this log and those before it record since `since`.
    ///
    /// # Errors
    /// If a log cannot be read, or one that was closed since then is not at hand.
    pub fn deletions_since(&self, base_url: &str, since: Timestamp) -> Result<RecentDeletions, AuditError> {
        let mut found = RecentDeletions::default();
        self.add_deletions(base_url, since, &mut found)?;
        let (mut begun, mut predecessor) = self.beginning()?;
        while let Some(closed) = predecessor.take().filter(|_| begun > since) {
            let reader = find(&closed, &self.path)?.map_err(|why| AuditError::NoPredecessor {
                path: self.path.clone(),
                file: closed.file.into(),
                closed_at: begun,
                why,
            })?;
            reader.add_deletions(base_url, since, &mut found)?;
            (begun, predecessor) = reader.beginning()?;
        }
        Ok(found)
    }

    fn add_deletions(
        &self,
        base_url: &str,
        since: Timestamp,
        found: &mut RecentDeletions,
    ) -> Result<(), AuditError> {
        let Some(first) = self.first_since(since)? else { return Ok(()) };
        let runs = "SELECT seq FROM record WHERE kind = 'run' AND detail ->> '$.base_url' = ?1";
        let mut add = || {
            let mut runs = self.connection.prepare(runs)?;
            let mut deleted = self.connection.prepare(DELETED)?;
            for run in runs.query_map([base_url], |row| row.get::<_, i64>(0))? {
                let times = deleted.query_map(params![run?, first], |row| row.get(0))?;
                for at in times {
                    found.at.push(Timestamp::from_micros(at?));
                }
            }
            let mut in_doubt = self.connection.prepare(IN_DOUBT)?;
            let mut rows = in_doubt.query(params![first, base_url])?;
            while let Some(row) = rows.next()? {
                let kind = row.get::<_, String>(0)?.parse().unwrap_or(ResourceKind::Datasource);
                found.in_doubt.push((kind, row.get(1)?, Timestamp::from_micros(row.get(2)?)));
            }
            Ok(())
        };
        add().map_err(|error| self.failed(error))
    }

    /// The first record after `since`, found by halving: records are in order of time.
    fn first_since(&self, since: Timestamp) -> Result<Option<i64>, AuditError> {
        let find = || {
            let mut low = 1;
            let mut high: i64 =
                self.connection
                    .query_row("SELECT coalesce(max(seq), 0) FROM record", [], |row| row.get(0))?;
            let last = high;
            let mut at = self.connection.prepare("SELECT at_us FROM record WHERE seq = ?1")?;
            while low <= high {
                let middle = low + (high - low) / 2;
                if at.query_row([middle], |row| row.get::<_, i64>(0))? > since.as_micros() {
                    high = middle - 1;
                } else {
                    low = middle + 1;
                }
            }
            Ok((low <= last).then_some(low))
        };
        find().map_err(|error| self.failed(error))
    }

    /// When this log was begun, and the one that was closed before it.
    fn beginning(&self) -> Result<(Timestamp, Option<Predecessor>), AuditError> {
        let begun = "SELECT at_us FROM record WHERE seq = 1";
        let begun = self.connection.query_row(begun, [], |row| row.get(0)).map_err(|e| self.failed(e))?;
        let predecessor = Predecessor::of(&self.connection).map_err(|e| self.failed(e))?;
        Ok((Timestamp::from_micros(begun), predecessor))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::audit::record::{Content, make_log};

    const DAY: i64 = 86_400_000_000;

    /// Two hosts, two days, and each way in which a target can end or not end.
    fn reader() -> AuditReader {
        let connection = Connection::open_in_memory().unwrap();
        make_log(&connection).unwrap();
        let mut seq = 0;
        let mut add = |kind: &str, at_us: i64, columns: &str, values: &str| {
            seq += 1;
            let insert = format!(
                "INSERT INTO record (seq, kind, at_us, {columns}, hash)
                 VALUES ({seq}, '{kind}', {at_us}, {values}, zeroblob(32))"
            );
            connection.execute_batch(&insert).unwrap();
            seq
        };
        add("log", 1, "name, detail", "'id', '{}'");
        let here = add("run", 1, "name, detail", r#"'r', '{"base_url":"https://a"}'"#);
        let elsewhere = add("run", 1, "name, detail", r#"'s', '{"base_url":"https://b"}'"#);
        let mut number = 0;
        let mut target = |run: i64, at: i64, name: &str, kind: Option<&str>, end: &[&str]| {
            number += 1;
            let detail = kind.map_or("NULL".to_owned(), |kind| format!(r#"'{{"kind":"{kind}"}}'"#));
            let values = format!("{run}, {number}, '{name}', {detail}");
            let target = add("target", at, "run, number, name, detail", &values);
            add("send", at, "run, target, number", &format!("{run}, {target}, 1"));
            for end in end {
                let (verdict, outcome) = end.split_once(' ').unwrap_or((end, "NULL"));
                let outcome = if outcome == "NULL" { outcome.to_owned() } else { format!("'{outcome}'") };
                let values = format!("{run}, {target}, 1, '{verdict}', {outcome}");
                add("answer", at, "run, target, number, verdict, outcome", &values);
            }
        };
        target(here, 2, "yesterday", None, &["deleted deleted"]);
        target(here, DAY, "at the limit", None, &["deleted deleted"]);
        target(here, DAY + 1, "a", None, &["deleted deleted"]);
        target(here, DAY + 2, "a", Some("datamart"), &["deleted deleted"]);
        target(here, DAY + 3, "b", None, &["not_found deleted_unconfirmed"]);
        target(here, DAY + 4, "c", None, &["in_use in_use"]);
        target(here, DAY + 5, "no answer", None, &[]);
        target(here, DAY + 6, "500", None, &["server_error"]);
        target(here, DAY + 7, "500", Some("datamart"), &["server_error"]);
        target(here, DAY + 8, "500, and gone", None, &["server_error"]);
        target(here, DAY + 9, "500, and gone", None, &["deleted deleted"]);
        target(elsewhere, DAY + 10, "a", None, &["deleted deleted"]);
        target(elsewhere, DAY + 11, "no answer there", None, &[]);
        AuditReader { connection, path: "audit.db".into(), content: Content::Log }
    }

    #[test]
    fn counts_what_was_deleted_and_what_may_have_been_on_one_host() {
        let found = reader().deletions_since("https://a", Timestamp::from_micros(DAY)).unwrap();
        let at: Vec<_> = found.at.iter().map(|at| at.as_micros() - DAY).collect();
        assert_eq!(at.len(), 4, "{at:?}");
        assert!([1, 2, 3, 9].iter().all(|wanted| at.contains(wanted)), "{at:?}");
        let mut doubts: Vec<_> = found
            .in_doubt
            .iter()
            .map(|(kind, name, at)| format!("{kind} {name} {}", at.as_micros() - DAY))
            .collect();
        doubts.sort();
        assert_eq!(doubts, ["datamart 500 7", "datasource 500 6", "datasource no answer 5"]);
    }

    #[test]
    fn finds_the_first_record_of_a_time() {
        let reader = reader();
        for (since, first) in [(0, Some(1)), (1, Some(4)), (2, Some(7)), (DAY + 11, None)] {
            assert_eq!(reader.first_since(Timestamp::from_micros(since)).unwrap(), first, "{since}");
        }
    }
}
