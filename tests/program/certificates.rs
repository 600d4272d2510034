//! `decom report --format html`: which certificate a run gets, and what stands behind it.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use sha2::{Digest, Sha256};

use crate::support::page::Page;
use crate::support::{Decom, Estate, Fault, Output, Reply, Request, Sandbox, Server, column, files_in};

/// When all certificates of these tests are issued: later than any run of theirs.
pub const ISSUED: &str = "2100-11-24T09:00:00Z";

/// The page that `command` prints.
pub fn page_of(command: &mut Decom) -> Page {
    let said = command.run();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    Page::of(&said.stdout)
}

/// The certificate of the newest run in the sandbox's log.
pub fn certificate(sandbox: &Sandbox, arguments: &[&str]) -> Page {
    page_of(&mut sandbox.decom(&[&["report", "--format", "html", "--issued-at", ISSUED], arguments].concat()))
}

/// The status that it has, and the sentence that explains it.
fn status(page: &Page) -> (String, String) {
    let lines = page.lines("", "1Run");
    let at = lines.iter().position(|line| line.starts_with("Status")).unwrap();
    let said = |text: &str| text.replace('\u{a0}', " ");
    (said(lines[at].trim_start_matches("Status")), said(&lines[at + 1]))
}

/// The id that it is known by.
fn known_by(page: &Page) -> String {
    let lines = page.lines("", "1Run");
    lines.iter().find_map(|line| line.strip_prefix("Certificate: ")).unwrap().to_owned()
}

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A run of these names, in which every deletion is answered by `script`.
pub fn run_of(
    names: &[&str],
    flags: &[&str],
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Sandbox, Server, i32) {
    let (sandbox, server) = (Sandbox::new(), Server::start(script));
    sandbox.names("names.csv", names);
    let finished = sandbox.run(&server, &[&["run", "names.csv"], flags].concat());
    (sandbox, server, finished.code)
}

#[test]
fn the_status_of_each_kind_of_run() {
    let (sandbox, _, code) = run_of(&["a", "b"], &[], |_| Reply::deleted());
    assert_eq!(code, 0);
    assert_eq!(
        status(&certificate(&sandbox, &[])),
        ("Complete".to_owned(), "The run is finished. 2 of 2 datasources were deleted.".to_owned())
    );

    let (sandbox, _, code) = run_of(&["a", "b"], &["--ignore-not-found"], |request| {
        if request.name == "b" { Reply::not_found() } else { Reply::deleted() }
    });
    assert_eq!(code, 0);
    let page = certificate(&sandbox, &[]);
    assert_eq!(
        status(&page),
        (
            "Complete".to_owned(),
            "The run is finished. 1 of 2 datasources was deleted; 1 was not found, which was accepted beforehand."
                .to_owned()
        )
    );
    assert!(page.text().contains("Not found, accepted beforehand 1"), "{}", page.text());

    // Two misspelled names: nothing is certified of them.
    let (sandbox, _, code) = run_of(&["a", "b"], &["--ignore-not-found"], |_| Reply::not_found());
    assert_eq!(code, 0);
    let page = certificate(&sandbox, &[]);
    assert_eq!(
        status(&page),
        (
            "Nothing deleted".to_owned(),
            "The run is finished. 0 of 2 datasources were deleted; 2 were not found, which was accepted beforehand."
                .to_owned()
        )
    );
    let text = page.text();
    assert!(!text.contains("Certificate of deletion") && !text.contains("Article 17"), "{text}");

    let (sandbox, _, code) =
        run_of(
            &["a", "b"],
            &[],
            |request| if request.name == "b" { Reply::not_found() } else { Reply::deleted() },
        );
    assert_eq!(code, 1);
    assert_eq!(
        status(&certificate(&sandbox, &[])),
        (
            "Complete with exceptions".to_owned(),
            "The run is finished. 1 of 2 datasources was deleted; 1 is an exception.".to_owned()
        )
    );

    let (sandbox, _, code) = run_of(&["a", "prod"], &["--protect", "prod"], |_| Reply::deleted());
    assert_eq!(code, 1);
    let page = certificate(&sandbox, &[]);
    assert_eq!(status(&page).0, "Complete with exceptions");
    assert!(page.text().contains("matches the protected pattern `prod`"), "{}", page.text());
}

