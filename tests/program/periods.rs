//! `decom report --from DATE --to DATE`: the population of a period, what is missing in it, and a sample of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::certificates::{ISSUED, page_of};
use crate::support::forgery::{rewrite, tamper};
use crate::support::keys::{self, Key};
use crate::support::{Output, Reply, Sandbox, Server, column, files_in, sha256, skipped};

/// The last moment before the quarter, its first, its last, and the first after it, in microseconds.
const MOMENTS: [(&str, i64); 4] = [
    ("before", 1_782_863_999_999_999),
    ("first", 1_782_864_000_000_000),
    ("last", 1_790_812_799_999_999),
    ("after", 1_790_812_800_000_000),
];

const QUARTER: [&str; 4] = ["--from", "2026-07-01", "--to", "2026-09-30"];

fn report(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.decom(&[&["report"], arguments].concat()).run()
}

fn quarter(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    report(sandbox, &[&QUARTER, arguments].concat())
}

fn as_json(output: Output) -> Value {
    serde_json::from_str(&output.expect(0).stdout).unwrap()
}

fn run(sandbox: &Sandbox, server: &Server, names: &[&str], flags: &[&str]) {
    sandbox.names("names.csv", names);
    sandbox.run(server, &[&["run", "names.csv"], flags].concat());
}

/// A log in which each of the names had its run at that moment, as its records say.
fn log_of_moments(sandbox: &Sandbox, server: &Server, names: &[(&str, i64)]) {
    for (name, _) in names {
        run(sandbox, server, &[name], &["--operator", "ann", "--ticket", &format!("OFF-{name}")]);
    }
    for (name, at) in names {
        let of_name = format!("SELECT run FROM record WHERE kind = 'target' AND name = '{name}'");
        let change = format!("UPDATE record SET at_us = {at} WHERE run = ({of_name}) OR seq = ({of_name})");
        rewrite(&sandbox.log(), &change);
    }
    rewrite(&sandbox.log(), "UPDATE record SET at_us = 1780000000000000 WHERE seq = 1");
}

/// The names of a population.
fn names(csv: &str) -> Vec<&str> {
    csv.lines().skip(1).map(|row| row.split(',').nth(4).unwrap()).collect()
}

#[test]
fn the_first_day_begins_at_midnight_and_the_last_one_is_included() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    log_of_moments(&sandbox, &server, &MOMENTS);
    let csv = quarter(&sandbox, &["--format", "csv"]).expect(0).stdout;
    assert_eq!(names(&csv), ["first", "last"]);
    let found = as_json(quarter(&sandbox, &["--json"]));
    assert_eq!(found["period"]["begins_at"], "2026-07-01T00:00:00.000000Z");
    assert_eq!(found["period"]["ends_before"], "2026-10-01T00:00:00.000000Z");
    assert_eq!(found["population"]["sha256"], sha256(&csv));
    assert_eq!(
        found["counts"]["by_month"],
        json!([
            { "value": "2026-07", "targets": 1, "deleted": 1 },
            { "value": "2026-09", "targets": 1, "deleted": 1 }
        ])
    );
    assert_eq!(found["gaps"], json!([]), "the log is older than the period, which is over");
    let one_day =
        report(&sandbox, &["--from", "2026-10-01", "--to", "2026-10-01", "--format", "csv"]).expect(0).stdout;
    assert_eq!(names(&one_day), ["after"]);
    for (dates, said) in [
        (["2026-09-30", "2026-07-01"], "the period ends on 2026-07-01, which is before it begins"),
        (["2026-7-1", "2026-09-30"], "`2026-7-1` is not a date"),
        (["2026-02-30", "2026-09-30"], "`2026-02-30` is not a date"),
    ] {
        let refused = report(&sandbox, &["--from", dates[0], "--to", dates[1]]).expect(2);
        assert!(refused.message().contains(said), "{refused:?}");
    }
}

