//! The checkpoint on a certificate: which one it is, what is claimed of it, and that nothing is certified from a log that
//! one contradicts.

use crate::certificates::{ISSUED, certificate, page_of, run_of};
use crate::support::keys::{self, Key};
use crate::support::page::Page;
use crate::support::{Estate, Reply, Sandbox, column};

/// What a page says of checkpoints, and how the log is checked.
fn checkpoint(page: &Page) -> String {
    page.lines("Checkpoint", "7Controls supported").join("\n").replace('\u{a0}', " ")
}

#[test]
fn a_checkpoint_of_this_log_is_shown_as_it_is() {
    let (sandbox, ..) = run_of(&["a", "b"], &[], |_| Reply::deleted());
    let log = sandbox.log();
    let id = column(&log, "SELECT name FROM record WHERE kind = 'log'").remove(0);
    let hash =
        |seq: i64| column(&log, &format!("SELECT lower(hex(hash)) FROM record WHERE seq = {seq}")).remove(0);
    let last: i64 = column(&log, "SELECT max(seq) FROM record")[0].parse().unwrap();
    let now = column(&log, "SELECT finished_at FROM runs").remove(0);
    let statement = |id: &str, records: i64, head: &str| {
        format!("decom audit checkpoint v1\nlog {id}\nrecords {records}\nhead {head}\ntime {now}\n")
    };
    std::fs::create_dir(sandbox.path("points")).unwrap();
    let without = certificate(&sandbox, &[]).text();
    assert!(!without.contains("was set to write checkpoints"), "it was not: {without}");
    assert!(without.contains("None was looked for"), "{without}");
    let command = || {
        let mut command = sandbox.decom(&["report", "--format", "html", "--issued-at", ISSUED]);
        command.env("DECOM_AUDIT_CHECKPOINT_DIR", "points");
        command
    };
    let shown = || checkpoint(&page_of(&mut command()));
    assert!(shown().contains("The given folder holds none of this log."), "{}", shown());

    // Those of another log, and what is none, are passed over.
    sandbox.file("points/other.checkpoint", statement(&"0".repeat(32), last, &hash(last)));
    sandbox.file("points/broken.checkpoint", "once upon a time");
    sandbox.file("points/bytes.checkpoint", [0xff, 0xfe]);
    sandbox.file("points/longer.checkpoint", format!("{}and more\n", statement(&id, last, &hash(last))));
    sandbox.file("points/text.txt", statement(&id, last, &hash(last)));
    assert!(shown().contains("The given folder holds none of this log."), "{}", shown());

    // One that does not cover the end is better than none; one that does is better.
    sandbox.file("points/1.checkpoint", statement(&id, 2, &hash(2)));
    let said = shown();
    assert!(
        said.contains("It has no signature beside it, so it shows nothing: anyone can have written it."),
        "{said}"
    );
    assert!(said.contains("It names the first 2 records of the log; the run ended after them."), "{said}");
    sandbox.file("points/1.checkpoint.sig", "one");
    assert!(shown().contains("Not checked: its signature."), "{}", shown());
    sandbox.file("points/2.checkpoint", statement(&id, last, &hash(last)));
    assert!(shown().contains("It names the first 2 records"), "the signed one: {}", shown());
    sandbox.file("points/2.checkpoint.sig", "one");
    let said = shown();
    assert!(said.contains(&format!("It names the first {last} records of the log, which include this run. The hash that it names is the hash of that record here.")), "{said}");
    assert!(said.contains(&statement(&id, last, &hash(last))), "verbatim: {said}");
    assert!(
        said.contains(
            "decom audit verify --audit-db decom-audit.db --checkpoints points --allowed-signers FILE"
        ),
        "{said}"
    );

    // Nothing is certified from a log that one contradicts, or that is shorter than one says.
    for (records, head, words) in [
        (last, hash(2), "has another hash than this checkpoint says"),
        (last + 7, hash(last), "its end was cut off"),
    ] {
        sandbox.file("points/3.checkpoint", statement(&id, records, &head));
        let refused = command().run();
        assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{refused:?}");
        assert!(
            refused.message().contains("3.checkpoint") && refused.message().contains(words),
            "{refused:?}"
        );
    }
}

/// A run that writes checkpoints, and the sandbox with its key and the file of those who may sign.
fn anchored() -> (Estate, Key) {
    let estate = Estate::of(&["acme", "globex", "other"]);
    let sandbox = &estate.sandbox;
    std::fs::create_dir(sandbox.path("my points")).unwrap();
    let key = Key::new(sandbox, "key", "ed25519");
    sandbox.file("FILE", format!("auditor@example.com {}\n", key.public));
    sandbox.file("decom.toml", "[audit]\nsigning_key = \"key\"\ncheckpoint_dir = \"my points\"\n");
    sandbox.file("names.csv", "name\nacme\nglobex\n");
    let flags = ["run", "names.csv", "--yes", "--max-share", "100", "--config", "decom.toml"];
    assert_eq!(estate.decom(&flags).run().code, 0);
    (estate, key)
}

