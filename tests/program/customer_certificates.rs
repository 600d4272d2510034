//! `decom show NAME --format html`: a certificate that one customer may have, because it names no other.

use crate::certificates::{ISSUED, page_of};
use crate::support::keys::{self, Key};
use crate::support::page::Page;
use crate::support::{Output, Reply, Sandbox, Server, rows, sha256};

/// In every name and text that is not this customer's.
const MARKER: &str = "zzmarker";

fn certificate(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Page {
    let show = ["show", name, "--format", "html", "--issued-at", ISSUED];
    page_of(&mut sandbox.decom(&[&show, arguments].concat()))
}

fn text(page: &Page) -> String {
    page.text().replace('\u{a0}', " ")
}

fn run(sandbox: &Sandbox, server: &Server, csv: &str, flags: &[&str]) -> Output {
    sandbox.file("zzmarker.csv", csv);
    sandbox.run(
        server,
        &[&["run", "zzmarker.csv", "--audit-db", "zzmarker.db", "--operator", "ann"], flags].concat(),
    )
}

#[test]
fn no_other_name_is_on_it() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.answer(|request| match (request.name.as_str(), request.attempt) {
        ("acme", 1) => Reply::error(400, "DATASOURCE_IN_USE").body(
            r#"{"error":{"code":"DATASOURCE_IN_USE","message":"zzmarker-mart reads it, so does zzmarker-2"}}"#,
        ),
        ("acme", _) => Reply::deleted().body(r#"{"id":"zzmarker-id","message":"zzmarker deleted"}"#),
        _ => Reply::error(400, "zzmarker_CODE"),
    });
    server.list(&["acme", "zzmarker-1", "zzmarker-2", "other"]);
    server.list_datamarts(&[("zzmarker-mart", "acme"), ("zzmarker-mart-2", "zzmarker-2")]);
    let csv = "name,reason,ticket,customer,requested_at\n\
               acme,left with zzmarker-1,OFF-1,Acme Ltd,2026-11-01\n\
               zzmarker-1,zzmarker,zzmarker,zzmarker Ltd,2026-11-02\n\
               zzmarker-2,,,,\n";
    let flags = ["--reason", "zzmarker and acme leave", "--ticket", "zzmarker-1"];
    run(&sandbox, &server, csv, &flags).expect(1);
    server.list(&["zzmarker-1", "zzmarker-2", "other"]);
    server.list_datamarts(&[]);
    run(&sandbox, &server, "name\nacme\nzzmarker-2\n", &["--ticket", "OFF-2"]).expect(1);
    // A closed log, under a name of its own, that is not at hand.
    let closed = ["audit", "rotate", "--quiet", "--audit-db", "zzmarker.db", "--out", "zzmarker-closed.db"];
    sandbox.decom(&closed).run().expect(0);
    server.answer(|_| Reply::deleted());
    run(&sandbox, &server, "name\nzzmarker-3\nacme\n", &[]).expect(0);

    let page = certificate(&sandbox, "acme", &["--audit-db", "zzmarker.db"]);
    assert!(!page.source.to_lowercase().contains(MARKER), "{}", text(&page));
    let said = text(&page);
    for expected in [
        "Acme Ltd",
        "2026-11-01",
        "OFF-1",
        "ann",
        &server.url(),
        "the API replied that something depends on it",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(said.contains("recorded, and not shown: it is about other targets as well"), "{said}");
    std::fs::remove_file(sandbox.path("zzmarker-closed.db")).unwrap();
    let page = certificate(&sandbox, "acme", &["--audit-db", "zzmarker.db"]);
    assert!(!page.source.to_lowercase().contains(MARKER), "{}", text(&page));
    assert!(text(&page).contains("was not at hand"), "{}", text(&page));
    // The reports for the operator have all of it.
    let all = sandbox.decom(&["show", "acme", "--audit-db", "zzmarker.db"]).run().expect(0).stdout;
    assert!(!all.contains(MARKER) || all.contains("zzmarker-closed.db"), "{all}");
}

#[test]
fn each_end_is_called_what_it_is() {
    for (name, status, sentence) in [
        ("gone", "Deleted", "The API confirmed the deletion."),
        (
            "doubt",
            "Gone",
            "a request to delete it got no clear reply, and afterwards the API replied that there is none",
        ),
        (
            "missing",
            "Not found",
            "the API replied that there is none of this name. No request in this log deleted it.",
        ),
        ("used", "Not deleted", "was not deleted: the API replied that something depends on it."),
        ("prod", "Not deleted", "was not deleted: a rule protects the name, and no request was sent."),
        ("unclear", "Not known", "may exist or not: a request was sent that got no clear reply."),
    ] {
        let (sandbox, server) = (Sandbox::new(), Server::deleting());
        server.answer(|request| match (request.name.as_str(), request.attempt) {
            ("doubt", 1) | ("unclear", _) => Reply::status(200),
            ("doubt" | "missing", _) => Reply::not_found(),
            ("used", _) => Reply::in_use(),
            _ => Reply::deleted(),
        });
        sandbox.file("names.csv", format!("name\n{name}\n"));
        sandbox.run(&server, &["run", "names.csv", "--protect", "prod", "--no-listing-check"]);
        let page = certificate(&sandbox, name, &[]);
        let said = text(&page);
        assert!(said.contains(&format!("Status{status}")), "{name}: {said}");
        assert!(said.contains(sentence), "{name}: {said}");
        let title = if matches!(status, "Deleted" | "Gone") {
            "Certificate of deletion"
        } else {
            "Statement on a deletion"
        };
        assert!(said.contains(title) && said.contains("backups of it or of Databrain"), "{name}: {said}");
        assert!(!said.contains("did not hold the name"), "no listing was read: {said}");
    }
}

#[test]
fn it_is_bound_to_the_records_that_it_is_about() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["other"]);
    sandbox.file("names.csv", "name\nacme\nglobex\n");
    sandbox.run(&server, &["run", "names.csv"]).expect(0);
    let page = certificate(&sandbox, "acme", &[]);
    let said = text(&page);
    assert!(said.contains("did not hold the name"), "{said}");
    let found = rows(
        &sandbox.log(),
        "WITH t AS (SELECT seq, run FROM record WHERE kind = 'target' AND name = 'acme')
         SELECT lower(hex(r.hash)) FROM record r, t
          WHERE r.seq IN (t.seq, t.run) OR r.target = t.seq OR r.kind = 'check' ORDER BY r.seq",
    );
    let mut text_of_id = "acme\n".to_owned();
    for hash in found.into_iter().flatten() {
        assert!(said.contains(&hash), "{hash}: {said}");
        text_of_id += &hash;
        text_of_id += "\n";
    }
    assert!(said.contains(&format!("Certificate: {}\n", &sha256(text_of_id)[..16])), "{said}");
    let early = ["show", "acme", "--format", "html", "--issued-at", "2020-01-01T00:00:00Z"];
    let refused = sandbox.decom(&early).run().expect(2);
    assert!(refused.message().contains("is before the last record about \"acme\""), "{refused:?}");
    // A log that was altered certifies nothing.
    crate::support::forgery::tamper(&sandbox.log(), |log| {
        log.execute("UPDATE record SET verdict = 'in_use' WHERE kind = 'answer' AND target = 4", []).unwrap();
    });
    sandbox.decom(&["show", "acme", "--format", "html"]).run().expect(5);
}

