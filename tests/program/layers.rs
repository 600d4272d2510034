//! The layers of the source: `domain` at the ground, stages beside each other, `run` above them,
//! `commands` wiring, `cli` on top. Whatever crosses them is reported with file and line.

use std::fmt;
use std::path::Path;

/// Each room, and the rooms that it may import. A new room is given its place here.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ratelimit", &["domain"]),
    ("sshsig", &["domain"]),
    ("config", STAGE),
    ("input", STAGE),
    ("plan", &["ratelimit", "sshsig", "domain"]),
    ("api", STAGE),
    ("audit", &["ratelimit", "sshsig", "domain"]),
    ("report", STAGE),
    ("queue", &["domain"]),
    ("emulator", STAGE),
    ("run", &["api", "audit", "ratelimit", "plan", "queue", "domain"]),
    ("terminal", &["report", "run", "domain"]),
    ("telemetry", &["api", "ratelimit", "run", "domain"]),
    (
        "commands",
        &[
            "api",
            "audit",
            "config",
            "emulator",
            "ratelimit",
            "plan",
            "queue",
            "report",
            "run",
            "sshsig",
            "input",
            "terminal",
            "domain",
            "telemetry",
        ],
    ),
    ("cli", &["commands", "config", "emulator", "report", "input", "domain"]),
    ("main", &["cli"]),
];

/// What a stage may import, but for signatures where it has to do with them: never another stage.
const STAGE: &[&str] = &["ratelimit", "domain"];

/// The layers inside `audit`, and those that each may import.
const AUDIT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("record", &["error"]),
    ("write", &["record", "error"]),
    ("read", &["record", "error"]),
    ("verify", &["read", "record", "error"]),
    ("archive", &["verify", "write", "read", "record", "error"]),
];

/// What `audit` shows of its layers to all others, and in which layer each is defined.
const AUDIT_NAMES: &[(&str, &str)] = &[
    ("AuditError", "error"),
    ("Statement", "record"),
    ("hex", "record"),
    ("AuditLog", "write"),
    ("LogOptions", "write"),
    ("Recorder", "write"),
    ("AuditReader", "read"),
];

