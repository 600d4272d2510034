//! What the documentation says is so: its commands, flags, variables, tables and queries.

use std::collections::BTreeSet;
use std::path::Path;

use decom::domain::{ExitStatus, Outcome};

use crate::support::{Sandbox, column};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Pages beside the README that show commands.
const DOCS: [&str; 6] = [
    "docs/README.md",
    "docs/deployment.md",
    "docs/plans.md",
    "docs/safety.md",
    "docs/screens.md",
    "docs/workers.md",
];

/// The blocks of code in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in text.lines().map(str::trim) {
        match &mut open {
            None if line == format!("```{language}") => open = Some(Vec::new()),
            Some(lines) if line == "```" => blocks.push(std::mem::take(lines).join("\n")),
            Some(lines) => lines.push(line),
            None => {}
        }
        if line == "```" {
            open = None;
        }
    }
    blocks
}

/// The first cells of the table below a heading.
fn first_cells(text: &str, heading: &str) -> Vec<String> {
    let section = text.split_once(&format!("\n## {heading}\n")).expect(heading).1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned()).collect()
}

/// The help of every command, and of decom itself.
fn help() -> Vec<(&'static str, String)> {
    let commands = [
        "",
        "list",
        "check",
        "config",
        "plan",
        "run",
        "resume",
        "retry",
        "rehearse",
        "work",
        "enqueue",
        "runs",
        "report",
        "show",
        "audit verify",
        "audit checkpoint",
        "audit export",
        "audit merge",
        "audit rotate",
        "completions",
        "man",
    ];
    let of = |command: &&'static str| {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        arguments.push("--help");
        let sandbox = Sandbox::new();
        let said = sandbox.decom(&arguments).run();
        assert_eq!(said.code, 0, "{said:?}");
        (*command, said.stdout)
    };
    commands.iter().map(of).collect()
}

/// The flags in a text, such as `--max-deletes`.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    words.filter(|word| word.len() > 3 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn the_two_commands_come_first_and_are_what_the_checks_run() {
    let readme = file("README.md");
    let first = &blocks(&readme, "sh")[..2];
    assert_eq!(
        first,
        [
            "cargo run --release -- rehearse jobs/examples/offboarding.csv --with-datamarts",
            "cargo test --locked --workspace"
        ]
    );
    let checks = file(".ci/run");
    assert!(checks.lines().any(|line| line.trim() == "check cargo test --locked --workspace"));
    assert!(checks.contains("rehearse jobs/examples/offboarding.csv"));
    let home = std::env::var("HOME").unwrap_or_default();
    assert!(!home.is_empty() && !checks.contains(&home) && !readme.contains(&home));
}

#[test]
fn the_readme_is_short() {
    assert!(file("README.md").lines().count() < 250, "the rest is in docs");
}

#[test]
fn every_flag_that_is_named_exists() {
    let help = help();
    let known: BTreeSet<_> = help.iter().flat_map(|(_, text)| flags(text)).collect();
    assert!(known.len() > 25, "{known:?}");
    let readme = [&["README.md"], &DOCS[..]].concat().into_iter().map(file).collect::<Vec<_>>().concat();
    // Those of cargo and docker are in the commands that begin with them.
    let is_others =
        |line: &&str| ["cargo ", "docker "].iter().any(|word| line.trim_start().starts_with(word));
    let ours: Vec<_> = readme.lines().filter(|line| !is_others(line)).collect();
    let named: Vec<_> = flags(&ours.join("\n")).difference(&known).cloned().collect();
    assert_eq!(named, [""; 0], "no command has these");
    let manual = file("docs/audit-log.md");
    assert!(flags(&manual).is_subset(&known));
}

#[test]
fn the_commands_that_are_shown_are_commands() {
    let help = help();
    for block in [&["README.md"], &DOCS[..]].concat().into_iter().flat_map(|page| blocks(&file(page), "sh")) {
        for line in block.lines().filter(|line| line.starts_with("decom ")) {
            let words = shlex::split(line).unwrap();
            let (_, help) = help
                .iter()
                .find(|(command, _)| {
                    *command == words[1] || words.get(1..3).is_some_and(|two| *command == two.join(" "))
                })
                .expect(line);
            let missing: Vec<_> = flags(line).difference(&flags(help)).cloned().collect();
            assert_eq!(missing, [""; 0], "{line}");
        }
    }
}

#[test]
fn the_table_of_exit_codes_is_the_one_of_the_program() {
    let codes = [
        ExitStatus::Done,
        ExitStatus::Exceptions,
        ExitStatus::Usage,
        ExitStatus::Refused,
        ExitStatus::Stopped,
        ExitStatus::Audit,
        ExitStatus::NothingToVerify,
        ExitStatus::HungUp,
        ExitStatus::Interrupted,
        ExitStatus::Terminated,
    ];
    // A new one has to be looked at here.
    for code in codes {
        match code {
            ExitStatus::Done
            | ExitStatus::Exceptions
            | ExitStatus::Usage
            | ExitStatus::Refused
            | ExitStatus::Stopped
            | ExitStatus::Audit
            | ExitStatus::NothingToVerify
            | ExitStatus::HungUp
            | ExitStatus::Interrupted
            | ExitStatus::Terminated => {}
        }
    }
    let readme = file("README.md");
    let told = first_cells(&readme, "Exit codes").join(", ");
    assert_eq!(told, codes.map(|code| code.code().to_string()).join(", "));
    // The help says the same, in short.
    let (_, help) = &help()[0];
    let listed = help.split_once("Exit codes:\n").unwrap().1;
    for code in codes {
        let code = code.code().to_string();
        assert!(listed.split(|c: char| !c.is_ascii_digit()).any(|word| word == code), "{code}: {listed}");
    }
}