#[test]
fn what_an_earlier_run_deleted_is_an_exception_only_if_it_exists_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 0);
    assert_eq!(
        status(&certificate(&sandbox, &[])),
        (
            "Complete".to_owned(),
            "The run is finished. 0 of 2 datasources were deleted; 2 were deleted by an earlier run."
                .to_owned()
        )
    );
    server.list(&["a", "c", "d", "e"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv", "--max-share", "99"]).code, 1);
    let page = certificate(&sandbox, &[]);
    assert_eq!(
        status(&page),
        (
            "Complete with exceptions".to_owned(),
            "The run is finished. 0 of 2 datasources were deleted; 1 was deleted by an earlier run; 1 is an exception."
                .to_owned()
        )
    );
    let exceptions = page.lines("3Exceptions", "4Figures").join("\n");
    assert!(
        exceptions.contains("Existing again 1") && exceptions.contains("Deleted before 1"),
        "{exceptions}"
    );
    let scope = page.lines("2Scope and reconciliation", "3Exceptions").join("\n").replace('\u{a0}', " ");
    assert!(scope.contains("not sent: 1 already deleted, 1 exists again"), "{scope}");
}

#[test]
fn what_was_deleted_and_is_still_listed_is_an_exception() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["b", "other"]);
    sandbox.names("names.csv", &["a", "b"]);
    assert_eq!(sandbox.run(&server, &["run", "names.csv"]).code, 1);
    let page = certificate(&sandbox, &[]);
    assert_eq!(status(&page).0, "Complete with exceptions");
    let listed = page.lines("Said to be deleted, and still listed 1", "4Figures");
    let rows: Vec<_> = listed.iter().filter(|line| line.starts_with("2 | b | ")).collect();
    assert_eq!(rows.len(), 1, "{listed:?}");
    assert!(rows[0].contains("still in the listing"), "{rows:?}");
}

#[test]
fn a_run_that_stopped_early_is_incomplete_and_lists_what_is_pending() {
    let (sandbox, _, code) = run_of(&["a", "b", "c"], &[], |request| match request.name.as_str() {
        "a" => Reply::deleted(),
        _ => Reply::error(401, "AUTHENTICATION_ERROR"),
    });
    assert_eq!(code, 4);
    let page = certificate(&sandbox, &[]);
    let (word, sentence) = status(&page);
    assert_eq!(word, "Incomplete");
    assert!(
        sentence
            .starts_with("The run stopped early. 1 of 3 datasources was deleted; 2 are not settled. Why: "),
        "{sentence}"
    );
    let pending = page.lines("Pending 2", "4Figures");
    assert!(
        pending.iter().any(|line| line.starts_with("2 | b | not settled by 1\u{a0}attempt | 1")),
        "{pending:?}"
    );
    assert!(pending.iter().any(|line| line.starts_with("3 | c | never sent | 0")), "{pending:?}");
}

#[test]
fn a_run_that_was_killed_is_incomplete_until_it_was_continued() {
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(
            |request| if request.name == "b" { Fault::NeverAnswer.into() } else { Reply::deleted() },
        ),
    );
    sandbox.names("names.csv", &["a", "b"]);
    let mut decom = sandbox.start(&server, &["run", "names.csv"]);
    decom.wait_until("the request that hangs", || server.deletions().len() == 2);
    // It is still active.
    let page = certificate(&sandbox, &[]);
    assert_eq!(status(&page).0, "Incomplete");
    assert!(page.text().contains("1\u{a0}attempt has no result in the log"), "{}", page.text());
    decom.kill();
    let killed = certificate(&sandbox, &[]);
    let (word, sentence) = status(&killed);
    assert_eq!(word, "Incomplete");
    assert!(sentence.starts_with("The end of the run is not recorded"), "{sentence}");
    assert!(killed.text().contains("– not ended"), "{}", killed.text());

    server.answer(|_| Reply::deleted());
    assert_eq!(sandbox.run(&server, &["resume"]).code, 0);
    let page = certificate(&sandbox, &[]);
    assert_eq!(status(&page).0, "Complete");
    assert!(page.text().contains("interrupted and resumed once"), "{}", page.text());
    assert_ne!(known_by(&page), known_by(&killed), "another end, another certificate");
}

