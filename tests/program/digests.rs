//! The digests in the log and in plans, computed again by the programs of the documentation.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Sandbox, Server, column, skipped};

/// Names and texts whose bytes are easily written in another way.
const INPUT: &str = "name,reason,ticket\nacme,contract ended,OFF-1\nZoë – sales,\"quoted \"\"reason\"\"\",\n\
                     back\\slash,,OFF/2\n日本,,\nprod-1,,\nacme,,\n";

/// What the program in the block of `digests.md` number `block` prints: what it computes, and what is recorded.
fn computed(block: usize, arguments: &[&str]) -> Option<Vec<String>> {
    printed(Command::new("python3").args(["-c", &program(block)]).args(arguments))
}

/// The same of a program that reads a file from its standard input.
fn computed_from(block: usize, file: &Path) -> Option<Vec<String>> {
    printed(Command::new("python3").args(["-c", &program(block)]).stdin(std::fs::File::open(file).unwrap()))
}

fn program(block: usize) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/digests.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    manual.split("```python\n").nth(block + 1).unwrap().split("```").next().unwrap().to_owned()
}

fn printed(command: &mut Command) -> Option<Vec<String>> {
    let output = command.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect())
}

#[test]
fn the_digests_of_a_run_and_of_a_plan_can_be_computed_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["acme", "other"]);
    sandbox.file("names.csv", INPUT);
    let guards = ["--protect", "prod-*", "--max-share", "87.5", "--reason", "Ende – \"Ü\" / \\"];
    let make = [&["plan", "names.csv", "--out", "plan.json"], &guards[..]].concat();
    let made = sandbox.run(&server, &make);
    assert_eq!(made.code, 0, "{made:?}");
    let plan: PathBuf = sandbox.path("plan.json");
    let Some(of_plan) = computed(1, &[plan.to_str().unwrap()]) else {
        return skipped("the_digests_of_a_run_and_of_a_plan_can_be_computed_again", "python3 cannot be run");
    };
    assert_eq!(of_plan[0], of_plan[1], "the plan's own digest");

    assert_eq!(sandbox.run(&server, &["run", "--plan", "plan.json"]).code, 1);
    assert_eq!(sandbox.run(&server, &["run", "names.csv", "--again", "--protect", "prod-*"]).code, 1);
    let log = sandbox.log();
    for run in column(&log, "SELECT run_id FROM runs") {
        let of_run = computed(0, &[log.to_str().unwrap(), &run]).unwrap();
        assert_eq!(of_run[0], of_run[1], "{run}");
        assert_eq!(of_run[0].len(), 64);
    }
    assert_eq!(
        column(&log, "SELECT plan_digest FROM runs WHERE plan_digest IS NOT NULL"),
        [of_plan[0].clone()]
    );
    let known = column(&log, "SELECT DISTINCT detail ->> '$.targets_sha256' FROM record WHERE kind = 'run'");
    assert_eq!(known.len(), 2, "a plan is sorted, an input is not");
}

#[test]
fn the_digest_of_the_configuration_can_be_computed_again() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.names("names.csv", &["a"]);
    let flags = ["--reason", "Ende – \"Ü\"", "--protect", "prod-*", "--base-url", &server.url()];
    let run =
        [&["run", "names.csv", "--yes", "--no-listing-check", "--max-share", "100"], &flags[..]].concat();
    assert_eq!(sandbox.decom(&run).run().code, 0);
    let effective = ["config", "--effective", "--json", "--no-listing-check", "--max-share", "100"];
    let settings = sandbox.decom(&[&effective, &flags[..]].concat()).run().expect(0).stdout;
    sandbox.file("settings.json", settings);
    let Some(of_config) = computed_from(2, &sandbox.path("settings.json")) else {
        return skipped("the_digest_of_the_configuration_can_be_computed_again", "python3 cannot be run");
    };
    let recorded = "SELECT detail ->> '$.session.config_sha256' FROM record WHERE kind = 'run'";
    assert_eq!(of_config, column(&sandbox.log(), recorded));
}
