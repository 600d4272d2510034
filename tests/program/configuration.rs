//! The configuration: flag > environment > file > defaults, and no slip goes unnoticed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Decom, Estate, Sandbox, TOKEN, column, files_in};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A folder with a list of one name, and `decom.toml` with this content.
fn sandbox(toml: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("names.csv", "name\nacme\n");
    sandbox.file("decom.toml", toml);
    sandbox
}

/// A rehearsal with these variables and flags; it needs neither a token nor an API.
fn rehearsal(sandbox: &Sandbox, variables: Variables, flags: &[&str]) -> Decom {
    let arguments = ["rehearse", "names.csv", "--fault", "none", "--latency", "0ms"];
    let mut command = sandbox.decom(&[&arguments[..], flags].concat());
    command.env_remove("DATABRAIN_TOKEN").envs(variables);
    command
}

/// The settings that the log says the run had.
fn settings(toml: &str, variables: Variables, flags: &[&str]) -> Value {
    let sandbox = sandbox(toml);
    let said = rehearsal(&sandbox, variables, flags).run();
    assert!(said.code == 0 || said.code == 1, "{said:?}");
    let log = sandbox.path("decom-audit-rehearsal.db");
    let rows = column(&log, "SELECT detail ->> '$.settings' FROM record WHERE kind = 'run'");
    serde_json::from_str(&rows[0]).unwrap()
}

/// The message that refuses these, which must come before anything happens.
fn refused(toml: &str, variables: Variables, flags: &[&str]) -> String {
    let sandbox = sandbox(toml);
    let said = rehearsal(&sandbox, variables, flags).run();
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
    assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    assert_eq!(files_in(&sandbox.path("")), ["decom.toml", "names.csv"], "a run was begun");
    said.message().to_owned()
}

#[test]
fn flag_over_environment_over_file_over_defaults() {
    let file = "[pace]\nconcurrency = 3\n[retry]\nmax_attempts = 4\n[safety]\nmax_deletes = 7\n";
    let config = ["--config", "decom.toml"];
    let of = |variables: Variables, flags: &[&str]| {
        let settings = settings(file, variables, flags);
        [&settings["concurrency"], &settings["max_attempts"], &settings["max_deletes"]].map(Value::clone)
    };
    assert_eq!(of(&[], &[]), [8, 5, 500], "the file is not read unless it is named");
    assert_eq!(of(&[], &config), [3, 4, 7]);
    assert_eq!(of(&[("DECOM_CONFIG", "decom.toml")], &[]), [3, 4, 7]);
    let variables = [("DECOM_CONCURRENCY", "5"), ("DECOM_RETRY_MAX_ATTEMPTS", "6")];
    assert_eq!(of(&variables, &config), [5, 6, 7], "the environment goes over the file, key by key");
    let flags = [&config[..], &["--concurrency", "9"]].concat();
    assert_eq!(of(&variables, &flags), [9, 6, 7], "a flag goes over all");
}

#[test]
fn an_empty_variable_is_not_set() {
    let variables = [("DECOM_CONCURRENCY", ""), ("DECOM_CONFIG", ""), ("DECOM_PROTECT", "")];
    let settings = settings("", &variables, &[]);
    assert_eq!((&settings["concurrency"], &settings["protect"]), (&json!(8), &json!([])));
}

#[test]
fn a_named_file_goes_over_the_one_in_the_environment() {
    let variables = [("DECOM_CONFIG", "not-there.toml")];
    let settings = settings("[pace]\nconcurrency = 2", &variables, &["--config", "decom.toml"]);
    assert_eq!(settings["concurrency"], 2);
    assert_snapshot!(refused("", &variables, &[]), @"not-there.toml: cannot read the configuration: No such file or directory (os error 2)");
    assert_snapshot!(refused("", &[], &["--config", "."]), @".: cannot read the configuration: it is not a regular file");
}

