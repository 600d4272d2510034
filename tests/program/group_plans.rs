//! Datamarts that are taken along: what a plan shows of them, that a saved one holds them, and that a run deletes what
//! was shown.

use decom::plan::SavedPlan;
use serde_json::{Value, json};

use crate::support::datamarts::{api, confirmed, entry, list, list_entries};
use crate::support::{Decom, Reply, Sandbox, Server, rows};

/// `decom` with these arguments, over the three datasources of the test's API.
pub(super) fn decom(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    sandbox.file("names.csv", "name,reason\nglobex,moved\nacme,ended\nplain,\n");
    let mut command = sandbox.decom(arguments);
    command.sequential(&server.url()).env("DECOM_MAX_SHARE", "60");
    command
}

const RUN: &[&str] = &["run", "names.csv", "--yes", "--with-datamarts"];

#[test]
fn a_plan_shows_each_datamart_with_its_datasource_and_what_stays() {
    let (sandbox, server) = (Sandbox::new(), api());
    list_entries(
        &server,
        vec![
            entry("sales", "acme", 2),
            entry("web", "acme", 1),
            entry("crm", "globex", 1),
            entry("x", "other1", 1),
        ],
    );
    let arguments = ["plan", "names.csv", "--with-datamarts", "--protect", "globex", "--max-share", "80"];
    let said = decom(&sandbox, &server, &arguments).run().expect(0).stdout;
    for line in [
        "(dry run)   2 datasources and 2 datamarts will be deleted, 1 is protected\n",
        "(dry run)   2 datasources to delete, and 2 datamarts with them\n",
        "(dry run)   2 DATAMARTS ARE DELETED FIRST, of 4 in all, with 3 tables and 6 columns\n",
        "(dry run)       acme\n(dry run)           sales (2 tables, 4 columns, tenancy DATABASE)\n(dry run)           web (1 table, 2 columns, tenancy DATABASE)\n",
        "(dry run)   1 datamart stays, as its datasource does\n(dry run)       globex\n(dry run)           crm (1 table",
        "(dry run)   guard with_datamarts 2: passes\n",
    ] {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
    assert!(!said.contains("in use, which the API refuses"), "{said}");

    let said = decom(&sandbox, &server, &[&arguments[..], &["--json"]].concat()).run().expect(0).stdout;
    let shown: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        shown["datamarts"],
        json!({
            "exist": 4, "due": 2, "tables": 3, "columns": 6, "staying": 1,
            "groups": [{ "datasource": "acme", "datamarts": [
                { "name": "sales", "tables": 2, "columns": 4, "tenancy": "DATABASE" },
                { "name": "web", "tables": 1, "columns": 2, "tenancy": "DATABASE" },
            ]}],
            "stay": [{ "datasource": "globex", "datamarts": [
                { "name": "crm", "tables": 1, "columns": 2, "tenancy": "DATABASE" },
            ]}],
        })
    );
    let said = decom(&sandbox, &server, &["plan", "names.csv", "--json"]).run().expect(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["datamarts"], Value::Null);
    assert_eq!(server.deletions().len(), 0);
}

