//! The test vectors of the documentation, and its script, are those of the code.

use std::path::Path;
use std::process::Command;

use decom::audit::Statement;
use decom::audit::verify::{AnchorCheck, Weight, verify};
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rechain;
use crate::support::{Sandbox, column, skipped};

/// A file of the documentation.
fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The blocks of the documentation that are written in `language`.
fn blocks(language: &str) -> Vec<String> {
    let text = document("audit-log.md");
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A log that holds what the documentation says: its records, with its hashes.
fn documented(sandbox: &Sandbox) -> (std::path::PathBuf, Vec<Value>) {
    let log = sandbox.path("documented.db");
    let connection = Connection::open(&log).unwrap();
    connection.execute_batch(include_str!("../../../src/audit/record/schema.sql")).unwrap();
    connection.execute_batch(include_str!("../../../src/audit/record/views/version_3.sql")).unwrap();
    connection.pragma_update(None, "application_id", 0x6465_636d).unwrap();
    connection.pragma_update(None, "user_version", 3).unwrap();
    let records: Vec<Value> =
        blocks("json")[0].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &records {
        let columns = record["record"].as_array().unwrap();
        assert_eq!(columns.len(), 19);
        let values: Vec<String> = columns
            .iter()
            .map(|it| match it {
                Value::Null => "NULL".to_owned(),
                Value::String(text) => format!("'{text}'"),
                number => number.to_string(),
            })
            .collect();
        let hash = record["hash"].as_str().unwrap();
        let insert = format!("INSERT INTO record VALUES ({}, x'{hash}')", values.join(", "));
        connection.execute(&insert, []).unwrap();
    }
    connection.close().unwrap();
    (log, records)
}

#[test]
fn the_records_of_the_documentation_have_the_hashes_that_it_says() {
    let sandbox = Sandbox::new();
    let (log, records) = documented(&sandbox);
    let found = verify(&log, &AnchorCheck::default()).unwrap();
    assert!(found.findings.weight() < Weight::Unsound, "{found:#?}");
    assert_eq!(found.totals.records, records.len() as u64);
    let hashes = column(&log, "SELECT lower(hex(hash)) FROM record ORDER BY seq");

    // The canonical form of the first, byte by byte.
    let form: String = blocks("text")[0].split_whitespace().collect();
    let bytes: Vec<u8> =
        (0..form.len()).step_by(2).map(|at| u8::from_str_radix(&form[at..at + 2], 16).unwrap()).collect();
    let text = document("audit-log.md");
    assert!(text.contains(&format!("is these {} bytes", bytes.len())));
    let hash = Sha256::digest([&[0; 32][..], &bytes].concat());
    assert_eq!(decom::domain::hex(hash), hashes[0]);

    // The example of a checkpoint is one, of these records.
    let statement: Statement = blocks("text")[1].parse().unwrap();
    assert_eq!((statement.records, &statement.head), (3, &hashes[2]));

    // And what these tests forge with is the same form.
    super::tamper(&log, |connection| {
        connection.execute_batch("UPDATE record SET hash = zeroblob(32)").unwrap();
        rechain(connection, 1);
    });
    assert_eq!(column(&log, "SELECT lower(hex(hash)) FROM record ORDER BY seq"), hashes);
}

#[test]
fn the_script_of_the_documentation_knows_the_schema() {
    let sandbox = Sandbox::new();
    let (log, _) = documented(&sandbox);
    let schema = column(
        &log,
        "SELECT type || char(0) || name || char(0) || tbl_name || char(0) || coalesce(sql, '')
           FROM sqlite_schema ORDER BY type, name",
    );
    let digest = decom::domain::hex(Sha256::digest(schema.join("\0")));
    assert!(
        document("verify_audit_log.py").contains(&digest),
        "the schema was changed: that needs a new version, beside those before it, and {digest} in the \
         SCHEMAS of docs/verify_audit_log.py"
    );
}

#[test]
fn the_script_of_the_documentation_is_short_and_has_the_same_form() {
    let script = document("verify_audit_log.py");
    assert!(script.lines().count() < 400, "{}", script.lines().count());
    let imports: Vec<_> = script.lines().filter(|line| line.contains("import ")).collect();
    let standard =
        ["hashlib", "json", "pathlib", "re", "sqlite3", "sys"].map(|name| format!("import {name}"));
    assert_eq!(imports, standard, "the standard library alone");

    let sandbox = Sandbox::new();
    let (log, _) = documented(&sandbox);
    let program = "import sys, verify_audit_log as v\n\
        for row in v.connect(sys.argv[1]).execute('SELECT * FROM record'): print(v.canonical(row).hex())";
    let mut command = Command::new("python3");
    command
        .args(["-B", "-c", program])
        .arg(&log)
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/docs"));
    let Ok(output) = command.output() else {
        return skipped("the script of the documentation", "python3 cannot be run");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first: String = blocks("text")[0].split_whitespace().collect();
    assert_eq!(said.lines().next(), Some(first.as_str()));
    assert_eq!(said.lines().count(), 3);
}