#[test]
fn a_key_that_is_no_setting() {
    let of = |toml| refused(toml, &[], &["--config", "decom.toml"]);
    assert_snapshot!(of("[safety]\n\nmax_delete = 7\n"), @"decom.toml, line 3, column 1: there is no setting `safety.max_delete`; did you mean `safety.max_deletes`?; `decom config` prints all settings");
    assert_snapshot!(of("[pace]\nrate = \"4/s\"\n[safty]\nmax_deletes = 7\n"), @"decom.toml, line 3, column 2: there is no setting `safty`; did you mean `safety`?; `decom config` prints all settings");
    // A setting without its section, or in another one.
    assert_snapshot!(of("max_deletes = 7\n"), @"decom.toml, line 1, column 1: there is no setting `max_deletes`; did you mean `safety.max_deletes`?; `decom config` prints all settings");
    assert_snapshot!(of("[run]\nmax_deletes = 7\n"), @"decom.toml, line 2, column 1: there is no setting `run.max_deletes`; did you mean `safety.max_deletes`?; `decom config` prints all settings");
    assert_snapshot!(of("[pace]\nrate = \"4/s\"\nfrobnicate = true"), @"decom.toml, line 3, column 1: there is no setting `pace.frobnicate`; `decom config` prints all settings");
    assert_snapshot!(of("pace = 3"), @"decom.toml, line 1, column 1: there is no setting `pace`; did you mean `pace.rate`?; `decom config` prints all settings");
    assert_snapshot!(of("[\"pa\\u001b\\nce\"]\n"), @r#"decom.toml, line 1, column 2: there is no setting `pa\u{1b}\nce`; did you mean `pace`?; `decom config` prints all settings"#);
}

#[test]
fn a_token_is_no_setting() {
    let message = refused(&format!("[api]\ntoken = \"{TOKEN}\"\n"), &[], &["--config", "decom.toml"]);
    assert!(
        message.starts_with("decom.toml, line 2, column 1: there is no setting `api.token`"),
        "{message}"
    );
    assert!(!message.contains(TOKEN));
}

#[test]
fn a_file_that_is_no_toml() {
    let of = |toml| refused(toml, &[], &["--config", "decom.toml"]);
    assert_snapshot!(of("[pace]\nrate = 480/2m\n"), @"decom.toml, line 2, column 11: expected newline, `#`");
    assert_snapshot!(of("[pace]\n\n  rate = \"4/s\n"), @"decom.toml, line 3, column 14: invalid basic string");
    assert_snapshot!(of("[pace]\nrate = \"4/s\"\nrate = \"5/s\"\n"), @"decom.toml, line 3, column 1: duplicate key `rate` in table `pace`");
}

#[test]
fn a_value_of_the_wrong_kind() {
    let of = |toml| refused(toml, &[], &["--config", "decom.toml"]);
    assert_snapshot!(of("[pace]\nconcurrency = \"8\"\n"), @r#"decom.toml, line 2, column 15: pace.concurrency must be a whole number from 1 to 1024, not "8""#);
    assert_snapshot!(of("[pace]\nconcurrency = 0\n"), @"decom.toml, line 2, column 15: pace.concurrency must be a whole number from 1 to 1024, not 0");
    assert_snapshot!(of("[safety]\nprotect = \"prod-*\"\n"), @r#"decom.toml, line 2, column 11: safety.protect must be a list such as ["one", "two"], not "prod-*""#);
    assert_snapshot!(of("[safety]\nmax_share = \"half\"\n"), @r#"decom.toml, line 2, column 13: safety.max_share must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits), not "half""#);
    assert_snapshot!(of("[api]\nconnect_timeout = 10\n"), @r#"decom.toml, line 2, column 19: api.connect_timeout must be a quoted duration such as "30s" (above 0s, up to 24h), not 10"#);
    assert_snapshot!(of("[api]\nconnect_timeout = \"10\"\n"), @r#"decom.toml, line 2, column 19: api.connect_timeout must be a duration such as "30s" (above 0s, up to 24h), not "10""#);
    assert_snapshot!(of("[audit]\ndb = \"\"\n"), @r#"decom.toml, line 2, column 6: audit.db must be a path of a file (for one whose name begins with `:` or `file:`, write ./ before it), not """#);
    assert_snapshot!(of("[log]\nlevel = \"loud,,\"\n"), @r#"decom.toml, line 2, column 9: log.level must be a level such as `info`, or a filter such as `info,decom=debug`, not "loud,,""#);
    assert_snapshot!(of("[safety]\nmax_share = 99.999_999_999_999_999_9\n"), @r#"decom.toml, line 2, column 13: safety.max_share must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits), not "99.999_999_999_999_999_9""#);
    // A whole number will do where a fraction may stand.
    assert_eq!(settings("[safety]\nmax_share = 60", &[], &["--config", "decom.toml"])["max_share"], 60.0);
}

#[test]
fn a_variable_that_is_no_setting() {
    assert_snapshot!(refused("", &[("DECOM_MAX_DELETE", "7")], &[]), @"the environment: there is no setting `DECOM_MAX_DELETE`; did you mean `DECOM_MAX_DELETES`?; `decom config` prints all settings");
    assert_snapshot!(refused("", &[("DECOM_TOKEN", TOKEN)], &[]), @"the environment: there is no setting `DECOM_TOKEN`; did you mean `DATABRAIN_TOKEN`?; `decom config` prints all settings");
    assert_snapshot!(refused("", &[("DECOM_RATE", "fast")], &[]), @r#"DECOM_RATE: pace.rate: "fast" is not a rate; write requests per window, such as 480/2m, or auto, or unlimited"#);
    assert_snapshot!(refused("", &[("DECOM_IGNORE_NOT_FOUND", "perhaps")], &[]), @r#"DECOM_IGNORE_NOT_FOUND: safety.ignore_not_found must be `true` or `false`, not "perhaps""#);
    assert_snapshot!(refused("", &[("DECOM_NO_LISTING_CHECK", "perhaps")], &[]), @r#"DECOM_NO_LISTING_CHECK: safety.listing_check must be `true` or `false`, not "perhaps""#);
    let sandbox = sandbox("");
    let mut command = rehearsal(&sandbox, &[], &[]);
    let said = command.env("DECOM_RATE", OsStr::from_bytes(b"480/2m\xff")).run();
    assert_eq!((said.code, said.message()), (2, "the environment's DECOM_RATE is not valid UTF-8"));
}

#[test]
fn a_variable_under_both_of_its_names() {
    let both = |one, other| [("DECOM_MAX_DELETES", one), ("DECOM_SAFETY_MAX_DELETES", other)];
    assert_snapshot!(refused("", &both("7", "8"), &[]), @"the environment sets both DECOM_SAFETY_MAX_DELETES and DECOM_MAX_DELETES, to different values; unset one");
    assert_eq!(settings("", &both("7", "7"), &[])["max_deletes"], 7);
    let both = [("DECOM_NO_LISTING_CHECK", "1"), ("DECOM_LISTING_CHECK", "true")];
    assert_snapshot!(refused("", &both, &[]), @"the environment sets both DECOM_LISTING_CHECK and DECOM_NO_LISTING_CHECK, to different values; unset one");
}

#[test]
fn the_variables_that_kubernetes_makes_for_a_service_are_no_slips() {
    let variables = [
        ("DECOM_SERVICE_HOST", "10.0.0.1"),
        ("DECOM_SERVICE_PORT", "80"),
        ("DECOM_SERVICE_PORT_HTTP", "80"),
        ("DECOM_PORT", "tcp://10.0.0.1:80"),
        ("DECOM_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("DECOM_PORT_80_TCP_PROTO", "tcp"),
        ("DECOM_PORT_80_TCP_ADDR", "10.0.0.1"),
        // And for one that is called decom-worker.
        ("DECOM_WORKER_SERVICE_HOST", "10.0.0.2"),
        ("DECOM_WORKER_PORT", "tcp://10.0.0.2:80"),
        ("DECOM_WORKER_PORT_80_TCP", "tcp://10.0.0.2:80"),
        ("DECOM_CONCURRENCY", "3"),
    ];
    assert_eq!(settings("", &variables, &[])["concurrency"], 3);
}

#[test]
fn what_is_protected_adds_up() {
    let flags = ["--config", "decom.toml", "--protect", "d", "--protect", "e"];
    let settings = settings("[safety]\nprotect = [\"a\"]", &[("DECOM_PROTECT", "b, {c,[,}]}")], &flags);
    assert_eq!(settings["protect"], json!(["a", "b", "{c,[,}]}", "d", "e"]));
    // An item of nothing is a slip, and would protect nothing.
    for slip in [" ,", "b,", ",b", "b,,c", " "] {
        let refused = refused("", &[("DECOM_PROTECT", slip)], &[]);
        assert!(refused.contains("protection pattern ``: it is empty"), "{slip:?}: {refused}");
    }
    // No layer can take away what another protects.
    let settings = self::settings("[safety]\nprotect = [\"acme\"]", &[("DECOM_PROTECT", "x")], &flags);
    assert_eq!(settings["protect"][0], "acme");
}

/// The sections and keys of the defaults.
fn defaults() -> Vec<(String, String, toml_edit::Value)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml")).unwrap();
    let document = text.parse::<toml_edit::DocumentMut>().unwrap();
    let sections = document.iter().flat_map(|(section, item)| {
        let keys = item.as_table().expect("sections only").iter();
        keys.map(move |(key, value)| (section.to_owned(), key.to_owned(), value.as_value().unwrap().clone()))
    });
    sections.collect()
}

#[test]
fn the_file_of_defaults_changes_nothing() {
    let defaults =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml")).unwrap();
    assert_eq!(settings(&defaults, &[], &["--config", "decom.toml"]), settings("", &[], &[]));
}

#[test]
fn every_key_of_the_defaults_is_a_setting_and_has_its_variable() {
    assert!(defaults().len() > 25);
    for (section, key, default) in defaults() {
        // Something that no setting can be is noticed only where the key is read.
        let message = refused(&format!("[{section}]\n{key} = {{}}\n"), &[], &["--config", "decom.toml"]);
        assert!(message.contains(&format!(": {section}.{key}")), "{message}");
        let variable = format!("DECOM_{section}_{key}").to_uppercase();
        if default.is_integer() || default.is_float() || default.is_bool() {
            let message = refused("", &[(&variable, "?")], &[]);
            assert!(message.starts_with(&format!("{variable}: ")), "{message}");
        } else {
            let same = default.as_str().unwrap_or_default();
            assert_eq!(settings("", &[(&variable, same)], &[]), settings("", &[], &[]), "{variable}");
        }
    }
}

#[test]
fn every_flag_that_sets_something_stands_in_the_defaults() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml")).unwrap();
    let flags = decom::config::flags();
    for (flag, key) in &flags {
        assert!(text.contains(&format!("(--{flag}")), "--{flag}, which sets {key}");
    }
    let documented = text.matches("(--").count();
    assert_eq!(flags.len(), documented, "{flags:?}");
}

/// One real run of one name, and how it ended: 0 where the token was accepted, 4 where not.
fn run_with(estate: &Estate, prepare: impl FnOnce(&mut Decom), flags: &[&str]) -> i32 {
    estate.sandbox.file("names.csv", "name\nacme\n");
    let arguments = ["run", "names.csv", "--yes", "--again", "--max-share", "100", "--ignore-not-found"];
    let mut command = estate.decom(&[&arguments[..], flags].concat());
    command.env_remove("DATABRAIN_TOKEN");
    prepare(&mut command);
    command.run().code
}

#[test]
fn the_token_from_a_file() {
    let estate = Estate::of(&["acme"]);
    for ending in ["", "\n", "\r\n"] {
        estate.sandbox.file("token", format!("{TOKEN}{ending}"));
        assert_eq!(run_with(&estate, |_| {}, &["--token-file", "token"]), 0, "{ending:?}");
        let set = |command: &mut Decom| {
            command.env("DATABRAIN_TOKEN_FILE", "token");
        };
        let code = run_with(&estate, set, &[]);
        assert_eq!(code, 0, "{ending:?}");
    }
    estate.sandbox.file("token", format!("{TOKEN}\n\n"));
    assert_eq!(run_with(&estate, |_| {}, &["--token-file", "token"]), 2, "one line break, not more");
}

#[test]
fn the_token_file_of_the_flag_goes_over_the_token_goes_over_the_other_file() {
    let estate = Estate::of(&["acme"]);
    estate.sandbox.file("right", TOKEN);
    estate.sandbox.file("wrong", "dbn_live_wrong");
    let with = |token: &'static str, file: &'static str, flags: &[&str]| {
        let set = |command: &mut Decom| {
            command.env("DATABRAIN_TOKEN", token).env("DATABRAIN_TOKEN_FILE", file);
        };
        run_with(&estate, set, flags)
    };
    assert_eq!(with("dbn_live_wrong", "wrong", &["--token-file", "right"]), 0);
    assert_eq!(with(TOKEN, "wrong", &[]), 0);
    assert_eq!(with("dbn_live_wrong", "right", &[]), 4, "wrong, and it is not passed over");
}

/// <https://github.com/YOURLS/containers/pull/57>, <https://github.com/kubernetes/kubernetes/issues/52919>: compose files
/// hand down an empty variable, and secrets made by echo end with a line break.
///
/// Reported of other tools: YOURLS/containers#57, docker/compose#4636, kubernetes/kubernetes#52919.
#[test]
fn an_empty_token_variable_or_file_counts_as_not_set() {
    let estate = Estate::of(&["acme"]);
    estate.sandbox.file("full", format!("{TOKEN}\n"));
    estate.sandbox.file("empty", "\n");
    let with_line_break = format!("{TOKEN}\n");
    for (variables, flags) in [
        (&[("DATABRAIN_TOKEN", ""), ("DATABRAIN_TOKEN_FILE", "full")][..], &[][..]),
        (&[("DATABRAIN_TOKEN", TOKEN), ("DATABRAIN_TOKEN_FILE", "")], &[]),
        (&[("DATABRAIN_TOKEN", TOKEN)], &["--token-file", "empty"]),
        (&[("DATABRAIN_TOKEN_FILE", "full")], &["--token-file", "empty"]),
        (&[("DATABRAIN_TOKEN", &with_line_break)], &[]),
    ] {
        let set = |command: &mut Decom| {
            command.envs(variables);
        };
        assert_eq!(run_with(&estate, set, flags), 0, "{variables:?} {flags:?}");
    }
    let empty = |command: &mut Decom| {
        command.env("DATABRAIN_TOKEN", "").env("DATABRAIN_TOKEN_FILE", "empty");
    };
    assert_eq!(run_with(&estate, empty, &[]), 2, "nothing is left");
}

#[test]
fn a_token_file_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let estate = Estate::of(&["acme"]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let token = estate.sandbox.file("token", TOKEN);
    // Kubernetes gives the group of a pod read access to its secrets.
    for (mode, is_warned) in [(0o600, false), (0o440, false), (0o640, false), (0o660, true), (0o644, true)] {
        std::fs::set_permissions(&token, PermissionsExt::from_mode(mode)).unwrap();
        let mut command = estate.decom(&["plan", "names.csv", "--token-file", "token"]);
        let planned = command.env_remove("DATABRAIN_TOKEN").run();
        assert_eq!(
            planned.stderr.contains("other users can read or change this file"),
            is_warned,
            "{mode:o}: {planned:?}"
        );
    }
}

#[test]
fn a_percentage_is_written_with_or_without_its_sign() {
    for share in ["60", "60.0", "60%", "60 %"] {
        assert_eq!(settings("", &[], &["--max-share", share])["max_share"], 60.0, "{share}");
        assert_eq!(settings("", &[("DECOM_MAX_SHARE", share)], &[])["max_share"], 60.0, "{share}");
        let file = format!("[safety]\nmax_share = \"{share}\"");
        assert_eq!(settings(&file, &[], &["--config", "decom.toml"])["max_share"], 60.0, "{share}");
    }
}

#[test]
fn the_listing_is_read_at_the_end_unless_that_is_switched_off() {
    let requests = |variables: Variables, flags: &[&str]| {
        let estate = Estate::of(&["acme"]);
        estate.sandbox.file("decom.toml", "[safety]\nlisting_check = false\n");
        let set = |command: &mut Decom| {
            command.env("DATABRAIN_TOKEN", TOKEN).envs(variables);
        };
        assert_eq!(run_with(&estate, set, flags), 0);
        estate.emulator.tally().requests
    };
    assert_eq!(requests(&[], &[]), 2, "the DELETE and the listing");
    for off in ["DECOM_NO_LISTING_CHECK=1", "DECOM_NO_LISTING_CHECK=true", "DECOM_LISTING_CHECK=0"] {
        assert_eq!(requests(&[off.split_once('=').unwrap()], &[]), 1, "{off}");
    }
    assert_eq!(requests(&[], &["--no-listing-check"]), 1);
    assert_eq!(requests(&[], &["--config", "decom.toml"]), 1);
    assert_eq!(requests(&[("DECOM_LISTING_CHECK", "1")], &["--config", "decom.toml"]), 2);
    assert_eq!(requests(&[("DECOM_NO_LISTING_CHECK", "0")], &["--config", "decom.toml"]), 2);
}

#[test]
fn who_runs_it_is_told_or_found_out() {
    let operator = |variables: Variables, flags: &[&str]| {
        let sandbox = sandbox("");
        let mut command = rehearsal(&sandbox, &[], flags);
        command.env_remove("USER").envs(variables);
        assert_eq!(command.run().code, 0);
        column(&sandbox.path("decom-audit-rehearsal.db"), "SELECT operator FROM runs").remove(0)
    };
    assert_eq!(operator(&[("USER", "ann"), ("DECOM_OPERATOR", "bob")], &["--operator", "cat"]), "cat");
    assert_eq!(operator(&[("USER", "ann"), ("DECOM_OPERATOR", "bob")], &[]), "bob");
    assert_eq!(operator(&[("USER", "ann"), ("LOGNAME", "dan")], &[]), "ann");
    assert_eq!(operator(&[("LOGNAME", "dan")], &[]), "dan");
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(operator(&[], &[]), if uid == 0 { "root (uid 0)".to_owned() } else { format!("uid {uid}") });
}