#[test]
fn a_rehearsal_says_so_in_big_letters_and_is_not_signed() {
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["a", "b"]);
    let flags = ["rehearse", "names.csv", "--fault", "none", "--latency", "0ms"];
    assert_eq!(sandbox.decom(&flags).run().code, 0);
    let page = certificate(&sandbox, &["--audit-db", "decom-audit-rehearsal.db"]);
    let text = page.text();
    assert!(text.starts_with("REHEARSAL – nothing real was deleted: Rehearsal of a deletion "), "{text}");
    assert_eq!(
        text.matches("REHEARSAL – nothing real was deleted").count(),
        2,
        "in the title, and at the top"
    );
    assert!(
        page.source.contains("@top-center { content: \"REHEARSAL – nothing real was deleted\"; }"),
        "on each sheet"
    );
    assert!(!text.contains("Certificate of deletion") && !text.contains("Signature:"), "{text}");

    let (sandbox, ..) = run_of(&["a"], &[], |_| Reply::deleted());
    let text = certificate(&sandbox, &[]).text();
    assert!(!text.contains("REHEARSAL") && text.contains("Certificate of deletion"), "{text}");
    assert_eq!(text.matches("Signature:").count(), 2, "the operator's and the approver's");
}

#[test]
fn the_same_log_and_time_give_the_same_bytes() {
    let (sandbox, ..) =
        run_of(&["a", "b", "c"], &[], |request| match (request.name.as_str(), request.attempt) {
            ("b", 1) => Reply::server_error(),
            ("c", _) => Reply::in_use(),
            _ => Reply::deleted(),
        });
    let page = certificate(&sandbox, &[]).source;
    assert_eq!(certificate(&sandbox, &[]).source, page);
    std::fs::copy(sandbox.log(), sandbox.path("copy.db")).unwrap();
    let copy = certificate(&sandbox, &["--audit-db", "copy.db"]).source;
    assert_eq!(copy.replace("copy.db", "decom-audit.db"), page, "wherever the log is");
    let out = ["report", "--format", "html", "--issued-at", ISSUED, "--out", "page.html"];
    assert_eq!(sandbox.decom(&out).run().code, 0);
    assert_eq!(std::fs::read_to_string(sandbox.path("page.html")).unwrap(), page, "wherever it goes");
    let now = page_of(&mut sandbox.decom(&["report", "--format", "html"]));
    let issued = |page: &str| page.split_once("<dt>Issued</dt>").unwrap().1[..80].to_owned();
    assert!(issued(&page).contains("datetime=\"2100-11-24T09:00:00.000000Z\""), "{}", issued(&page));
    assert_ne!(issued(&now.source), issued(&page), "without a time it is issued now");
}

#[test]
fn the_certificate_is_known_by_the_run_and_its_last_record() {
    let (sandbox, server, _) = run_of(&["a"], &[], |_| Reply::deleted());
    let first = certificate(&sandbox, &[]);
    // By hand, as the manual says it.
    let run = column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);
    let hash = column(&sandbox.log(), "SELECT lower(hex(hash)) FROM record WHERE kind = 'end'").remove(0);
    let by_hand = sha256(format!("{run}\n{hash}\n").as_bytes())[..16].to_owned();
    assert_eq!(known_by(&first), by_hand);
    assert!(first.text().contains(&hash));

    // What comes after the run in the log does not change it.
    sandbox.names("more.csv", &["b"]);
    assert_eq!(sandbox.run(&server, &["run", "more.csv"]).code, 0);
    assert_eq!(known_by(&certificate(&sandbox, &[&run])), by_hand);
    assert_ne!(known_by(&certificate(&sandbox, &[])), by_hand);
}