#[test]
fn all_outcomes_are_counted_and_what_is_open_is_named() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.answer(|request| match request.name.as_str() {
        "used" => Reply::in_use(),
        "gone" => Reply::not_found(),
        "stopped" => Reply::unauthorized(),
        _ => Reply::deleted(),
    });
    run(&sandbox, &server, &["a", "b", "used", "gone", "prod"], &["--protect", "prod", "--operator", "ann"]);
    run(&sandbox, &server, &["stopped", "c"], &["--operator", "bob"]);
    let wide = ["--from", "2020-01-01", "--to", "2099-12-31"];
    let found = as_json(report(&sandbox, &[&wide[..], &["--json"]].concat()));
    let counts = &found["counts"];
    assert_eq!((&counts["targets"], &counts["deleted"]), (&json!(5), &json!(2)));
    for (outcome, n) in [("deleted", 2), ("in_use", 1), ("not_found", 1), ("skipped", 1), ("failed", 0)] {
        assert_eq!(counts["by_outcome"][outcome], n, "{outcome}");
    }
    let gaps = found["gaps"].as_array().unwrap();
    let gaps: Vec<_> = gaps.iter().map(|gap| gap.as_str().unwrap()).collect();
    let stopped = column(&sandbox.log(), "SELECT run_id FROM runs WHERE operator = 'bob'").remove(0);
    for said in [
        "Nothing is known of the time before.",
        "The period was not over when this was issued",
        &format!("Run {stopped} is stopped, and 2 of its targets have no outcome"),
    ] {
        assert!(gaps.iter().any(|gap| gap.contains(said)), "{said}: {gaps:?}");
    }
    for format in ["table", "md", "html"] {
        let text = report(&sandbox, &[&wide[..], &["--format", format]].concat()).expect(0).stdout;
        assert!(text.contains(&stopped) && text.contains("deletions only"), "{format}: {text}");
        assert!(text.contains(found["population"]["sha256"].as_str().unwrap()), "{format}: {text}");
    }
}

#[test]
fn closed_and_merged_logs_are_read_and_a_missing_one_is_named() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let wide = ["--from", "2020-01-01", "--to", "2099-12-31", "--format", "csv"];
    for (name, closed) in [("one", "first.db"), ("two", "second.db")] {
        run(&sandbox, &server, &[name], &[]);
        sandbox.decom(&["audit", "rotate", "--quiet", "--out", closed]).run().expect(0);
    }
    run(&sandbox, &server, &["three"], &[]);
    let whole = report(&sandbox, &wide).expect(0).stdout;
    assert_eq!(names(&whole), ["one", "two", "three"]);
    // A merged file with the two newest; the oldest is found by the name that one of them has for it.
    sandbox.decom(&["audit", "merge", "second.db", "decom-audit.db", "--out", "all.db"]).run().expect(0);
    let merged = report(&sandbox, &[&wide[..], &["--audit-db", "all.db"]].concat()).expect(0).stdout;
    assert_eq!(merged, whole);
    let id = column(&sandbox.path("first.db"), "SELECT name FROM record WHERE seq = 1").remove(0);
    std::fs::remove_file(sandbox.path("first.db")).unwrap();
    for log in ["all.db", "decom-audit.db"] {
        let csv = report(&sandbox, &[&wide[..], &["--audit-db", log]].concat()).expect(0);
        assert_eq!(names(&csv.stdout), ["two", "three"]);
        assert!(csv.stderr.contains(&id), "{csv:?}");
        let found = as_json(report(&sandbox, &[&wide[..4], &["--json", "--audit-db", log]].concat()));
        assert_eq!(found["missing_logs"][0]["log_id"], id);
        let gap = found["gaps"][0].as_str().unwrap();
        assert!(gap.contains(&id) && gap.contains("there is no such file"), "{gap}");
    }
    // What was altered is not reported.
    tamper(&sandbox.path("second.db"), |log| {
        log.execute("UPDATE record SET outcome = 'in_use' WHERE outcome = 'deleted'", []).unwrap();
    });
    report(&sandbox, &wide).expect(5);
}

#[test]
fn the_sample_is_drawn_again_by_the_program_in_the_documentation() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let all: Vec<_> = (1..=60).map(|number| format!("cust-{number:03}")).collect();
    run(&sandbox, &server, &all.iter().map(String::as_str).collect::<Vec<_>>(), &["--reason", "=1+1"]);
    let wide = ["--from", "2020-01-01", "--to", "2099-12-31"];
    report(&sandbox, &[&wide[..], &["--format", "csv", "--out", "population.csv"]].concat()).expect(0);
    let drawn = |seed: &str, n: &str| {
        let found =
            as_json(report(&sandbox, &[&wide[..], &["--json", "--sample", n, "--seed", seed]].concat()));
        let targets = found["sample"]["targets"].as_array().unwrap();
        targets
            .iter()
            .map(|it| format!("{} {}", it["run_id"].as_str().unwrap(), it["target"]))
            .collect::<Vec<_>>()
    };
    let sample = drawn("4711", "25");
    assert_eq!(sample.len(), 25);
    assert_ne!(drawn("4712", "25"), sample);
    assert_eq!(drawn("4711", "10"), sample[..10]);
    assert_eq!(drawn("4711", "100").len(), 60);
    let docs =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md")).unwrap();
    let program = docs.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    sandbox.file("draw.py", program);
    let mut python = Command::new("python3");
    python.args(["draw.py", "population.csv", "4711", "25"]).current_dir(sandbox.path(""));
    let Ok(output) = python.output() else {
        return skipped(
            "the_sample_is_drawn_again_by_the_program_in_the_documentation",
            "there is no python3",
        );
    };
    let again = String::from_utf8(output.stdout).unwrap();
    assert_eq!(again.lines().collect::<Vec<_>>(), sample, "{}", String::from_utf8_lossy(&output.stderr));
    let refused =
        report(&sandbox, &[&wide[..], &["--format", "csv", "--sample", "3", "--seed", "1"]].concat());
    assert!(refused.expect(2).message().contains("the CSV is the population"));
}