/// Libraries that are the business of certain rooms only.
const HOMES: &[(&str, &[&str])] = &[
    ("amq_protocol", &["queue"]),
    ("anstream", &["terminal"]),
    ("async_nats", &["queue"]),
    ("async_rs", &["queue"]),
    ("cms", &["telemetry"]),
    ("clap", &["cli", "commands", "config"]),
    ("clap_complete", &["commands"]),
    ("clap_mangen", &["commands"]),
    ("comfy_table", &["report"]),
    ("csv", &["report", "input"]),
    ("figment", &["config"]),
    ("glob", &["plan"]),
    ("der", &["telemetry"]),
    ("governor", &["ratelimit"]),
    ("hyper", &["emulator", "telemetry"]),
    ("indicatif", &["terminal"]),
    ("lapin", &["queue"]),
    ("maud", &["report"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("redis", &["queue"]),
    ("reqwest", &["api", "telemetry"]),
    ("reqwest_retry", &["api", "run"]),
    ("rusqlite", &["audit"]),
    ("sd_notify", &["telemetry"]),
    ("ssh_key", &["sshsig"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("toml", &["config"]),
    ("toml_edit", &["config"]),
    ("x509_tsp", &["telemetry"]),
];

/// Names under which everything and nothing would be found.
const NO_ROOMS: &[&str] = &["utils", "util", "common", "helpers", "misc", "shared"];

/// How long a file may be.
const LONGEST: usize = 420;

/// Something that a layer forbids, and where.
#[derive(Debug, PartialEq, Eq)]
struct Offence {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The room that a file of `src` is in: its folder, or its own name.
fn room(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap();
    below.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How many modules deep a file's own module is: `src/api/mod.rs` and `src/main.rs` are 1.
fn depth(path: &str) -> usize {
    path.trim_end_matches("/mod.rs").split('/').count() - 1
}

/// The source with its comments blanked out; lines stay where they are.
fn code(text: &str) -> String {
    let without = |line: &str| line.find("//").map_or(line, |at| &line[..at]).to_owned();
    // `//` within a string, as in a URL, hides the rest of its line too: no path follows there.
    text.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The source without the unit tests at its end, which may take what they need from any layer.
fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests {").map_or(code, |at| &code[..at])
}

/// What the source at `path`, which is in `audit`, imports from a layer of `audit` that is not below its own.
fn offences_in_audit(path: &str, code: &str) -> Vec<Offence> {
    let offence = |line, what: String| Offence { path: path.to_owned(), line, what };
    let layer = path.strip_prefix("src/audit/").and_then(|below| below.split('/').next());
    let Some(layer) = layer.map(|name| name.trim_end_matches(".rs")).filter(|layer| *layer != "mod") else {
        return Vec::new();
    };
    let Some((_, allowed)) = AUDIT.iter().find(|(name, _)| *name == layer) else {
        return vec![offence(
            1,
            format!("`{layer}` is a new layer of audit; give it a place in this test's AUDIT"),
        )];
    };
    let code = without_tests(code);
    let up = "super::".repeat(depth(path) - 1);
    let mut found = Vec::new();
    for (line, name) in references_from(&[("crate::audit::", None), (&up, Some(AUDIT))], code) {
        let of = AUDIT_NAMES.iter().find(|(known, _)| *known == name).map_or(name.as_str(), |(_, of)| of);
        if of != layer && !allowed.contains(&of) {
            found.push(offence(line, format!("`audit::{layer}` must not import `audit::{of}`")));
        }
    }
    found
}

/// Where each path that begins with `crate::` (or reaches the root by `super::`) goes on, by line.
fn references(path: &str, code: &str) -> Vec<(usize, String)> {
    let root = "super::".repeat(depth(path));
    references_from(&[("crate::", None), ("decom::", None), (&root, Some(ROOMS))], code)
}

/// How each path in `code` that begins with one of `prefixes` continues, by line; where a prefix comes with a
/// list of modules, only paths that continue with one of these.
#[expect(clippy::type_complexity, reason = "a table, written where it is passed")]
fn references_from(prefixes: &[(&str, Option<&[(&str, &[&str])]>)], code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (prefix, modules) in prefixes {
        for (at, _) in code.match_indices(*prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let names = first_names(&code[at + prefix.len()..]);
            // In a module within the file, `super::` ends earlier, at something that is no room.
            let is_module =
                |name: &String| modules.is_none_or(|all| all.iter().any(|(module, _)| module == name));
            let kept = names.into_iter().filter(is_module);
            found.extend(kept.map(|name| (line, name)));
        }
    }
    found
}

/// The first name of a path, or the first names of a group `{a::b, c}`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*').collect::<String>()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut level, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level > 0 => level -= 1,
            ',' | '}' if level == 0 => {
                names.push(name(&group[begin..at]));
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What `text`, the source at `path`, does that its layer forbids.
fn offences(path: &str, text: &str) -> Vec<Offence> {
    let offence = |line, what: String| Offence { path: path.to_owned(), line, what };
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        found.push(offence(lines, format!("a file of {lines} lines, and {LONGEST} are the most")));
    }
    if !text.starts_with("//!") {
        found.push(offence(1, "a module begins with `//!`, what it is for".to_owned()));
    }
    for part in path.split('/') {
        if NO_ROOMS.contains(&part.trim_end_matches(".rs")) {
            found.push(offence(1, format!("`{part}` says nothing of what is in it")));
        }
    }
    let room = room(path);
    if room == "lib" {
        return found;
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        found.push(offence(1, format!("`{room}` is a new room; give it a place in this test's ROOMS")));
        return found;
    };
    let code = code(text);
    for (line, name) in references(path, &code) {
        if name != room && !allowed.contains(&name.as_str()) {
            found.push(offence(line, format!("`{room}` must not import `{name}`")));
        }
    }
    found.extend(offences_in_audit(path, &code));
    // A room's tests may take what they need to look at it from outside.
    if !path.contains("/tests/") {
        for (library, _) in HOMES.iter().filter(|(_, homes)| !homes.contains(&room)) {
            for (at, _) in code.match_indices(&format!("{library}::")) {
                let before = code[..at].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    let line = code[..at].matches('\n').count() + 1;
                    found.push(offence(line, format!("`{library}` is not the business of `{room}`")));
                }
            }
        }
    }
    found
}

/// The lines of `text` that make a DELETE request, or could.
fn deletions(path: &str, text: &str) -> Vec<Offence> {
    let makes_one = |line: &str| {
        ["Method::DELETE", "b\"DELETE\"", ".delete(url", "client.delete("].iter().any(|c| line.contains(c))
    };
    let code = code(text);
    let lines = code.lines().enumerate().filter(|(_, line)| makes_one(line));
    lines
        .map(|(at, line)| Offence { path: path.to_owned(), line: at + 1, what: line.trim().to_owned() })
        .collect()
}

/// All sources, with their paths from the root of the repository.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, into: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                into.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    walk(&root.join("src"), root, &mut all);
    all.sort();
    all
}

#[test]
fn the_source_keeps_to_its_layers() {
    let sources = sources();
    assert!(sources.len() > 50, "the walk goes through all of src");
    let found: Vec<_> = sources.iter().flat_map(|(path, text)| offences(path, text)).collect();
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn every_room_of_the_contract_is_there() {
    let sources = sources();
    for (name, _) in ROOMS {
        assert!(sources.iter().any(|(path, _)| room(path) == *name), "src holds no `{name}`");
    }
}

#[test]
fn a_deletion_can_leave_in_one_place() {
    let found: Vec<_> = sources()
        .iter()
        .filter(|(path, _)| room(path) != "emulator")
        .flat_map(|(path, text)| deletions(path, text))
        .collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].path, "src/api/deleter.rs");
}

/// What the checker says of a made-up source.
fn said_of(path: &str, text: &str) -> Vec<String> {
    offences(path, &format!("//! Made up.\n{text}")).iter().map(ToString::to_string).collect()
}

#[test]
fn the_checker_finds_what_crosses_a_layer() {
    let text = "use crate::domain::Outcome;\nuse crate::{ratelimit::Rate, audit::{Recorder, record}, api};\n";
    assert_eq!(
        said_of("src/plan/made_up.rs", text),
        [
            "src/plan/made_up.rs:3: `plan` must not import `audit`",
            "src/plan/made_up.rs:3: `plan` must not import `api`"
        ]
    );
    assert_eq!(
        said_of("src/domain/made_up.rs", "fn f() -> crate::ratelimit::Rate {}"),
        ["src/domain/made_up.rs:2: `domain` must not import `ratelimit`"]
    );
    assert_eq!(
        said_of("src/run/made_up.rs", "use crate::config::Settings;\nuse csv::Reader;"),
        [
            "src/run/made_up.rs:2: `run` must not import `config`",
            "src/run/made_up.rs:3: `csv` is not the business of `run`"
        ]
    );
    assert_eq!(
        said_of("src/api/made_up.rs", "use super::super::audit::Recorder;"),
        ["src/api/made_up.rs:2: `api` must not import `audit`"]
    );
    assert_eq!(
        said_of("src/terminal/mod.rs", "use crate::commands::World;"),
        ["src/terminal/mod.rs:2: `terminal` must not import `commands`"]
    );
    assert_eq!(
        said_of(
            "src/audit/read/made_up.rs",
            "use crate::audit::{AuditLog, record::hex};\nuse super::super::verify;"
        ),
        [
            "src/audit/read/made_up.rs:2: `audit::read` must not import `audit::write`",
            "src/audit/read/made_up.rs:3: `audit::read` must not import `audit::verify`"
        ]
    );
    assert_eq!(said_of("src/audit/write/mod.rs", "use super::archive::rotate;").len(), 1);
    assert_eq!(said_of("src/audit/shop.rs", "").len(), 1, "a layer without a place");
    assert_eq!(said_of("src/commands/made_up.rs", "use crate::cli;").len(), 1);
    assert_eq!(said_of("src/shop/mod.rs", "").len(), 1, "a room without a place");
    assert_eq!(said_of("src/plan/utils.rs", "").len(), 1, "a room for everything");
    assert_eq!(said_of("src/plan/long.rs", &"\n".repeat(LONGEST)).len(), 1);
    assert_eq!(offences("src/plan/bare.rs", "use std::fmt;").len(), 1, "no word on what it is for");
}

#[test]
fn the_checker_leaves_alone_what_is_right() {
    let text = "// crate::audit is not imported here\nuse super::audit_trail;\nuse crate::ratelimit::Rate;\n\
        /// See [`crate::audit`].\nfn plan() { my_csv::read(); crate::plan::begin(); }";
    assert_eq!(said_of("src/plan/made_up.rs", text), [""; 0]);
    assert_eq!(said_of("src/commands/made_up.rs", "use super::{report, run};"), [""; 0]);
    let text = "use crate::audit::{AuditError, record::Kind};\n#[cfg(test)]\nmod tests {\n\
        use crate::audit::write::open_for_writing;\n}";
    assert_eq!(said_of("src/audit/read/made_up.rs", text), [""; 0]);
    assert_eq!(said_of("src/emulator/tests/made_up.rs", "use reqwest::Client;"), [""; 0]);
}

#[test]
fn the_checker_finds_a_second_way_out() {
    assert_eq!(deletions("src/api/x.rs", "a\nlet r = Request::new(Method::DELETE, url);").len(), 1);
    assert_eq!(deletions("src/api/x.rs", "self.client.delete(&address).send()").len(), 1);
    assert_eq!(deletions("src/api/x.rs", "// Method::DELETE\ndeleter.delete(target)").len(), 0);
}