#[test]
fn a_signature_that_was_not_checked_confirms_nothing() {
    if keys::are_missing("a_signature_that_was_not_checked_confirms_nothing") {
        return;
    }
    let (estate, _) = anchored();
    let sandbox = &estate.sandbox;
    let of = |arguments: &[&str]| certificate(sandbox, arguments);

    // Without its folder, and with the wrong one, it is said that there must be some.
    let unfound = checkpoint(&of(&[]));
    assert!(unfound.contains("This run was set to write checkpoints, and none was looked for"), "{unfound}");
    assert!(unfound.contains("--checkpoints DIR --allowed-signers FILE"), "{unfound}");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.pipe("empty/no-file.checkpoint");
    let unfound = checkpoint(&of(&["--checkpoint-dir", "empty"]));
    assert!(unfound.contains("was set to write checkpoints, and the given folder holds none"), "{unfound}");

    let page = of(&["--checkpoint-dir", "my points"]);
    assert_eq!(page.source, of(&["--config", "decom.toml"]).source, "flag or setting");
    let (text, said) = (page.text().replace('\u{a0}', " "), checkpoint(&page));
    assert!(said.contains("Not checked: its signature."), "{said}");
    assert!(said.contains("So nothing here shows that the end of the log was not cut off"), "{said}");
    assert!(!text.contains("AU-10") && !text.contains("(10.3)"), "nothing was checked: {text}");

    let usage = |arguments: &[&str]| {
        let said = sandbox.decom(&[&["report", "--format", "html"], arguments].concat()).run();
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
        said.message().to_owned()
    };
    assert!(usage(&["--allowed-signers", "FILE"]).contains("--checkpoint-dir DIR"));
    assert!(usage(&["--checkpoint-dir", "nowhere"]).contains("there is no such folder"));
    assert!(
        usage(&["--checkpoint-dir", "empty", "--allowed-signers", "nowhere"])
            .contains("there is no such file")
    );
}

#[test]
fn a_signature_that_was_checked_confirms_the_run() {
    if keys::are_missing("a_signature_that_was_checked_confirms_the_run") {
        return;
    }
    let (estate, _) = anchored();
    let sandbox = &estate.sandbox;
    let checked = ["--checkpoint-dir", "my points", "--allowed-signers", "FILE"];
    let page = certificate(sandbox, &checked);
    let (text, said) = (page.text().replace('\u{a0}', " "), checkpoint(&page));
    assert!(said.contains("Its signature was checked: it is by auditor@example.com (SHA256:"), "{said}");
    assert!(said.contains("It was made when the run ended."), "{said}");
    assert!(text.contains("AU-10 Non-repudiation | a checkpoint whose signature was checked"), "{text}");
    assert!(text.contains("(10.3)"), "{text}");
    let records = column(&sandbox.log(), "SELECT max(seq) FROM record").remove(0);
    assert!(said.contains(&format!("records {records}")), "the one that the run ended with: {said}");
    the_command_checks_it(sandbox, &page);

    // A signature by somebody else confirms nothing, and does not keep the page from being made.
    let other = Key::new(sandbox, "other", "ed25519");
    sandbox.file("others", format!("mallory@example.com {}\n", other.public));
    let page = certificate(sandbox, &["--checkpoint-dir", "my points", "--allowed-signers", "others"]);
    let said = checkpoint(&page);
    assert!(said.contains("Its signature does not count, so it shows nothing"), "{said}");
    assert!(!page.text().contains("AU-10"), "{}", page.text());

    // Of a later run, whose checkpoint is the first that covers the end.
    let end = column(&sandbox.log(), "SELECT max(seq) FROM record").remove(0);
    let id = column(&sandbox.log(), "SELECT name FROM record WHERE seq = 1").remove(0);
    for suffix in ["", ".sig"] {
        let file = format!("my points/{}-{end:0>12}.checkpoint{suffix}", &id[..16]);
        std::fs::remove_file(sandbox.path(&file)).unwrap();
    }
    let run = column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);
    sandbox.file("more.csv", "name\nother\n");
    let flags = ["run", "more.csv", "--yes", "--max-share", "100", "--config", "decom.toml"];
    assert_eq!(estate.decom(&flags).run().code, 0);
    let said = checkpoint(&certificate(sandbox, &[&[run.as_str()][..], &checked].concat()));
    assert!(said.contains("confirmed by a checkpoint of a later time, made at 20"), "{said}");
}

/// The command on the page accepts the log, and no other.
fn the_command_checks_it(sandbox: &Sandbox, page: &Page) {
    let integrity = page.lines("Checkpoint", "7Controls supported");
    let command = integrity.iter().find(|line| line.starts_with("decom audit verify ")).unwrap();
    let words = shlex::split(command).unwrap();
    let verify = |log: &str| {
        let words: Vec<_> = words[1..].iter().map(|word| word.replace("decom-audit.db", log)).collect();
        sandbox.decom(&words.iter().map(String::as_str).collect::<Vec<_>>()).run()
    };
    let verified = verify("decom-audit.db");
    assert_eq!(verified.code, 0, "sound and anchored: {verified:?}");
    std::fs::copy(sandbox.log(), sandbox.path("altered.db")).unwrap();
    rusqlite::Connection::open(sandbox.path("altered.db"))
        .unwrap()
        .execute_batch(
            "DROP TRIGGER record_is_never_updated; UPDATE record SET name = 'other' WHERE name = 'acme'",
        )
        .unwrap();
    let altered = verify("altered.db");
    assert_eq!(altered.code, 5, "{altered:?}");
}
