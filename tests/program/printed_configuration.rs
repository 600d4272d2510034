//! `decom config`: the defaults, the values in force and where they come from, and the schema.

use serde_json::Value;

use crate::support::Sandbox;

/// The line of the setting `key`.
fn line<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap_or_else(|| panic!("{key}: {text}"))
}

#[test]
fn the_documented_defaults_are_printed_and_are_a_configuration() {
    let sandbox = Sandbox::new();
    let said = sandbox.decom(&["config"]).run().expect(0);
    assert_eq!(said.stdout, decom::config::DEFAULTS);
    sandbox.file("all.toml", &said.stdout);
    sandbox.decom(&["config", "--effective", "--config", "all.toml"]).run().expect(0);
}

#[test]
fn each_value_in_force_says_where_it_comes_from() {
    let sandbox = Sandbox::new();
    sandbox
        .file("decom.toml", "[safety]\nprotect = [\"prod-*\"]\nmax_deletes = 7\n[pace]\nconcurrency = 3\n");
    let mut command = sandbox.decom(&["config", "--effective", "--config", "decom.toml", "--protect", "x"]);
    let said = command.args(["--max-share", "40%"]).env("DECOM_MAX_DELETES", "9").run().expect(0).stdout;
    assert!(
        line(&said, "max_deletes").starts_with("max_deletes = 9 ") && said.contains("# DECOM_MAX_DELETES")
    );
    assert!(line(&said, "max_share").starts_with("max_share = 40.0"), "{said}");
    assert!(line(&said, "concurrency").ends_with("# decom.toml, line 5, column 15"), "{said}");
    let protect = line(&said, "protect");
    assert!(protect.starts_with(r#"protect = ["prod-*","x"]"#), "{protect}");
    assert!(protect.ends_with("# decom.toml, line 2, column 11; --protect"), "{protect}");
    assert!(line(&said, "max_attempts").ends_with("# default"));
    // What it prints sets the same again.
    sandbox.file("again.toml", &said);
    let again = sandbox.decom(&["config", "--effective", "--config", "again.toml", "--json"]).run().expect(0);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    let setting =
        |name: &str| again.as_array().unwrap().iter().find(|it| it["setting"] == name).unwrap().clone();
    assert_eq!(setting("safety.max_deletes")["value"], 9);
    assert_eq!(setting("safety.max_share")["value"], 40.0);
}

#[test]
fn a_value_that_is_not_valid_is_refused() {
    let sandbox = Sandbox::new();
    let refused = sandbox.decom(&["config", "--effective", "--concurrency", "0"]).run().expect(2);
    assert_eq!(
        refused.message(),
        "--concurrency: pace.concurrency must be a whole number from 1 to 1024, not 0"
    );
    assert_eq!(refused.stdout, "");
}

#[test]
fn secrets_are_not_shown() {
    let sandbox = Sandbox::new();
    for form in [&["config", "--effective"][..], &["config", "--effective", "--json"]] {
        let mut command = sandbox.decom(form);
        command.env("DECOM_QUEUE_URL", "redis://user:hunter2@host");
        command.env("DECOM_WATCH_NOTIFY_URL", "https://hooks.example/hunter2");
        let said = command.run().expect(0);
        assert!(!said.stdout.contains("hunter2"), "{said:?}");
        assert!(said.stdout.contains("DECOM_WATCH_NOTIFY_URL"), "{said:?}");
    }
    let plain = sandbox.decom(&["config", "--effective", "--queue", "redis://host"]).run().expect(0);
    assert!(plain.stdout.contains("url = \"redis://host\""), "{plain:?}");
}

#[test]
fn the_schema_knows_every_setting_of_the_defaults() {
    let sandbox = Sandbox::new();
    let said = sandbox.decom(&["config", "--schema"]).run().expect(0);
    let schema: Value = serde_json::from_str(&said.stdout).unwrap();
    let defaults = decom::config::DEFAULTS.parse::<toml_edit::DocumentMut>().unwrap();
    for (section, table) in defaults.iter() {
        for (key, _) in table.as_table().unwrap() {
            let setting = &schema["properties"][section]["properties"][key];
            assert!(setting["type"].is_string() || setting["type"].is_array(), "{section}.{key}: {setting}");
        }
    }
    assert_eq!(schema["properties"]["pace"]["properties"]["concurrency"]["maximum"], 1024);
    assert_eq!(schema["additionalProperties"], false);
}