#[test]
fn a_run_takes_them_along_and_without_the_flag_none_is_sent() {
    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, &["run", "names.csv", "--yes"]).run();
    assert_eq!(server.deletions().len(), 3);
    assert!(server.deletions().iter().all(|request| !request.is_of_datamart()));

    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, RUN).run().expect(0);
    let found = rows(
        &sandbox.log(),
        "SELECT kind, name, datasource, dependant_of, target_reason, outcome FROM results ORDER BY target",
    );
    assert_eq!(
        found,
        [
            ["datamart", "crm", "", "globex", "moved", "deleted"],
            ["datasource", "globex", "globex", "", "moved", "deleted"],
            ["datamart", "sales", "", "acme", "ended", "deleted"],
            ["datamart", "web", "", "acme", "ended", "deleted"],
            ["datasource", "acme", "acme", "", "ended", "deleted"],
            ["datasource", "plain", "plain", "", "", "deleted"],
        ]
    );
    let sent = server.names_sent();
    assert_eq!(&sent[..2], ["crm", "globex"], "the first group is the canary: {sent:?}");
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_saved_plan_holds_both_kinds_under_its_digest() {
    let (sandbox, server) = (Sandbox::new(), api());
    let arguments =
        ["plan", "names.csv", "--with-datamarts", "--out", "plan.json", "--protect-datamart", "other-*"];
    decom(&sandbox, &server, &arguments).run().expect(0);
    let saved = std::fs::read_to_string(sandbox.path("plan.json")).unwrap();
    let plan: SavedPlan = serde_json::from_str(&saved).unwrap();
    assert_eq!((plan.format, plan.counts()), (2, (3, 3)));
    assert_eq!(plan.guards.protect_datamart, ["other-*"]);
    let shown = sandbox.decom(&["plan", "--show", "plan.json"]).run().expect(0).stdout;
    assert!(shown.contains("3 datasources to delete, and 3 DATAMARTS with them:"), "{shown}");
    assert!(
        shown.contains("        datamart sales  deleted first (1 table, 2 columns, tenancy DATABASE)\n"),
        "{shown}"
    );

    for (from, to) in
        [("\"sales\"", "\"other-a\""), ("\"tables\": 1", "\"tables\": 0"), ("\"with_datamarts\": true,", "")]
    {
        sandbox.file("altered.json", saved.replacen(from, to, 1));
        let said = decom(&sandbox, &server, &["run", "--plan", "altered.json", "--yes"]).run().expect(3);
        assert!(said.message().contains("altered"), "{said:?}");
    }
    assert_eq!(server.deletions().len(), 0);
    decom(&sandbox, &server, &["run", "--plan", "plan.json", "--yes"]).run();
    let mut sent = server.names_sent();
    sent.sort();
    assert_eq!(sent, ["acme", "crm", "globex", "plain", "sales", "web"]);
}

#[test]
fn a_group_that_changed_since_the_plan_was_made_is_not_sent() {
    for (listed, what) in [
        (&[("sales", "acme"), ("crm", "globex")][..], "its datamart `web` is not listed any more"),
        (
            &[("sales", "acme"), ("web", "other1"), ("crm", "globex")],
            "its datamart `web` reads `other1` by now",
        ),
        (
            &[("sales", "acme"), ("web", "acme"), ("new", "acme"), ("crm", "globex")],
            "the datamart `new` reads it by now, which was not planned",
        ),
    ] {
        let (sandbox, server) = (Sandbox::new(), api());
        decom(&sandbox, &server, &["plan", "names.csv", "--with-datamarts", "--out", "plan.json"])
            .run()
            .expect(0);
        list(&server, listed);
        let mut command =
            decom(&sandbox, &server, &["run", "--plan", "plan.json", "--yes", "--max-share", "100"]);
        let said = command.run().expect(1);
        assert!(said.stderr.contains("  1 kept because of a datamart and skipped\n      acme"), "{said:?}");
        let mut sent = server.names_sent();
        sent.sort();
        assert_eq!(sent, ["crm", "globex", "plain"], "{what}");
        let skipped = "SELECT name, detail, message FROM results WHERE outcome = 'skipped' ORDER BY target";
        let why = format!("goes with `acme`, which stays: {what}");
        let changed = "dependants_changed";
        assert_eq!(
            rows(&sandbox.log(), skipped),
            [["sales", changed, &why], ["web", changed, &why], ["acme", changed, what]],
        );
        sandbox.decom(&["audit", "verify"]).run().expect(1);
    }
}