#[test]
fn above_five_thousand_targets_there_is_an_annex() {
    let names: Vec<_> = (0..5002).map(|number| format!("n-{number}")).collect();
    let estate = Estate::with(names.clone(), decom::emulator::Faults::none());
    let sandbox = &estate.sandbox;
    for (file, count) in [("fits.csv", 5000), ("more.csv", 5001), ("most.csv", 5002)] {
        sandbox.file(file, names[..count].join("\n"));
        let flags = [
            "run",
            file,
            "--no-header",
            "--yes",
            "--max-share",
            "100",
            "--max-deletes",
            "9999",
            "--concurrency",
            "64",
        ];
        assert_eq!(estate.decom(&flags).run().code, 0);
    }
    let runs = column(&sandbox.log(), "SELECT run_id FROM runs ORDER BY started_at");
    let before: BTreeSet<_> = files_in(&sandbox.path("")).into_iter().collect();
    let report = |run: &str, more: &[&str]| {
        sandbox.decom(&[&["report", run, "--issued-at", ISSUED, "--format", "html"], more].concat()).run()
    };

    let fits = report(&runs[0], &["--out", "fits.html"]);
    assert_eq!((fits.code, fits.stdout.as_str(), fits.stderr.as_str()), (0, "", ""));
    let page = Page::of(&std::fs::read_to_string(sandbox.path("fits.html")).unwrap());
    assert!(page.text().contains("\n5000 | n-4999 | ") && !page.text().contains("annex"));

    assert_eq!(report(&runs[1], &["--out", "more.html"]).code, 0);
    let after: BTreeSet<_> = files_in(&sandbox.path("")).into_iter().collect();
    let made: Vec<_> = after.difference(&before).cloned().collect();
    assert_eq!(made, ["fits.html", "more-schedule.csv", "more.html"]);
    let page = Page::of(&std::fs::read_to_string(sandbox.path("more.html")).unwrap());
    a_file_in_the_place_of_the_annex_stays(sandbox, &|| report(&runs[1], &["--out", "more.html"]));
    let annex = std::fs::read(sandbox.path("more-schedule.csv")).unwrap();
    assert_eq!(
        String::from_utf8(annex.clone()).unwrap().lines().count(),
        5002,
        "a row for each, and the head"
    );
    let sum = sha256(&annex);
    let schedule = page.lines("5Schedule of all targets", "6Integrity");
    assert!(schedule.contains(&format!("SHA-256: {sum}")), "{schedule:?}");
    assert!(schedule.iter().any(|line| line.starts_with("Annex: more-schedule.csv")), "{schedule:?}");
    assert!(!page.text().contains("n-5000"), "the schedule is not on the page");
    let already = page.lines("Deleted before 5\u{202f}000", "4Figures");
    assert!(already.last().unwrap().starts_with("5000 | n-4999 | "), "as many as there is room for");

    // One more than there is room for.
    assert_eq!(report(&runs[2], &["--out", "most.html"]).code, 0);
    let most = Page::of(&std::fs::read_to_string(sandbox.path("most.html")).unwrap());
    let already = most.lines("Deleted before 5\u{202f}001", "4Figures");
    assert_eq!(already.iter().filter(|line| line.contains(" | n-")).count(), 5000);
    let cut = already.last().unwrap().replace('\u{a0}', " ");
    assert_eq!(cut, "1 more is not listed here; the annex has all of them (most-schedule.csv).");

    // The command on the page makes the same file; so does the page that goes to standard output.
    let command = schedule.iter().find_map(|line| line.strip_prefix("Command: ")).unwrap();
    std::fs::remove_file(sandbox.path("more-schedule.csv")).unwrap();
    let words = shlex::split(command).unwrap();
    assert_eq!(sandbox.decom(&words[1..].iter().map(String::as_str).collect::<Vec<_>>()).run().code, 0);
    assert_eq!(std::fs::read(sandbox.path("more-schedule.csv")).unwrap(), annex);
    std::fs::remove_file(sandbox.path("more-schedule.csv")).unwrap();
    let printed = certificate(sandbox, &[&runs[1]]);
    let schedule = printed.lines("5Schedule of all targets", "6Integrity");
    assert!(schedule.contains(&format!("SHA-256: {sum}")), "{schedule:?}");
    assert!(schedule.iter().any(|line| line.starts_with("Annex: not written")), "{schedule:?}");
    let command = schedule.iter().find_map(|line| line.strip_prefix("Command: ")).unwrap();
    assert!(command.ends_with(&format!("--out {}-schedule.csv", runs[1])), "{command}");
    assert!(!sandbox.path("more-schedule.csv").exists(), "nothing is written beside standard output");
}

/// `more-schedule.csv` is the annex of the page that `again` makes.
fn a_file_in_the_place_of_the_annex_stays(sandbox: &Sandbox, again: &dyn Fn() -> Output) {
    let (page, annex) = (sandbox.path("more.html"), sandbox.path("more-schedule.csv"));
    let whole = std::fs::read(&annex).unwrap();
    assert_eq!(again().code, 0, "the same annex is no obstacle, and the page is named");
    assert_eq!(std::fs::read(&annex).unwrap(), whole);
    std::fs::remove_file(&page).unwrap();
    let longer = [whole.as_slice(), b"x"].concat();
    for other in [b"mine".as_slice(), b"", &whole[..whole.len() - 1], &longer] {
        std::fs::write(&annex, other).unwrap();
        let refused = again();
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.message().contains("more-schedule.csv: there is a file here already that holds something else; name another with --out, or replace it with --force"), "{refused:?}");
        assert_eq!(std::fs::read(&annex).unwrap(), other, "as it was");
        assert!(!page.exists(), "no page without its annex");
    }
    std::fs::remove_file(&annex).unwrap();
    assert_eq!(again().code, 0);
    assert_eq!(std::fs::read(&annex).unwrap(), whole);
}

