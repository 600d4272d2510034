//! The guards of runs that take datamarts along: each kind counts, a protected datamart protects its group, and what is
//! not certain refuses the run.

use rexpect::reader::Options;
use serde_json::json;

use super::group_plans::decom;
use crate::support::datamarts::{DATAMARTS, api, confirmed, entry, list_entries};
use crate::support::{Reply, Sandbox, Server, TOKEN, rows};

const RUN: &[&str] = &["run", "names.csv", "--yes", "--with-datamarts"];

#[track_caller]
fn refused(server: &Server, flags: &[&str], why: &str) {
    let sandbox = Sandbox::new();
    for more in [&[][..], &["--dry-run"], &["--again"]] {
        let said = decom(&sandbox, server, &[RUN, flags, more].concat()).run().expect(3);
        assert!(said.message().contains(why), "{said:?}");
    }
    let plan = [&["plan", "names.csv", "--with-datamarts", "--out", "plan.json"], flags].concat();
    let said = decom(&sandbox, server, &plan).run().expect(3);
    assert!(said.stdout.contains(": REFUSES: ") && said.stdout.contains(why), "{said:?}");
    assert!(!said.stdout.contains('\u{1}'), "no control character reaches a terminal: {said:?}");
    assert!(!sandbox.path("plan.json").exists());
    assert_eq!(server.deletions().len(), 0);
    assert_eq!(rows(&sandbox.log(), "SELECT run_id FROM runs"), [[""; 0]; 0]);
}

#[test]
fn both_kinds_count_and_each_has_a_share_of_its_own() {
    refused(
        &api(),
        &["--max-deletes", "5"],
        "3 datasources and 3 datamarts are to be deleted, 6 in all, and one run may delete 5; if all are meant, pass --max-deletes 6",
    );
    // 3 of 8 datasources, and 3 of 7 datamarts.
    refused(
        &api(),
        &["--max-share", "40"],
        "3 of the 7 datamarts that exist would be deleted (42.9 %), and one run may delete 40 %; if all are meant, raise --max-share",
    );
    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, &[RUN, &["--max-deletes", "6", "--max-share", "43"]].concat()).run();
    assert_eq!(server.deletions().len(), 6);
}

#[test]
fn what_is_not_certain_refuses_the_run() {
    for (entries, why) in [
        (
            vec![entry("sales", "acme", 0), entry("web", "acme", 0)],
            "`sales`, a datamart of `acme`, is listed without tables, so that it could not be created again (and 1 other is in the way)",
        ),
        (
            vec![entry("sales", "acme", 1), entry("sales", "globex", 1)],
            "`sales`, a datamart of `acme`, is listed for `globex` as well",
        ),
        (
            vec![entry("sales", "acme", 1), entry("sales", "other1", 1)],
            "`sales`, a datamart of `acme`, is listed for `other1` as well",
        ),
        (vec![entry("sa\u{1}les", "acme", 1)], "cannot be recorded under its name"),
    ] {
        let server = api();
        list_entries(&server, entries);
        refused(&server, &["--max-share", "100"], why);
    }
    let server = api();
    list_entries(&server, vec![entry("sales", "acme", 1), json!({ "name": "lost" })]);
    refused(&server, &["--max-share", "100"], "which datamarts go along is unknown: ");
    // What does not go is nobody's obstacle.
    let (sandbox, server) = (Sandbox::new(), api());
    list_entries(&server, vec![entry("sales", "acme", 1), entry("x", "other1", 0), entry("y", "other2", 0)]);
    decom(&sandbox, &server, RUN).run();
    assert_eq!(server.deletions().len(), 4);
}

#[test]
fn an_entry_that_holds_the_token_is_not_kept() {
    let (sandbox, server) = (Sandbox::new(), api());
    let mut all = vec![entry("sales", "acme", 1)];
    all[0]["note"] = json!(format!("Bearer {TOKEN}"));
    list_entries(&server, all);
    let said = decom(&sandbox, &server, &[RUN, &["--max-share", "100"]].concat()).run().expect(3);
    assert!(said.message().contains("the entry of the datamart `sales` holds the service token"), "{said:?}");
    assert_eq!(server.deletions().len(), 0);
    assert!(!sandbox.path("decom-audit.db.definitions").exists());
}

#[test]
fn a_protected_datamart_protects_its_datasource_and_its_siblings() {
    let configured = "[safety]\nprotect_datamart = [\"web\"]\n";
    for (flags, variable) in [
        (&["--protect-datamart", "web"][..], None),
        (&["--protect-datamart", "w?b", "--protect-datamart", "nothing"], None),
        // A Cyrillic letter: what looks like a match is one.
        (&["--protect-datamart", "w\u{435}b"], None),
        (&[], Some("web,nothing")),
        (&["--config", "decom.toml"], None),
    ] {
        let (sandbox, server) = (Sandbox::new(), api());
        sandbox.file("decom.toml", configured);
        let mut command = decom(&sandbox, &server, &[RUN, flags].concat());
        if let Some(value) = variable {
            command.env("DECOM_PROTECT_DATAMART", value);
        }
        let said = command.run().expect(1);
        let mut sent = server.names_sent();
        sent.sort();
        assert_eq!(sent, ["crm", "globex", "plain"], "{flags:?}");
        let skipped = rows(
            &sandbox.log(),
            "SELECT name, detail, evidence FROM results WHERE outcome = 'skipped' ORDER BY target",
        );
        let protected = ["protected", "rule"];
        let expected = ["sales", "web", "acme"].map(|name| [&[name], &protected[..]].concat());
        assert_eq!(skipped, expected, "{flags:?}");
        assert!(said.stderr.contains("acme  its datamart `web` "), "{said:?}");
        assert!(said.stderr.contains("2 datamarts stay, as their datasources do"), "{said:?}");
        if flags.contains(&"nothing") || variable.is_some() {
            assert!(said.stderr.contains("protection pattern `nothing` matches no datamart"), "{said:?}");
        }
        sandbox.decom(&["audit", "verify"]).run().expect(1);
    }
}