#[test]
fn nothing_is_sent_if_the_listing_fails_between_plan_and_run() {
    for (reply, code) in [
        (Reply::status(503), 4),
        (Reply::status(403), 3),
        (Reply::unauthorized(), 4),
        (Reply::json(200, &json!({ "data": [{ "name": "sales" }], "error": null })), 3),
        (Reply::json(200, &json!({ "data": [], "error": "no" })), 3),
    ] {
        let (sandbox, server) = (Sandbox::new(), api());
        decom(&sandbox, &server, &["plan", "names.csv", "--with-datamarts", "--out", "plan.json"])
            .run()
            .expect(0);
        let shown = format!("{reply:?}");
        server.answer_datamarts(move |_| reply.clone());
        for arguments in [&["run", "--plan", "plan.json", "--yes"][..], RUN] {
            let mut command = decom(&sandbox, &server, arguments);
            let said = command.env("DECOM_API_LISTING_PATIENCE", "0s").run().expect(code);
            assert!(said.message().ends_with("nothing was sent"), "{shown}: {said:?}");
        }
        assert_eq!(server.deletions().len(), 0, "{shown}");
        assert_eq!(rows(&sandbox.log(), "SELECT run_id FROM runs"), [[""; 0]; 0], "{shown}");
    }
}

#[test]
fn a_group_is_in_the_share_of_its_datasource() {
    let mut sent = Vec::new();
    for shard in ["0", "1", "2"] {
        let (sandbox, server) = (Sandbox::new(), api());
        let said = decom(&sandbox, &server, &[RUN, &["--shards", "3", "--shard", shard]].concat()).run();
        assert!(said.stderr.contains("3 datasources to delete, and 3 datamarts with them"), "{said:?}");
        let log = sandbox.log();
        let strays = "SELECT name FROM results r WHERE kind = 'datamart' AND NOT EXISTS
                       (SELECT 1 FROM results d WHERE d.datasource = r.dependant_of)";
        assert_eq!(rows(&log, strays), [[""; 0]; 0]);
        sent.extend(server.names_sent());
    }
    sent.sort();
    assert_eq!(sent, ["acme", "crm", "globex", "plain", "sales", "web"], "each once");
}

#[test]
fn flags_that_contradict_each_other_are_refused_with_the_way_on() {
    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, &["plan", "names.csv", "--out", "plain.json"]).run().expect(0);
    for (arguments, code, why) in [
        (&["plan", "names.csv", "--offline", "--with-datamarts"][..], 2, "only the API says"),
        (
            &["run", "--plan", "plain.json", "--yes", "--with-datamarts"],
            3,
            "the plan takes no datamarts along",
        ),
        (
            &["work", "--queue", "redis://127.0.0.1:1", "--yes", "--with-datamarts"],
            2,
            "decom retry RUN --outcome in_use --with-datamarts",
        ),
        (&["run", "names.csv", "--yes", "--protect-datamart", "[a"], 2, "protection pattern `[a`"),
    ] {
        let said = decom(&sandbox, &server, arguments).run().expect(code);
        assert!(said.message().contains(why), "{arguments:?}: {said:?}");
    }
    assert_eq!(server.deletions().len(), 0);
}

#[test]
fn an_interrupted_run_is_continued_as_it_was_begun() {
    let (sandbox, server) = (Sandbox::new(), api());
    server.answer(|request| match request.name.as_str() {
        "crm" => Reply::datamart_deleted("crm"),
        _ => Reply::unauthorized(),
    });
    decom(&sandbox, &server, RUN).run().expect(4);
    let said = decom(&sandbox, &server, &["run", "names.csv", "--yes"]).run().expect(3);
    assert!(said.message().contains("takes datamarts along; continue it by `decom resume "), "{said:?}");
    list(&server, &[("web", "acme"), ("sales", "acme")]);
    server.answer(confirmed);
    let said = decom(&sandbox, &server, &["resume", "--yes"]).run();
    assert!(said.stderr.contains("3 datasources to delete, and 2 datamarts with them"), "{said:?}");
    let mut sent = server.names_sent();
    sent.sort();
    assert_eq!(sent, ["acme", "crm", "globex", "globex", "plain", "sales", "web"]);

    let (sandbox, server) = (Sandbox::new(), api());
    server.answer(|_| Reply::unauthorized());
    decom(&sandbox, &server, &["run", "names.csv", "--yes"]).run().expect(4);
    for arguments in [RUN, &["resume", "--yes", "--with-datamarts"]] {
        let said = decom(&sandbox, &server, arguments).run().expect(3);
        assert!(said.message().contains("datamarts"), "{said:?}");
    }
    assert_eq!(server.deletions().len(), 1);
}
