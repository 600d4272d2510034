//! A run holds the log against the checkpoints of its own before it sends anything, and the verification says which runs
//! were confirmed when they ended, and which only later.

use std::path::Path;

use super::{Case, Held, last, rechain, sql, tamper};
use crate::support::{Output, column};

const CHECKPOINTS: [&str; 4] = ["--signing-key", "key", "--checkpoint-dir", "checkpoints"];

fn attempt(case: &Case, arguments: &[&str]) -> Output {
    let base = ["run", "more.csv", "--yes", "--max-share", "100"];
    case.estate.decom(&[&base[..], arguments, &CHECKPOINTS].concat()).run()
}

/// Fails unless each way to write to the log is refused, with this in the message, and nothing was sent.
#[track_caller]
fn refused(case: &Case, words: &str) {
    let (requests, records) = (case.estate.deletes().len(), last(&case.log()));
    for arguments in [&[][..], &["--dry-run"], &["--again"]] {
        let said = attempt(case, arguments);
        assert_eq!(said.code, 5, "{arguments:?}: {said:?}");
        assert!(said.message().contains(words), "{arguments:?}: {said:?}");
    }
    let checked = case.estate.decom(&[&["check"][..], &CHECKPOINTS].concat()).run();
    assert_eq!(checked.code, 5, "{checked:?}");
    assert!(checked.stdout.contains(words), "{checked:?}");
    for arguments in [&["audit", "checkpoint"][..], &["audit", "rotate"]] {
        let said = case.estate.sandbox.decom(&[arguments, &CHECKPOINTS].concat()).run();
        assert_eq!(said.code, 5, "{arguments:?}: {said:?}");
        assert!(said.message().contains(words), "{arguments:?}: {said:?}");
    }
    assert_eq!((case.estate.deletes().len(), last(&case.log())), (requests, records), "something was sent");
}

#[test]
fn a_run_refuses_an_older_copy_of_the_log() {
    let case = Case::new();
    let older = case.copy();
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    case.run("more.csv", "checkpoints");
    let newest = std::fs::read(case.log()).unwrap();
    std::fs::copy(&older, case.log()).unwrap();
    refused(
        &case,
        "an older copy of the log was put in its place, or its end was cut off; put the newest copy back",
    );
    std::fs::write(case.log(), newest).unwrap();
    assert!(attempt(&case, &["--again"]).code <= 1, "the newest copy is continued");
}

#[test]
fn a_run_refuses_a_log_that_a_checkpoint_contradicts() {
    let case = Case::new();
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    tamper(&case.log(), |connection| {
        sql("UPDATE record SET name = 'customer-7' WHERE kind = 'target' AND number = 3")(connection);
        rechain(connection, 1);
    });
    refused(&case, "this checkpoint contradicts the audit log");
    // Whoever wrote it: a person has to look first.
    for name in crate::support::files_in(&case.path("checkpoints")) {
        if Path::new(&name).extension().is_some_and(|it| it == "sig") {
            std::fs::remove_file(case.path("checkpoints").join(name)).unwrap();
        }
    }
    refused(&case, "this checkpoint contradicts the audit log");
}

#[test]
fn what_is_no_checkpoint_and_those_of_other_logs_are_passed_over() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    sandbox.file("checkpoints/broken.checkpoint", "once upon a time");
    sandbox.pipe("checkpoints/pipe.checkpoint");
    sandbox.file("more.csv", "name\ncustomer-8\n");
    let said = attempt(&case, &[]);
    assert!(said.code <= 1, "{said:?}");
    assert!(
        said.stderr.contains("pipe.checkpoint: this is not a checkpoint: it is not a regular file"),
        "{said:?}"
    );

    // Neither waits for who writes into the pipe.
    let (code, found) = case.verify(&case.log(), Held::Anchored);
    assert_eq!(
        (code, found["findings"][0]["kind"].as_str()),
        (5, Some("checkpoint_unreadable")),
        "{found:#}"
    );
    case.agreed(&case.log(), Held::Anchored, false, "a pipe");

    // A folder that holds those of other logs only confirms nothing.
    let other = sandbox.file("other.csv", "name\ncustomer-9\n");
    std::fs::create_dir(case.path("others")).unwrap();
    case.run_in(other.file_name().unwrap().to_str().unwrap(), "others", "other.db");
    std::fs::rename(case.path("checkpoints"), case.path("mine")).unwrap();
    std::fs::rename(case.path("others"), case.path("checkpoints")).unwrap();
    let (_, found) = case.verify(&case.log(), Held::Anchored);
    assert!(found["checkpoints"]["of_other_logs"].as_u64() > Some(0), "{found:#}");
    case.agreed(&case.log(), Held::Anchored, false, "checkpoints of another log");
}

#[test]
fn a_run_that_no_checkpoint_of_its_own_confirms_is_named() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    for (file, name) in [("more.csv", "customer-8"), ("most.csv", "customer-9")] {
        sandbox.file(file, format!("name\n{name}\n"));
        // These write no checkpoints.
        assert!(case.estate.decom(&["run", file, "--yes", "--max-share", "100"]).run().code <= 1);
    }
    let ends = column(&case.log(), "SELECT seq FROM record WHERE kind = 'end' ORDER BY seq");
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    let found = said["findings"].as_array().unwrap();
    let records: Vec<_> = found.iter().map(|it| (it["kind"].as_str(), it["record"].to_string())).collect();
    let expected =
        |kind, ends: &[&String]| ends.iter().map(|end| (Some(kind), (*end).clone())).collect::<Vec<_>>();
    assert_eq!((code, records), (1, expected("end_not_anchored", &[&ends[2], &ends[1]])), "{said:#}");

    // One that was made later covers both, and says when that was.
    let by_hand = ["audit", "checkpoint", "--out", "checkpoints/later.checkpoint", "--signing-key", "key"];
    assert_eq!(sandbox.decom(&by_hand).run().code, 0);
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    let found = said["findings"].as_array().unwrap();
    let records: Vec<_> = found.iter().map(|it| (it["kind"].as_str(), it["record"].to_string())).collect();
    assert_eq!((code, records), (0, expected("end_anchored_later", &[&ends[2], &ends[1]])), "{said:#}");
    let text = std::fs::read_to_string(case.path("checkpoints/later.checkpoint")).unwrap();
    let time = text.lines().find_map(|line| line.strip_prefix("time ")).unwrap();
    let runs = column(&case.log(), "SELECT run_id FROM runs ORDER BY started_at");
    for run in &runs[1..] {
        let message = found.iter().find(|it| it["message"].as_str().unwrap().contains(run)).unwrap();
        assert!(message["message"].as_str().unwrap().ends_with(&format!("made at {time}")), "{message:#}");
    }
    case.agreed(&case.log(), Held::Anchored, true, "confirmed later");
}