#[test]
fn what_keeps_a_datasource_keeps_its_datamarts() {
    let (sandbox, server) = (Sandbox::new(), api());
    sandbox.file("holds.csv", "name,reason,until\ncrm,litigation,\n");
    let flags = ["--protect", "acme", "--holds", "holds.csv"];
    decom(&sandbox, &server, &[RUN, &flags].concat()).run().expect(1);
    assert_eq!(server.names_sent(), ["plain"]);
    let kept = "SELECT name, detail FROM results WHERE outcome = 'skipped' ORDER BY target";
    assert_eq!(
        rows(&sandbox.log(), kept),
        [
            ["crm", "on_hold"],
            ["globex", "on_hold"],
            ["sales", "protected"],
            ["web", "protected"],
            ["acme", "protected"]
        ]
    );
}

#[test]
fn a_datamart_that_was_protected_since_keeps_a_plan_and_a_resumed_run_from_it() {
    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, &["plan", "names.csv", "--with-datamarts", "--out", "plan.json"])
        .run()
        .expect(0);
    let run = ["run", "--plan", "plan.json", "--yes"];
    server.answer(|_| Reply::unauthorized());
    decom(&sandbox, &server, &run).run().expect(4);
    let sent_before = server.names_sent().len();
    server.answer(confirmed);
    decom(&sandbox, &server, &["resume", "--yes", "--protect-datamart", "crm"]).run().expect(1);
    let mut sent = server.names_sent().split_off(sent_before);
    sent.sort();
    assert_eq!(sent, ["acme", "plain", "sales", "web"]);
    let kept = "SELECT name, detail FROM results WHERE outcome = 'skipped' ORDER BY target";
    assert_eq!(rows(&sandbox.log(), kept), [["crm", "protected"], ["globex", "protected"]]);
}

#[test]
fn a_datamart_that_exists_again_keeps_its_group() {
    let (sandbox, server) = (Sandbox::new(), api());
    sandbox.file("one.csv", "name\nglobex\n");
    let mut first = sandbox.decom(&["run", "one.csv", "--yes", "--with-datamarts"]);
    first.sequential(&server.url()).run();
    // The same name, for another customer.
    let again: Vec<_> = DATAMARTS
        .iter()
        .map(|(name, reads)| entry(name, if *name == "crm" { "acme" } else { reads }, 1))
        .collect();
    list_entries(&server, again);
    server.list(&["acme", "plain", "other1", "other2", "other3", "other4", "other5"]);
    let before = server.names_sent().len();
    let said = decom(&sandbox, &server, &[RUN, &["--max-share", "100"]].concat()).run().expect(1);
    assert!(
        said.stderr.contains("acme  its datamart `crm` was deleted earlier, and exists again"),
        "{said:?}"
    );
    assert_eq!(server.names_sent().split_off(before), ["plain"]);
    let kept = "SELECT name, detail FROM results WHERE outcome = 'skipped' AND dependant_of = 'acme' ORDER BY target";
    assert_eq!(
        rows(&sandbox.log(), kept),
        [["crm", "exists_again"], ["sales", "dependants_remain"], ["web", "dependants_remain"]]
    );
    decom(&sandbox, &server, &[RUN, &["--max-share", "100", "--again"]].concat()).run();
    assert_eq!(server.deletions_of("crm"), 2, "it is sent if that is asked for");
}

#[test]
fn the_question_names_both_numbers() {
    let (sandbox, server) = (Sandbox::new(), api());
    let mut command = decom(&sandbox, &server, &["run", "names.csv", "--with-datamarts"]);
    command.env("TERM", "xterm");
    let mut terminal = command.on_terminal(Options::new().strip_ansi_escape_codes(true));
    let shown = terminal.exp_string("To continue, type `").unwrap();
    assert!(shown.contains("3 DATAMARTS ARE DELETED FIRST, of 7 in all"), "{shown}");
    assert!(shown.contains("6 names are sent: 3 datasources and 3 datamarts will be deleted."), "{shown}");
    let phrase = terminal.exp_string("`: ").unwrap();
    let host = server.url().replace("http://", "");
    assert_eq!(phrase, format!("delete 3 datasources and 3 datamarts on {host}"));
    terminal.send_line(&format!("delete 3 on {host}")).unwrap();
    terminal.exp_string("That does not match").unwrap();
    assert_eq!(server.deletions().len(), 0);
}
