//! `decom run` against the scripted server, without the waits of real life, and what it left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;

use super::Sandbox;
use super::server::Server;

/// No test of one run takes longer; one that hangs fails here.
const PATIENCE: Duration = Duration::from_mins(1);

/// The settings of a run that waits for nothing and looks at no listing. As variables, so that a
/// flag still overrides each.
pub const HASTY: &[(&str, &str)] = &[
    ("DECOM_RATE", "unlimited"),
    ("DECOM_MAX_SHARE", "100"),
    ("DECOM_MAX_DELETES", "100000"),
    ("DECOM_SAFETY_LISTING_CHECK", "false"),
    ("DECOM_SAFETY_BREAKER_FAILURES", "1000"),
    ("DECOM_SAFETY_BREAKER_WINDOW", "1000"),
    ("DECOM_RETRY_FIRST_BACKOFF", "1ms"),
    ("DECOM_RETRY_LONGEST_BACKOFF", "1ms"),
    ("DECOM_MAX_ATTEMPTS", "3"),
];

/// Writes `names` as a CSV file.
pub fn csv(sandbox: &Sandbox, names: &[impl AsRef<str>]) -> String {
    let row = |name: &str| format!("\"{}\"\n", name.replace('"', "\"\""));
    let rows: String = names.iter().map(|name| row(name.as_ref())).collect();
    sandbox.file("names.csv", format!("datasource_name\n{rows}"));
    "names.csv".to_owned()
}

/// `decom ARGUMENTS` with [`HASTY`] settings, against `server`, and nobody to ask.
pub fn decom(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Command {
    let mut command = sandbox.decom(arguments);
    command.envs(HASTY.iter().copied()).env("DECOM_BASE_URL", server.url()).arg("--yes").timeout(PATIENCE);
    command
}

/// Deletes `names`, and returns what became of it.
pub fn run(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>]) -> Ended {
    run_with(sandbox, server, names, &[])
}

/// The same with further arguments.
pub fn run_with(sandbox: &Sandbox, server: &Server, names: &[impl AsRef<str>], arguments: &[&str]) -> Ended {
    let input = csv(sandbox, names);
    let mut all = vec!["run", &input];
    all.extend(arguments);
    Ended::of(sandbox, decom(sandbox, server, &all).output().unwrap())
}

/// How a process ended, and what it left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// By name.
    pub results: BTreeMap<String, TargetRow>,
}

impl Ended {
    pub fn of(sandbox: &Sandbox, output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            results: results(&sandbox.log()),
        }
    }

    /// What the log says of `name`.
    pub fn result(&self, name: &str) -> &TargetRow {
        self.results.get(name).unwrap_or_else(|| panic!("{name:?} is not in the results: {self:#?}"))
    }

    /// The outcome of `name`.
    pub fn outcome(&self, name: &str) -> &str {
        &self.result(name).outcome
    }

    /// Fails, showing everything, where the exit code is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A row of the view `results`; what is NULL is empty.
#[derive(Debug, Clone)]
pub struct TargetRow {
    pub outcome: String,
    pub attempts: usize,
    pub http_status: String,
    pub error_code: String,
    pub message: String,
    pub datasource_id: String,
    pub evidence: String,
    pub detail: String,
}

/// The newest run in the view `results`, by name; nothing where there is no log.
pub fn results(log: &Path) -> BTreeMap<String, TargetRow> {
    if !log.exists() {
        return BTreeMap::new();
    }
    let query = "SELECT datasource, outcome, attempts, http_status, error_code, message, datasource_id,
                        evidence, detail FROM results
                 WHERE run_id = (SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1)";
    rows(log, query)
        .into_iter()
        .map(|row| {
            let [name, outcome, attempts, http_status, error_code, message, datasource_id, evidence, detail] =
                <[String; 9]>::try_from(row).unwrap();
            let attempts = attempts.parse().unwrap();
            let row = TargetRow {
                outcome,
                attempts,
                http_status,
                error_code,
                message,
                datasource_id,
                evidence,
                detail,
            };
            (name, row)
        })
        .collect()
}

/// What a query of the audit log finds, as text; NULL is empty.
pub fn rows(log: &Path, query: &str) -> Vec<Vec<String>> {
    use rusqlite::types::ValueRef;
    let connection =
        rusqlite::Connection::open_with_flags(log, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let width = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let found = statement
        .query_map([], |row| (0..width).map(|index| row.get_ref(index).map(text)).collect())
        .unwrap();
    found.collect::<Result<_, _>>().unwrap()
}
