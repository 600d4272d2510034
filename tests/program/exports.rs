//! `decom audit export`: records that can be checked without SQLite, and events that a SIEM takes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::history::eventful;
use crate::support::{Sandbox, column, rows, skipped, venv};

/// A log in which everything happened, and what `decom audit export` with `arguments` prints of it.
fn exported(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let said = sandbox.decom(&[&["audit", "export"], arguments].concat()).run();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments:?}");
    said.stdout
}

fn events(sandbox: &Sandbox) -> Vec<Value> {
    let text = exported(sandbox, &["--format", "ocsf"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a Python program says to `input`: its exit code, and both its outputs.
fn python(program: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has seen enough need not read the rest.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn each_record_is_a_line_with_every_column() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let log = sandbox.log();
    let names = column(&log, "SELECT name FROM pragma_table_info('record')");
    let text = exported(&sandbox, &[]);
    let columns: Vec<_> = names
        .iter()
        .map(|name| match name.as_str() {
            "hash" => "lower(hex(hash))".to_owned(),
            name => name.to_owned(),
        })
        .collect();
    let stored = rows(&log, &format!("SELECT {} FROM record ORDER BY seq", columns.join(", ")));
    assert_eq!(text.lines().count(), stored.len());
    for (line, stored) in text.lines().zip(stored) {
        let record: Value = serde_json::from_str(line).unwrap();
        let shown = |name: &String| match &record[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!(names.iter().map(shown).collect::<Vec<_>>(), stored, "{line}");
        // In the table's order, which the parsed object does not keep.
        let places: Vec<_> = names.iter().map(|name| line.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{line}");
    }
}

#[test]
fn the_records_of_one_run_are_those_of_the_whole() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let run =
        column(&sandbox.log(), "SELECT run_id FROM runs ORDER BY started_at LIMIT 1 OFFSET 2").remove(0);
    let whole = exported(&sandbox, &[]);
    let part = exported(&sandbox, &[&run[..20]]);
    let seq = column(&sandbox.log(), &format!("SELECT seq FROM record WHERE name = '{run}'")).remove(0);
    let seq = json!(seq.parse::<i64>().unwrap());
    let belongs = |line: &&str| {
        let record: Value = serde_json::from_str(line).unwrap();
        [&record["seq"], &record["run"]].contains(&&seq)
    };
    assert_eq!(part.lines().collect::<Vec<_>>(), whole.lines().filter(belongs).collect::<Vec<_>>());
    assert!(part.lines().count() > 6, "{part}");

    let events = |arguments: &[&str]| exported(&sandbox, arguments).lines().count().to_string();
    let sent = |where_: &str| column(&sandbox.log(), &format!("SELECT count(*) FROM attempts {where_}"));
    assert_eq!([events(&["--format", "ocsf"])], sent("")[..]);
    assert_eq!([events(&[&run, "--format", "ocsf"])], sent(&format!("WHERE run_id = '{run}'"))[..]);
}

/// The program in the manual that checks an export.
fn checker() -> String {
    let manual = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit-log.md"));
    let manual = manual.unwrap();
    let section = manual.split_once("\n## Hand it on\n").unwrap().1;
    section.split_once("```python\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_program_in_the_manual_checks_an_export() {
    let (checker, python3) = (checker(), Path::new("python3"));
    if Command::new(python3).arg("--version").output().is_err() {
        return skipped("the_program_in_the_manual_checks_an_export", "there is no python3 here");
    }
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let whole = exported(&sandbox, &[]);
    let check = |text: &str| python(python3, &["-c", &checker], text);

    let records = whole.lines().count();
    let head =
        column(&sandbox.log(), "SELECT lower(hex(hash)) FROM record ORDER BY seq DESC LIMIT 1").remove(0);
    let expected = format!("{records} records, each as it was written; the last hash is {head}\n");
    assert_eq!(check(&whole), (0, expected));

    let lines: Vec<_> = whole.lines().collect();
    let place = lines.iter().position(|line| line.contains(r#""outcome":"in_use""#)).unwrap();
    let bad = place + 1;
    let with = |line: &str| {
        let mut lines = lines.clone();
        lines[place] = line;
        lines.join("\n")
    };
    let altered = with(&lines[place].replace(r#""outcome":"in_use""#, r#""outcome":"deleted""#));
    let no_match = format!("record {bad} does not match its hash\n");
    assert_eq!(check(&altered), (1, no_match.clone()));
    let mut removed = lines.clone();
    removed.remove(place);
    assert_eq!(check(&removed.join("\n")), (1, no_match.clone()));
    let mut swapped = lines.clone();
    swapped.swap(place, bad);
    assert_eq!(check(&swapped.join("\n")), (1, no_match));
    // What two readers would read in two ways.
    let doubled = with(&lines[place].replace("{\"seq\"", "{\"outcome\":\"deleted\",\"seq\""));
    assert_eq!(check(&doubled), (1, format!("record {bad}: these are not the columns of a record\n")));
}

#[test]
fn each_request_is_an_event_with_what_it_showed() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let events = events(&sandbox);
    let sent = rows(
        &sandbox.log(),
        "SELECT request_id, datasource, coalesce(verdict, 'no_word'), run_id, started_at,
                CAST(unixepoch(substr(started_at, 1, 19)) * 1000 + substr(started_at, 21, 3) AS INTEGER)
           FROM attempts ORDER BY started_at, request_id",
    );
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut shown: Vec<_> = events
        .iter()
        .map(|event| {
            let metadata = &event["metadata"];
            let values = [
                &metadata["uid"],
                &event["resources"][0]["name"],
                &event["status_detail"],
                &metadata["correlation_uid"],
                &metadata["original_time"],
                &event["time"],
            ];
            values.map(text).to_vec()
        })
        .collect();
    shown.sort_by_key(|row| (row[4].clone(), row[0].clone()));
    assert_eq!(shown, sent);

    for event in &events {
        assert_eq!(
            (&event["class_uid"], &event["category_uid"], &event["activity_id"], &event["type_uid"]),
            (&json!(6003), &json!(6), &json!(4), &json!(600_304))
        );
        let record = |field: &str| event["unmapped"][field].clone();
        let hash = column(
            &sandbox.log(),
            &format!("SELECT lower(hex(hash)) FROM record WHERE seq = {}", record("send_record")),
        );
        assert_eq!(record("send_hash"), hash[0].as_str());
    }
}

#[test]
fn a_status_says_whether_the_datasource_is_gone_and_unknown_where_nobody_knows() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let mut seen = BTreeMap::new();
    for event in events(&sandbox) {
        let status = format!("{} {}", event["status"].as_str().unwrap(), event["severity_id"]);
        let of_id =
            ["Unknown", "Success", "Failure"][usize::try_from(event["status_id"].as_u64().unwrap()).unwrap()];
        assert_eq!(event["status"], of_id);
        let verdict = event["status_detail"].as_str().unwrap().to_owned();
        if let Some(before) = seen.insert(verdict, status.clone()) {
            assert_eq!(before, status);
        }
    }
    let expected = [
        ("deleted", "Success 1"),
        ("in_use", "Failure 2"),
        ("no_answer", "Unknown 2"),
        ("no_word", "Unknown 2"),
        ("not_found", "Failure 2"),
        ("rejected", "Failure 2"),
        ("server_error", "Unknown 2"),
        ("throttled", "Failure 2"),
        ("unauthorized", "Failure 3"),
    ];
    assert_eq!(seen, expected.map(|(verdict, status)| (verdict.to_owned(), status.to_owned())).into());

    // What the request itself could not show, the event tells all the same.
    let events = events(&sandbox);
    let lost = events.iter().find(|event| event["resources"][0]["name"] == "lost").unwrap();
    assert_eq!(lost["status_id"], 0);
    assert_eq!(lost["unmapped"]["outcome"], "deleted_unconfirmed");
    assert_eq!(lost["unmapped"]["ticket"], "OFF-3");
    assert_eq!(lost["actor"]["user"]["name"], "ann");
}

#[test]
fn the_published_schema_takes_every_event() {
    let Some(python3) = venv::program("python3", "the_published_schema_takes_every_event") else { return };
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let text = exported(&sandbox, &["--format", "ocsf"]);
    let check = |text: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ocsf_check.py");
        let versions = ["1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0"];
        python(&python3, &[&[script.to_str().unwrap()], &versions[..]].concat(), text)
    };
    assert_eq!(check(&text), (0, format!("{} events, 0 errors\n", text.lines().count())));
    assert!(text.contains(r#""version":"1.5.0""#));

    // And it would not take just anything.
    let first = text.lines().next().unwrap();
    for (right, wrong) in [
        (r#""activity_id":4"#, r#""activity_id":44"#),
        (r#""severity_id""#, r#""severity_uid""#),
        (r#""operation""#, r#""operator""#),
        (r#""code":200"#, r#""code":"200""#),
    ] {
        assert!(first.contains(right), "{first}");
        assert_eq!(check(&first.replace(right, wrong)).0, 1, "{wrong}");
    }
}

#[test]
fn what_cannot_be_exported_is_said() {
    let sandbox = Sandbox::new();
    let no_log = sandbox.decom(&["audit", "export"]).run();
    assert_eq!(no_log.code, 2, "{no_log:?}");
    let _server = eventful(&sandbox);
    let no_form = sandbox.decom(&["audit", "export", "--format", "xml"]).run();
    assert_eq!(no_form.code, 2);
    assert!(no_form.stderr.contains("`xml` is not a format of an export; use jsonl or ocsf"), "{no_form:?}");
    let no_run = sandbox.decom(&["audit", "export", "nothing"]).run();
    assert_eq!(no_run.code, 2);
    assert!(no_run.message().contains("no run `nothing` in this audit log"), "{no_run:?}");
    let before = std::fs::read(sandbox.log()).unwrap();
    let onto_itself = sandbox.decom(&["audit", "export", "--out", "decom-audit.db"]).run();
    assert_eq!(onto_itself.code, 2);
    assert!(onto_itself.message().contains("this is the audit log"), "{onto_itself:?}");
    assert_eq!(std::fs::read(sandbox.log()).unwrap(), before);

    assert_eq!(exported(&sandbox, &["--out", "all.jsonl"]), "");
    assert_eq!(std::fs::read_to_string(sandbox.path("all.jsonl")).unwrap(), exported(&sandbox, &[]));
}

#[test]
fn an_export_that_cannot_be_written_leaves_the_file_that_was_there() {
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let decom = env!("CARGO_BIN_EXE_decom");
    for command in ["audit export", "report --format csv"] {
        sandbox.file("out", "what was there");
        // The signal that comes with the limit is ignored, so that writing fails as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 0; exec '{decom}' {command} --out out");
        let failed = sandbox.program("sh").args(["-c", &script]).run();
        assert_eq!(failed.code, 2, "{command}: {failed:?}");
        assert_eq!(std::fs::read_to_string(sandbox.path("out")).unwrap(), "what was there", "{command}");
        let left = crate::support::files_in(&sandbox.path(""));
        assert!(!left.iter().any(|name| name.starts_with(".decom-")), "{command}: {left:?}");
    }
}
