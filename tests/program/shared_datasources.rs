//! Datasources that probably serve several customers: shown, and refused unless each is named.

use serde_json::json;

use crate::support::{Decom, Reply, Sandbox, Server, column};

/// An API with three datasources, of which a datamart of this tenancy level reads the first.
fn api(level: Option<&str>) -> Server {
    let server = Server::deleting();
    server.list(&["acme", "b", "c"]);
    let organization = level.map(|level| json!({ "tenancyLevel": level }));
    let entry = json!({
        "name": "sales",
        "companyIntegration": { "name": "acme" },
        "datamartOrganization": organization,
    });
    server.answer_datamarts(move |_| Reply::json(200, &json!({ "data": [entry], "error": null })));
    server
}

fn decom(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Decom {
    sandbox.file("names.csv", "name\nacme\n");
    let mut command = sandbox.decom(arguments);
    command.sequential(&server.url()).args(["--max-share", "50"]);
    command
}

const WHY: &str = "`acme` probably serves several customers: its datamart `sales` has the tenancy level TABLE; \
                   if deleting it for all of them is meant, name it with --allow-shared; nothing was sent";

#[test]
fn a_shared_datasource_is_refused_unless_it_is_named() {
    for (globs, is_allowed) in [
        (&[][..], false),
        (&["--allow-shared", "b*"], false),
        (&["--allow-shared", "ACME"], false),
        (&["--allow-shared", "b*", "--allow-shared", "acm?"], true),
    ] {
        let (sandbox, server) = (Sandbox::new(), api(Some("TABLE")));
        let said = decom(&sandbox, &server, &["run", "names.csv", "--yes"]).args(globs).run();
        let shown = "its datamart `sales` has the tenancy level TABLE";
        assert!(said.stderr.contains(shown), "{said:?}");
        if is_allowed {
            assert!(said.expect(1).stderr.contains("PROBABLY SHARED BY SEVERAL CUSTOMERS"));
            let recorded = "SELECT detail -> '$.settings.allow_shared' FROM record WHERE kind = 'run'";
            assert_eq!(column(&sandbox.log(), recorded), [r#"["b*","acm?"]"#]);
        } else {
            assert_eq!(said.expect(3).message(), WHY);
        }
        assert_eq!(server.deletions().len(), usize::from(is_allowed), "{globs:?}");
    }
}

#[test]
fn other_levels_are_shown_and_refuse_nothing() {
    for (level, shown) in [
        (Some("DATABASE"), "sales (tenancy DATABASE)"),
        (Some("table"), "sales (tenancy table)"),
        (None, "sales\n"),
    ] {
        let (sandbox, server) = (Sandbox::new(), api(level));
        let said = decom(&sandbox, &server, &["plan", "names.csv"]).run().expect(0);
        assert!(said.stdout.contains(&format!("acme  used by {shown}")), "{said:?}");
        assert!(!said.stdout.contains("SHARED"), "{said:?}");
    }
}

#[test]
fn a_plan_shows_shared_datasources_and_its_digest_covers_which_are_allowed() {
    let (sandbox, server) = (Sandbox::new(), api(Some("TABLE")));
    let said = decom(&sandbox, &server, &["plan", "names.csv", "--out", "plan.json"]).run().expect(3);
    assert!(said.stdout.contains("(dry run)   1 PROBABLY SHARED BY SEVERAL CUSTOMERS"), "{said:?}");
    assert!(said.stdout.contains("(dry run)   guard allow_shared 1: REFUSES: `acme` probably"), "{said:?}");
    assert!(!sandbox.path("plan.json").exists());

    let arguments = ["plan", "names.csv", "--out", "plan.json", "--allow-shared", "acme"];
    let said = decom(&sandbox, &server, &arguments).run().expect(0);
    assert!(said.stdout.contains("guard allow_shared 1: passes"), "{said:?}");
    let saved = std::fs::read_to_string(sandbox.path("plan.json")).unwrap();
    assert!(saved.contains(r#""shared_by": "sales""#), "{saved}");
    let shown = sandbox.decom(&["plan", "--show", "plan.json"]).run().expect(0);
    assert!(shown.stdout.contains("allowed although shared: acme"), "{shown:?}");
    assert!(shown.stdout.contains("PROBABLY SHARED BY SEVERAL CUSTOMERS"), "{shown:?}");

    sandbox.file("wider.json", saved.replace("\"acme\"\n    ]", "\"*\"\n    ]"));
    decom(&sandbox, &server, &["run", "--plan", "wider.json", "--yes"]).run().expect(3);
    let flag = ["run", "--plan", "plan.json", "--yes", "--allow-shared", "acme"];
    let said = decom(&sandbox, &server, &flag).run().expect(3);
    assert!(said.message().starts_with("which shared datasources may be deleted is part of the plan"));
    assert_eq!(server.deletions().len(), 0);
    decom(&sandbox, &server, &["run", "--plan", "plan.json", "--yes"]).run().expect(1);
    assert_eq!(server.names_sent(), ["acme"]);
}

#[test]
fn a_datasource_that_is_shared_since_the_plan_was_made_is_refused() {
    let (sandbox, server) = (Sandbox::new(), api(Some("DATABASE")));
    decom(&sandbox, &server, &["plan", "names.csv", "--out", "plan.json"]).run().expect(0);
    let saved = std::fs::read_to_string(sandbox.path("plan.json")).unwrap();
    assert!(!saved.contains("shared"), "plans without shared datasources are as before: {saved}");
    server.answer_datamarts(|_| {
        let organization = json!({ "tenancyLevel": "TABLE" });
        let reads = json!({ "name": "acme" });
        let entry =
            json!({ "name": "sales", "companyIntegration": reads, "datamartOrganization": organization });
        Reply::json(200, &json!({ "data": [entry], "error": null }))
    });
    let said = decom(&sandbox, &server, &["run", "--plan", "plan.json", "--yes"]).run().expect(3);
    assert_eq!(said.message(), WHY);
    assert_eq!(server.deletions().len(), 0);
}

#[test]
fn a_run_that_was_allowed_is_resumed_without_the_flag() {
    let (sandbox, server) = (Sandbox::new(), api(Some("TABLE")));
    server.answer(|_| Reply::unauthorized());
    let arguments = ["run", "names.csv", "--yes", "--allow-shared", "acme"];
    let said = decom(&sandbox, &server, &arguments).run().expect(4);
    assert!(said.stdout.contains("--allow-shared=acme"), "the command that continues repeats it: {said:?}");
    server.answer(|_| Reply::deleted());
    decom(&sandbox, &server, &["resume", "--yes"]).run().expect(1);
    assert_eq!(server.names_sent(), ["acme", "acme"]);
}

#[test]
fn what_is_not_a_glob_is_refused_before_anything_is_read() {
    for glob in ["", "[a", "{a"] {
        let (sandbox, server) = (Sandbox::new(), api(None));
        let arguments = ["run", "names.csv", "--yes", "--allow-shared", glob];
        let said = decom(&sandbox, &server, &arguments).run().expect(2);
        assert!(said.message().starts_with(&format!("--allow-shared `{glob}`: ")), "{said:?}");
        assert_eq!(server.requests().len(), 0);
    }
}