#[test]
fn the_page_and_its_population_belong_together() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    log_of_moments(&sandbox, &server, &MOMENTS);
    let issue = ["report", "--format", "html", "--issued-at", ISSUED, "--sample", "1", "--seed", "7"];
    let printed = page_of(&mut sandbox.decom(&[&issue[..], &QUARTER].concat()));
    let csv = quarter(&sandbox, &["--format", "csv"]).expect(0).stdout;
    let said = printed.text().replace('\u{a0}', " ");
    let id = &sha256(format!("2026-07-01\n2026-09-30\n{}\n", sha256(&csv)))[..16];
    for expected in [
        id,
        &sha256(&csv),
        "2 targets got their outcomes in this period; 2 were deleted.",
        "OFF-first",
        "None in these logs.",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for record in column(&sandbox.log(), "SELECT lower(hex(hash)) FROM record WHERE kind = 'log'") {
        assert!(!said.contains(&record), "only what it is about");
    }
    assert!(!said.contains("REHEARSAL"), "{said}");
    let out =
        |more: &[&str]| sandbox.decom(&[&issue[..], &QUARTER, &["--out", "q.html"], more].concat()).run();
    out(&[]).expect(0);
    assert_eq!(std::fs::read_to_string(sandbox.path("q-population.csv")).unwrap(), csv);
    sandbox.file("q-population.csv", "other");
    out(&[]).expect(2);
    assert!(files_in(&sandbox.path("")).contains(&"q.html".to_owned()));
}

#[test]
fn the_page_is_signed_and_a_forged_one_refused() {
    if keys::are_missing("the_page_is_signed_and_a_forged_one_refused") {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    run(&sandbox, &server, &["acme"], &[]);
    let key = Key::new(&sandbox, "key", "ed25519");
    let allowed = sandbox.file("allowed_signers", format!("auditor {}\n", key.public));
    let wide = ["--from", "2020-01-01", "--to", "2099-12-31", "--format", "html", "--out", "p.html"];
    std::fs::create_dir(sandbox.path("points")).unwrap();
    let point = ["audit", "checkpoint", "--quiet", "--checkpoint-dir", "points", "--signing-key", "key"];
    sandbox.decom(&point).run().expect(0);
    let checked = ["--checkpoint-dir", "points", "--allowed-signers", "allowed_signers"];
    let confirmed = report(&sandbox, &[&wide[..6], &checked].concat()).expect(0).stdout;
    assert!(confirmed.contains("confirmed by a checkpoint signed by auditor"), "{confirmed}");
    let unchecked = report(&sandbox, &[&wide[..6], &checked[..2]].concat()).expect(0).stdout;
    assert!(
        !unchecked.contains("confirmed by a checkpoint") && unchecked.contains("were not checked"),
        "{unchecked}"
    );
    report(&sandbox, &[&wide[..], &["--signing-key", "key"]].concat()).expect(0);
    let (page, signature) = (sandbox.path("p.html"), sandbox.path("p.html.sig"));
    let verified = || keys::verified_for("decom-certificate", &page, &signature, &allowed, None, "auditor");
    assert!(verified());
    let text = std::fs::read_to_string(&page).unwrap();
    sandbox.file("p.html", text.replace("1 was deleted", "2 were deleted"));
    assert!(!verified());
}

#[test]
fn rehearsals_are_apart_and_marked() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    sandbox
        .decom(&["rehearse", "names.csv", "--fault", "none", "--quiet", "--audit-db", "decom-audit.db"])
        .run()
        .expect(0);
    let wide = ["--from", "2020-01-01", "--to", "2099-12-31"];
    for (format, mark) in
        [("table", "REHEARSAL"), ("md", "REHEARSAL"), ("html", "REHEARSAL"), ("csv", ",1,2\n")]
    {
        let text = report(&sandbox, &[&wide[..], &["--format", format]].concat()).expect(0).stdout;
        assert!(text.contains(mark), "{format}: {text}");
    }
    run(&sandbox, &server, &["real"], &[]);
    let csv = report(&sandbox, &[&wide[..], &["--format", "csv"]].concat()).expect(0).stdout;
    assert_eq!(names(&csv), ["real"]);
    let found = as_json(report(&sandbox, &[&wide[..], &["--json"]].concat()));
    assert_eq!(found["rehearsal"], false);
    let gaps = found["gaps"].to_string();
    assert!(gaps.contains("2 targets of rehearsals are left out"), "{gaps}");
}
