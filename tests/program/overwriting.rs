//! `--out` of every command: a file that is there stays, unless it is to be replaced.

use crate::support::Estate;

#[test]
fn no_file_is_overwritten_unless_that_is_asked_for() {
    let estate = Estate::of(&["acme", "globex", "other"]);
    estate.sandbox.names("names.csv", &["acme"]);
    estate.decom(&["run", "names.csv", "--yes"]).run().expect(0);
    estate.sandbox.names("names.csv", &["globex"]);
    let sandbox = &estate.sandbox;
    let precious = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap() == "precious";
    for (command, name) in [
        (&["report", "--format", "csv", "--out", "report.csv"][..], "report.csv"),
        (&["report", "--format", "html", "--out", "page.html"], "page.html"),
        (&["audit", "export", "--out", "log.jsonl"], "log.jsonl"),
    ] {
        sandbox.file(name, "precious");
        let refused = sandbox.decom(command).run().expect(2);
        let why = "there is a file here already that holds something else; name another with --out, or replace it with --force";
        assert_eq!(refused.message(), format!("{name}: {why}"));
        let forced = [command, &["--force"]].concat();
        sandbox.decom(&forced).run().expect(2);
        assert!(precious(name), "{name} is of another kind");
        std::fs::remove_file(sandbox.path(name)).unwrap();
        sandbox.decom(command).run().expect(0);
        let whole = std::fs::read_to_string(sandbox.path(name)).unwrap();
        sandbox.file(name, format!("{whole}older\n"));
        sandbox.decom(command).run().expect(2);
        sandbox.decom(&forced).run().expect(0);
        let replaced = std::fs::read_to_string(sandbox.path(name)).unwrap();
        assert!(!replaced.ends_with("older\n"), "{name}");
    }
    // The same again is not another file.
    sandbox.decom(&["report", "--format", "csv", "--out", "report.csv"]).run().expect(0);
    sandbox.file("plan.json", "precious");
    let plan = ["plan", "names.csv", "--max-share", "100", "--out"];
    estate.decom(&[&plan[..], &["plan.json"]].concat()).run().expect(2);
    assert!(precious("plan.json"));
    std::fs::remove_file(sandbox.path("plan.json")).unwrap();
    estate.decom(&[&plan[..], &["plan.json"]].concat()).run().expect(0);
    let first = std::fs::read(sandbox.path("plan.json")).unwrap();
    estate.decom(&[&plan[..], &["plan.json", "--force"]].concat()).run().expect(0);
    assert!(std::fs::read(sandbox.path("plan.json")).unwrap() != first);
    let log = estate.decom(&[&plan[..], &["decom-audit.db", "--force"]].concat()).run().expect(2);
    assert!(log.message().contains("this is the audit log"), "{log:?}");
    let nothing = sandbox.decom(&["report", "--force"]).run().expect(2);
    assert!(nothing.stderr.contains("--out"), "{nothing:?}");
}
