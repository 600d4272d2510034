//! The checkpoint on a certificate: which one it is, and that the command beside it tells whether it
//! is good.

use crate::certificates::{ISSUED, certificate, page_of, run_of};
use crate::support::keys::{self, Key};
use crate::support::{Estate, Reply, column};

#[test]
fn a_checkpoint_of_this_log_is_shown_as_it_is() {
    let (sandbox, ..) = run_of(&["a", "b"], &[], |_| Reply::deleted());
    let log = sandbox.log();
    let id = column(&log, "SELECT name FROM record WHERE kind = 'log'").remove(0);
    let hash =
        |seq: i64| column(&log, &format!("SELECT lower(hex(hash)) FROM record WHERE seq = {seq}")).remove(0);
    let last: i64 = column(&log, "SELECT max(seq) FROM record")[0].parse().unwrap();
    let statement = |id: &str, records: i64, head: &str| {
        format!(
            "decom audit checkpoint v1\nlog {id}\nrecords {records}\nhead {head}\ntime 2026-11-24T08:59:00.000000Z\n"
        )
    };
    std::fs::create_dir(sandbox.path("points")).unwrap();
    let without = certificate(&sandbox, &[]).text();
    assert!(!without.contains("was configured to write checkpoints"), "it did not: {without}");
    let shown = || {
        let mut command = sandbox.decom(&["report", "--format", "html", "--issued-at", ISSUED]);
        let page = page_of(command.env("DECOM_AUDIT_CHECKPOINT_DIR", "points"));
        page.lines("Checkpoint", "7Controls supported").join("\n").replace('\u{a0}', " ")
    };
    assert!(shown().contains("None was found."), "{}", shown());

    // Those of another log, and what is none, are passed over.
    sandbox.file("points/other.checkpoint", statement(&"0".repeat(32), last, &hash(last)));
    sandbox.file("points/broken.checkpoint", "once upon a time");
    sandbox.file("points/bytes.checkpoint", [0xff, 0xfe]);
    sandbox.file("points/longer.checkpoint", format!("{}and more\n", statement(&id, last, &hash(last))));
    sandbox.file("points/text.txt", statement(&id, last, &hash(last)));
    assert!(shown().contains("None was found."), "{}", shown());

    // One that does not cover the end is better than none; one that does is better.
    sandbox.file("points/1.checkpoint", statement(&id, 2, &hash(2)));
    let said = shown();
    assert!(
        said.contains("It has no signature beside it, so it proves nothing: anyone can have written it."),
        "{said}"
    );
    assert!(said.contains("1.checkpoint covers the first 2 records; the run ended after them."), "{said}");
    sandbox.file("points/1.checkpoint.sig", "one");
    assert!(
        shown().contains("Its signature was not checked for this page; the command below checks it."),
        "{}",
        shown()
    );
    sandbox.file("points/2.checkpoint", statement(&id, last, &hash(last)));
    assert!(shown().contains("1.checkpoint covers the first 2 records"), "the signed one: {}", shown());
    for signature in ["points/2.checkpoint.sig", "points/3.checkpoint.sig"] {
        sandbox.file(signature, "one");
    }
    sandbox.file("points/3.checkpoint", statement(&id, last + 7, &hash(last)));
    let said = shown();
    assert!(said.contains(&format!("2.checkpoint covers the first {last} records, which include this run. The hash that it names is the hash of that record here.")), "{said}");
    assert!(said.contains(&statement(&id, last, &hash(last))), "verbatim: {said}");
    assert!(
        said.contains(
            "decom audit verify --audit-db decom-audit.db --checkpoints points --allowed-signers FILE"
        ),
        "{said}"
    );

    // One with another head is no support, and that is said.
    sandbox.file("points/2.checkpoint", statement(&id, last, &hash(2)));
    let said = shown();
    let contradicts = "2.checkpoint contradicts this log: the hash that it names after";
    assert!(said.contains(contradicts) && !said.contains(" covers the first "), "{said}");
    std::fs::remove_file(sandbox.path("points/2.checkpoint")).unwrap();
    assert!(shown().contains("3.checkpoint contradicts this log"), "the log is shorter: {}", shown());
    std::fs::remove_file(sandbox.path("points/3.checkpoint.sig")).unwrap();
    std::fs::remove_file(sandbox.path("points/1.checkpoint")).unwrap();
    let said = shown();
    assert!(said.contains("contradicts this log") && said.contains("has no signature beside it"), "{said}");
}

