//! The questions of `docs/audit-queries.md`: each finds in a real log what it promises, and asks the
//! public views alone.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::support::history::eventful;
use crate::support::{Sandbox, column};

/// A query of the page: its name, what it is for, and its SQL.
#[derive(Debug, Clone)]
pub struct Query {
    pub name: String,
    pub title: String,
    pub sql: String,
}

/// All queries of the page, in order.
pub fn queries() -> Vec<Query> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit-queries.md");
    let text = std::fs::read_to_string(path).unwrap();
    let sections = text.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (name, title) = section.lines().next().unwrap().split_once(": ").expect(section);
            let (_, rest) = section.split_once("```sql\n").expect(section);
            let (sql, rest) = rest.split_once("```").unwrap();
            assert!(!rest.contains("```sql"), "one query a section: {section}");
            Query { name: name.to_owned(), title: title.to_owned(), sql: sql.trim().to_owned() }
        })
        .collect()
}

/// A row, by column; NULL is empty.
pub type Found = Vec<BTreeMap<String, String>>;

/// Asks `log`, with `:datasource` and nothing for `:run`.
pub fn ask(log: &Path, sql: &str, datasource: &str) -> Found {
    let connection = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    if let Some(index) = statement.parameter_index(":datasource").unwrap() {
        statement.raw_bind_parameter(index, datasource).unwrap();
    }
    let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |index| match row.get_ref(index).unwrap() {
            ValueRef::Null => String::new(),
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => value.to_string(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        };
        found.push(names.iter().enumerate().map(|(index, name)| (name.clone(), text(index))).collect());
    }
    found
}

/// These columns of the rows that the query `name` finds, with spaces between.
fn answers(log: &Path, name: &str, columns: &[&str]) -> Vec<String> {
    let query = queries().into_iter().find(|query| query.name == name).expect(name);
    let row = |row: &BTreeMap<String, String>| {
        columns.iter().map(|column| row[*column].as_str()).collect::<Vec<_>>().join(" ")
    };
    ask(log, &query.sql, "lost").iter().map(row).collect()
}

#[test]
fn each_query_asks_the_public_views_alone() {
    let (sandbox, alone) = (Sandbox::new(), Connection::open_in_memory().unwrap());
    let _server = eventful(&sandbox);
    for view in ["runs", "results", "attempts"] {
        let columns = column(&sandbox.log(), &format!("SELECT name FROM pragma_table_info('{view}')"));
        alone.execute_batch(&format!("CREATE TABLE {view} ({})", columns.join(", "))).unwrap();
    }
    let queries = queries();
    assert!(queries.len() >= 12, "{}", queries.len());
    for query in queries {
        // Nothing else is there to be asked.
        alone.prepare(&query.sql).unwrap_or_else(|error| panic!("{}: {error}", query.name));
        // The sandbox has something for each of them.
        assert!(!ask(&sandbox.log(), &query.sql, "lost").is_empty(), "{} finds nothing", query.name);
    }
}

#[test]
fn each_query_finds_what_it_promises() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let log = &sandbox.log();
    let found = |name, columns: &[&str]| answers(log, name, columns);

    let gone = found("deletions", &["datasource", "outcome", "operator", "ticket"]);
    let expected = [
        "acme deleted ann OFF-1",
        "bare deleted ann ",
        "flaky deleted ann OFF-2",
        "lost deleted_unconfirmed ann OFF-3",
        "busy deleted ann OFF-6",
        "stubborn deleted ann OFF-7",
        "planned deleted ben OFF-9",
        "hanging deleted_unconfirmed tester OFF-10",
        "behind deleted tester OFF-10",
    ];
    let mut sorted = gone.clone();
    sorted.sort_by_key(|row| expected.iter().position(|wanted| wanted == row));
    assert_eq!(sorted, expected);
    assert_eq!(found("without_ticket", &["datasource", "operator", "reason"]), ["bare ann offboarding"]);
    assert_eq!(
        found("datasource", &["what", "answer"]),
        ["attempt 1 no_answer", "attempt 2 not_found", "outcome deleted_unconfirmed, absent_from_listing"]
    );
    assert_eq!(found("months", &["runs", "planned", "gone", "pending"]), ["4 16 9 2"]);

    // Of the newest run, as no other was named.
    assert_eq!(found("exceptions", &["datasource", "outcome"]), ["never pending", "ever pending"]);
    assert_eq!(
        found("left", &["datasource", "outcome"]),
        ["erring failed", "used in_use", "ever pending", "never pending", "refused rejected"]
    );
    assert_eq!(
        found("not_borne_out", &["datasource", "evidence"])[..2],
        ["stubborn still_listed", "planned still_listed"]
    );
    assert_eq!(
        found("doubts", &["datasource", "answer", "settled_as"]),
        [
            "flaky server_error deleted",
            "lost no_answer deleted_unconfirmed",
            "erring server_error failed",
            "erring server_error failed",
            "erring server_error failed",
            "hanging no word deleted_unconfirmed",
        ]
    );
    let plans = found("approvals", &["operator", "plan_digest"]);
    let planned: Vec<_> = plans.iter().filter(|row| row.len() > 60).collect();
    assert!(plans.len() == 4 && planned.len() == 1 && planned[0].starts_with("ben "), "{plans:?}");
    assert_eq!(found("unfinished", &["status", "exit_code", "pending"]), ["stopped 4 2"]);

    let gaps = found("gaps", &["gap_hours"]);
    assert_eq!((gaps.len(), gaps[0].as_str()), (4, ""), "{gaps:?}");
    assert!(gaps[1..].iter().all(|gap| gap.parse::<f64>().unwrap() >= 0.0), "{gaps:?}");

    let pace = found("pace", &["rate", "most_in_2_minutes"]);
    assert_eq!(pace, ["unlimited 15", "unlimited 1", "unlimited 3", "unlimited 1"]);
    let requests = found("minutes", &["requests"]);
    assert_eq!(requests.iter().map(|n| n.parse::<u32>().unwrap()).sum::<u32>(), 20);
    assert_eq!(found("slowest", &["datasource"]).len(), 19, "all that had an answer");
    let mut retries = found("retries", &["verdict", "http_status", "retries", "targets"]);
    retries.sort();
    assert_eq!(retries, ["no word  1 1", "no_answer  1 1", "server_error 500 3 2", "throttled 429 1 1"]);
    let paused = found("throttled", &["datasource", "paused_s"]);
    let (name, seconds) = paused[0].split_once(' ').unwrap();
    let seconds: f64 = seconds.parse().unwrap();
    assert!(paused.len() == 1 && name == "busy" && (0.9..30.0).contains(&seconds), "{paused:?}");
}