#[test]
fn the_table_of_outcomes_is_the_one_of_the_program() {
    let outcomes = Outcome::ALL.map(|outcome| outcome.as_str().to_owned());
    assert_eq!(first_cells(&file("README.md"), "Outcomes"), outcomes);
}

#[test]
fn every_variable_that_is_named_exists() {
    let readme = file("README.md");
    let words = readme.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let variables: BTreeSet<_> = words.filter(|word| word.starts_with("DECOM_")).collect();
    assert!(variables.len() > 10, "{variables:?}");
    for variable in variables.into_iter().filter(|variable| *variable != "DECOM_CONFIG") {
        // No setting takes this; an unknown variable has another message.
        let sandbox = Sandbox::new();
        let said = sandbox.decom(&["runs"]).env(variable, "\u{7}").run();
        assert!(!said.stderr.contains("there is no setting"), "{variable}: {}", said.stderr);
    }
}

#[test]
fn the_defaults_that_are_named_are_the_defaults() {
    let readme = file("README.md");
    let defaults = file("config/default.toml").parse::<toml_edit::DocumentMut>().unwrap();
    let mut looked_at = 0;
    for (flag, key) in decom::config::flags() {
        let Some(row) = readme.lines().find(|line| line.starts_with(&format!("| `--{flag} "))) else {
            continue;
        };
        let (section, key) = key.split_once('.').unwrap();
        let default = defaults[section][key].as_value().unwrap();
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        let default = default.trim().trim_end_matches(".0");
        if !default.is_empty() && default != "[]" {
            assert!(row.contains(&format!("| `{default}`")), "{row} and not {default}");
            looked_at += 1;
        }
    }
    assert!(looked_at >= 7, "{looked_at}");
}

/// A log of a run with deletions, repeated attempts and names in use.
fn log(sandbox: &Sandbox) -> std::path::PathBuf {
    let names: Vec<_> = (1..40).map(|number| format!("customer-{number}\n")).collect();
    let input = format!("name\n{}acme-postgres\nacme-corp-production-postgres\n", names.concat());
    sandbox.file("names.csv", input);
    let faults = ["rehearse", "names.csv", "--fault", "http500=30%,in-use=10%", "--rate", "unlimited"];
    let mut command = sandbox.decom(&faults);
    let said = command.env("DECOM_RETRY_FIRST_BACKOFF", "1ms").run();
    assert_eq!(said.code, 1, "{said:?}");
    sandbox.path("decom-audit-rehearsal.db")
}

#[test]
fn the_queries_find_something() {
    let sandbox = Sandbox::new();
    let log = log(&sandbox);
    for (text, count) in [(file("README.md"), 2), (file("docs/audit-log.md"), 3)] {
        let queries = blocks(&text, "sql").concat();
        let queries: Vec<_> = queries.split(';').filter(|query| !query.trim().is_empty()).collect();
        assert_eq!(queries.len(), count);
        for query in queries {
            assert!(!column(&log, query).is_empty(), "{query}");
        }
    }
}

#[test]
fn the_manual_of_the_log_names_every_column_in_order() {
    let sandbox = Sandbox::new();
    let log = log(&sandbox);
    let columns = |table: &str| {
        column(
            &log,
            &format!("SELECT group_concat('`' || name || '`', ', ') FROM pragma_table_info('{table}')"),
        )
        .remove(0)
    };
    let manual = file("docs/audit-log.md");
    for view in ["runs", "results", "attempts"] {
        let row = manual.lines().find(|line| line.starts_with(&format!("| `{view}` |"))).unwrap();
        assert!(row.ends_with(&format!("| {} |", columns(view))), "{view}");
    }
    let record = columns("record");
    let record = record.strip_suffix(", `hash`").unwrap();
    assert!(manual.replace('\n', " ").contains(&format!("({record})")), "{record}");
    for kind in column(&log, "SELECT DISTINCT kind FROM record") {
        assert!(manual.contains(&format!("| `{kind}` |")), "{kind}");
    }
}

#[test]
fn the_manual_tells_how_a_record_is_hashed() {
    use rusqlite::types::ValueRef;
    use sha2::{Digest, Sha256};

    // Written from the page alone, without decom's own code.
    let sandbox = Sandbox::new();
    let connection = rusqlite::Connection::open(log(&sandbox)).unwrap();
    let mut statement = connection.prepare("SELECT * FROM record ORDER BY seq").unwrap();
    let mut rows = statement.query([]).unwrap();
    let (mut before, mut count) = (vec![0; 32], 0);
    while let Some(row) = rows.next().unwrap() {
        let mut form = before;
        for index in 0..19 {
            match row.get_ref(index).unwrap() {
                ValueRef::Null => form.push(0),
                ValueRef::Integer(value) => {
                    form.push(1);
                    form.extend(value.to_be_bytes());
                }
                ValueRef::Text(text) => {
                    form.push(2);
                    form.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                    form.extend(text);
                }
                other => panic!("{other:?}"),
            }
        }
        before = Sha256::digest(&form).to_vec();
        assert_eq!(row.get_ref(19).unwrap().as_blob().unwrap(), before, "record {}", count + 1);
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn what_is_linked_to_is_there() {
    let docs =
        DOCS.iter().chain(&["docs/audit-log.md", "docs/audit-queries.md"]).map(|name| (*name, "docs/"));
    for (name, folder) in [("README.md", ""), ("CHANGELOG.md", "")].into_iter().chain(docs) {
        let text = file(name);
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let link = link.split('#').next().unwrap();
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(link).exists(), "{name}: {link}");
        }
    }
}