#[test]
fn the_command_on_the_page_checks_the_checkpoint_that_a_run_wrote() {
    if keys::are_missing("the_command_on_the_page_checks_the_checkpoint_that_a_run_wrote") {
        return;
    }
    let estate = Estate::of(&["acme", "globex", "other"]);
    let sandbox = &estate.sandbox;
    std::fs::create_dir(sandbox.path("my points")).unwrap();
    let key = Key::new(sandbox, "key", "ed25519");
    sandbox.file("FILE", format!("auditor@example.com {}\n", key.public));
    let config = "[audit]\nsigning_key = \"key\"\ncheckpoint_dir = \"my points\"\n";
    sandbox.file("decom.toml", config);
    sandbox.file("names.csv", "name\nacme\nglobex\n");
    let flags = ["run", "names.csv", "--yes", "--max-share", "100", "--config", "decom.toml"];
    assert_eq!(estate.decom(&flags).run().code, 0);

    // Without its folder, and with the wrong one, it is said that there must be some.
    let unfound = certificate(sandbox, &[]).text().replace('\u{a0}', " ");
    assert!(
        unfound.contains(
            "This run was configured to write checkpoints; no folder of checkpoints was given (--checkpoint-dir)."
        ),
        "{unfound}"
    );
    assert!(unfound.contains("--checkpoints DIR --allowed-signers FILE"), "{unfound}");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.pipe("empty/no-file.checkpoint");
    let unfound = certificate(sandbox, &["--checkpoint-dir", "empty"]).text();
    assert!(
        unfound.contains("none of this log was found in the given folder (--checkpoint-dir)."),
        "{unfound}"
    );
    assert!(unfound.contains("--checkpoints empty --allowed-signers FILE"), "{unfound}");

    let page = certificate(sandbox, &["--checkpoint-dir", "my points"]);
    assert!(!page.text().contains("was configured to write checkpoints"), "{}", page.text());
    let non_repudiation = "AU-10 Non-repudiation | a signed checkpoint that agrees with the log";
    assert!(page.lines("7Controls supported", "").join("\n").contains(non_repudiation), "{}", page.text());
    assert!(!unfound.contains("AU-10"), "nothing was signed: {unfound}");
    assert_eq!(page.source, certificate(sandbox, &["--config", "decom.toml"]).source, "flag or setting");
    let integrity = page.lines("Checkpoint", "7Controls supported");
    let records = column(&sandbox.log(), "SELECT max(seq) FROM record").remove(0);
    assert!(
        integrity.contains(&format!("records {records}")),
        "the one that the run ended with: {integrity:?}"
    );
    assert!(
        integrity[1]
            .contains("which include this run. The hash that it names is the hash of that record here."),
        "{integrity:?}"
    );
    let command = integrity.iter().find(|line| line.starts_with("decom audit verify ")).unwrap();
    let words = shlex::split(command).unwrap();
    let verify = || sandbox.decom(&words[1..].iter().map(String::as_str).collect::<Vec<_>>()).run();
    let verified = verify();
    assert_eq!(verified.code, 0, "sound and anchored: {verified:?}");

    let log = rusqlite::Connection::open(sandbox.log()).unwrap();
    log.execute_batch(
        "DROP TRIGGER record_is_never_updated; UPDATE record SET name = 'other' WHERE name = 'acme'",
    )
    .unwrap();
    let altered = verify();
    assert_eq!(altered.code, 5, "{altered:?}");
}