#[test]
fn a_rehearsal_is_called_one() {
    let sandbox = Sandbox::new();
    sandbox.file("names.csv", "name\nacme\n");
    sandbox.decom(&["rehearse", "names.csv", "--fault", "none", "--quiet"]).run().expect(0);
    let log = ["--audit-db", "decom-audit-rehearsal.db"];
    let page = certificate(&sandbox, "acme", &log);
    let said = text(&page);
    assert!(
        said.contains("REHEARSAL – nothing real was deleted") && !said.contains("Certificate of deletion"),
        "{said}"
    );
    for format in ["table", "md"] {
        let report =
            sandbox.decom(&[&["show", "acme", "--format", format], &log[..]].concat()).run().expect(0).stdout;
        assert!(report.contains("REHEARSAL: datasource acme"), "{report}");
    }
}

#[test]
fn signatures_are_checked_by_ssh_keygen_alone_and_forged_ones_are_refused() {
    if keys::are_missing("signatures_are_checked_by_ssh_keygen_alone_and_forged_ones_are_refused") {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.file("names.csv", "name\nacme\n");
    sandbox.run(&server, &["run", "names.csv"]).expect(0);
    let (key, other) = (Key::new(&sandbox, "key", "ed25519"), Key::new(&sandbox, "other", "ed25519"));
    let allowed = sandbox.file("allowed_signers", format!("auditor {}\n", key.public));
    for (command, file) in [(&["show", "acme"][..], "acme.html"), (&["report"], "run.html")] {
        let issue = [command, &["--format", "html", "--out", file, "--signing-key", "key"]].concat();
        sandbox.decom(&issue).run().expect(0);
        let (page, signature) = (sandbox.path(file), sandbox.path(&format!("{file}.sig")));
        let verified = |signature: &std::path::Path| {
            keys::verified_for("decom-certificate", &page, signature, &allowed, None, "auditor")
        };
        assert!(verified(&signature), "{file}");
        assert!(
            std::fs::read_to_string(&page).unwrap().contains("decom-certificate"),
            "the page says how it is checked"
        );
        // By another key, for another purpose, and of an altered page.
        assert!(!verified(&other.sign(&page, "decom-certificate")), "{file}");
        assert!(!verified(&key.sign(&page, "decom-audit")), "{file}");
        let text = std::fs::read_to_string(&page).unwrap();
        sandbox.file(file, text.replace("acme", "globex"));
        assert!(!verified(&signature), "{file}");
    }
    let refused =
        sandbox.decom(&["show", "acme", "--format", "html", "--signing-key", "key"]).run().expect(2);
    assert!(refused.message().contains("name a file for the page with --out FILE"), "{refused:?}");
    sandbox.file("names.txt.sig", "not a signature");
    let taken = ["show", "acme", "--format", "html", "--out", "names.txt", "--signing-key", "key"];
    sandbox.decom(&taken).run().expect(2);
    assert_eq!(std::fs::read_to_string(sandbox.path("names.txt.sig")).unwrap(), "not a signature");
}
