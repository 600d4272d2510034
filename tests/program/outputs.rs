//! No output replaces what decom did not write as a file of its kind, and that is found before anything is sent.

use std::fs;

use crate::support::keys::{self, Key};
use crate::support::{Sandbox, Server, TOKEN, csv, decom};

/// The formats of files, each with the command that writes one.
const COMMANDS: &[&[&str]] = &[
    &["report"],
    &["report", "--format", "csv"],
    &["report", "--format", "json"],
    &["report", "--format", "md"],
    &["report", "--format", "html"],
    &["report", "--datasource", "a"],
    &["report", "--datasource", "a", "--format", "csv"],
    &["report", "--datasource", "a", "--format", "json"],
    &["report", "--datasource", "a", "--format", "md"],
    &["show", "a"],
    &["show", "a", "--format", "csv"],
    &["show", "a", "--format", "json"],
    &["show", "a", "--format", "md"],
    &["show", "a", "--format", "html"],
    &["audit", "export"],
    &["audit", "export", "--format", "ocsf"],
];

fn with_a_run() -> (Sandbox, Server, String) {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    decom(&sandbox, &server, &["run", &input]).run().expect(0);
    (sandbox, server, input)
}

#[test]
fn a_metrics_file_replaces_nothing_but_metrics() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    sandbox.file("token", TOKEN);
    sandbox.file("notes.prom", "# HELP other_metric Of another program.\n");
    let fresh =
        decom(&sandbox, &server, &["run", &input, "--metrics-file", "decom-audit.db"]).run().expect(2);
    assert!(fresh.message().contains("this is the audit log"), "{}", fresh.message());
    assert!(!sandbox.log().exists());
    for file in [input.as_str(), "token", "notes.prom"] {
        let before = fs::read(sandbox.path(file)).unwrap();
        let ended = decom(&sandbox, &server, &["run", &input, "--metrics-file", file]).run().expect(2);
        assert!(ended.message().contains("did not write"), "{}", ended.message());
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), before, "{file}");
    }
    assert!(server.deletions().is_empty());
    decom(&sandbox, &server, &["run", &input, "--metrics-file", "decom.prom"]).run().expect(0);
    let log = fs::read(sandbox.log()).unwrap();
    decom(&sandbox, &server, &["run", &input, "--metrics-file", "decom-audit.db"]).run().expect(2);
    assert_eq!(fs::read(sandbox.log()).unwrap(), log);
    decom(&sandbox, &server, &["run", &input, "--metrics-file", "decom.prom"]).run().expect(0);
}

#[test]
fn a_report_replaces_only_an_earlier_one_in_its_format() {
    let (sandbox, ..) = with_a_run();
    fs::copy(sandbox.log(), sandbox.path("closed.db")).unwrap();
    sandbox.file("names.csv", "name\na\n");
    for (number, command) in COMMANDS.iter().enumerate() {
        for taken in ["closed.db", "names.csv", "decom-audit.db.lock", "closed.db-wal"] {
            let before = fs::read(sandbox.path(taken)).ok();
            let ended = sandbox.decom(command).args(["--out", taken, "--force"]).run().expect(2);
            assert_eq!(fs::read(sandbox.path(taken)).ok(), before, "{command:?} {taken}: {ended:?}");
        }
        let own = format!("own-{number}");
        sandbox.file(&own, "");
        for _ in 0..2 {
            sandbox.decom(command).args(["--out", &own, "--force"]).run().expect(0);
        }
    }
    // One format over another: what was handed over is not lost by a slip.
    sandbox.decom(&["report", "--format", "csv", "--out", "own-4", "--force"]).run().expect(2);
}

#[test]
fn a_plan_is_not_saved_in_place_of_the_log() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    let mut plan = sandbox.decom(&["plan", &input, "--out", "decom-audit.db"]);
    let ended = plan.fast(&server.url()).run().expect(2);
    assert!(ended.message().contains("this is the audit log"), "{}", ended.message());
    assert!(!sandbox.log().exists());
}

#[test]
fn a_dry_run_is_refused_if_an_output_of_the_run_could_not_be_written() {
    if keys::are_missing(module_path!()) {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let input = csv(&sandbox, &["a"]);
    sandbox.file("not-metrics.prom", "something else\n");
    sandbox.file("not-a-key", "something else\n");
    sandbox.file("a-file", "");
    Key::new(&sandbox, "key", "ed25519");
    let key = "key";
    for outputs in [
        &["--metrics-file", "not-metrics.prom"][..],
        &["--metrics-file", "nowhere/metrics.prom"],
        &["--metrics-file", "decom-audit.db"],
        &["--signing-key", "not-a-key", "--checkpoint-dir", "."],
        &["--signing-key", "missing-key", "--checkpoint-dir", "."],
        &["--signing-key", key, "--checkpoint-dir", "nowhere"],
        &["--signing-key", key, "--checkpoint-dir", "a-file"],
        &["--checkpoint-dir", "."],
    ] {
        let words = [&["run", &input, "--dry-run"][..], outputs].concat();
        let dry = decom(&sandbox, &server, &words).run();
        let wet = decom(&sandbox, &server, &[&["run", &input][..], outputs].concat()).run();
        assert!(wet.code != 0, "{outputs:?}");
        assert_eq!(dry.code, wet.code, "{outputs:?}: {} {}", dry.message(), wet.message());
    }
    assert!(server.deletions().is_empty());
    let works = ["--signing-key", key, "--checkpoint-dir", ".", "--metrics-file", "metrics.prom"];
    let words = [&["run", &input, "--dry-run"][..], &works].concat();
    decom(&sandbox, &server, &words).run().expect(0);
    assert!(!sandbox.path("metrics.prom").exists(), "a dry run writes nothing");
}