#[test]
fn the_audit_log_is_not_overwritten_by_page_or_annex() {
    let (sandbox, ..) = run_of(&["a"], &[], |_| Reply::deleted());
    let said = sandbox.decom(&["report", "--format", "html", "--out", "decom-audit.db"]).run();
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.message().contains("this is the audit log"), "{said:?}");
    assert_eq!(column(&sandbox.log(), "SELECT planned FROM runs"), ["1"]);
}

#[test]
fn what_makes_no_sense_with_a_certificate() {
    let (sandbox, ..) = run_of(&["a"], &[], |_| Reply::deleted());
    let refused = |arguments: &[&str]| {
        let said = sandbox.decom(arguments).run();
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
        said.stderr.lines().next().unwrap().trim_start_matches("decom: ").to_owned()
    };
    assert_snapshot!(refused(&["report", "--issued-at", ISSUED]), @"--issued-at is for certificates; add --format html, or leave it out");
    assert_snapshot!(refused(&["report", "--checkpoint-dir", "points"]), @"--checkpoint-dir is for certificates; add --format html, or leave it out");
    assert_snapshot!(refused(&["report", "--format", "html", "--issued-at", "today"]), @"error: invalid value 'today' for '--issued-at <TIME>': `today` is not a point in time; write it in RFC 3339, like 2026-03-01T09:30:00Z");
    let last = column(&sandbox.log(), "SELECT finished_at FROM runs").remove(0);
    let issued = |at: &str| sandbox.decom(&["report", "--format", "html", "--issued-at", at]).run();
    assert_eq!(issued(&last).code, 0, "at the moment of its last record");
    let before = issued("2026-01-01T00:00:00Z");
    assert_eq!((before.code, before.stdout.as_str()), (2, ""), "{before:?}");
    let run = column(&sandbox.log(), "SELECT run_id FROM runs").remove(0);
    assert!(
        before
            .message()
            .contains(&format!("is before the last record of run {run} ({last}); name a time after it")),
        "{before:?}"
    );
    assert_snapshot!(refused(&["runs", "--format", "html"]), @"error: invalid value 'html' for '--format <FORMAT>': `html` is not a format; the formats are table, csv, json and md");
    sandbox.file("config.toml", "[report]\norganisation = \"a\\nb\"\n");
    assert_snapshot!(refused(&["report", "--config", "config.toml"]), @r#"config.toml, line 2, column 16: report.organisation must be a text of one line (at most 1000 characters, no control characters), not "a\nb""#);
}

#[test]
fn a_run_has_the_same_certificate_in_a_merged_file() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    for log in ["a.db", "b.db"] {
        sandbox.names("names.csv", &[&format!("of-{log}"), "more"]);
        let finished = sandbox.run(&server, &["run", "names.csv", "--audit-db", log, "--again"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
    }
    assert_eq!(sandbox.decom(&["audit", "merge", "a.db", "b.db", "--out", "all.db"]).run().code, 0);
    for log in ["a.db", "b.db"] {
        let run = column(&sandbox.path(log), "SELECT run_id FROM runs").remove(0);
        let own = certificate(&sandbox, &[&run, "--audit-db", log]);
        let merged = certificate(&sandbox, &[&run, "--audit-db", "all.db"]);
        let merged = merged.text().replace("all.db", log);
        let merged = merged.replace("from one of the audit logs in a merged file", "from the audit log");
        assert_eq!(merged, own.text(), "as if the other log were not there");
    }
}

/// Nothing is certified out of a log that is not what decom wrote, whatever it says now.
#[test]
fn an_altered_log_certifies_nothing() {
    let (sandbox, _server, code) =
        run_of(
            &["a", "b"],
            &[],
            |request| if request.name == "a" { Reply::deleted() } else { Reply::not_found() },
        );
    assert_eq!(code, 1);
    let log = rusqlite::Connection::open(sandbox.log()).unwrap();
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'record_is_never_updated'";
    let trigger: String = log.query_row(trigger, [], |row| row.get(0)).unwrap();
    log.execute_batch(&format!(
        "DROP TRIGGER record_is_never_updated;
         UPDATE record SET verdict = 'deleted', outcome = 'deleted', evidence = 'acknowledged',
                http_status = 200 WHERE outcome = 'not_found';
         {trigger};"
    ))
    .unwrap();
    drop(log);
    let refused = sandbox.decom(&["report", "--format", "html", "--out", "page.html"]).run();
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.message().contains("the audit log is not sound"), "{refused:?}");
    assert!(!sandbox.path("page.html").exists());
}
