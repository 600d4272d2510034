//! The systemd units and the configuration that the package brings: commands, variables and limits that decom has.
//! `.ci/lint` has systemd check the units themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::Sandbox;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The services, by file name.
fn services() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("jobs/systemd")).unwrap().map(|entry| entry.unwrap().path());
    let services = entries.filter(|path| path.extension().is_some_and(|it| it == "service"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    let services: Vec<_> = services.map(read).collect();
    assert_eq!(services.len(), 2);
    services
}

/// The values of a key of a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_units_use_commands_flags_and_variables_that_exist() {
    for (name, unit) in services() {
        let start = values(&unit, "ExecStart");
        let words: Vec<_> = start[0].split(' ').collect();
        assert_eq!((start.len(), words[0]), (1, "/usr/bin/decom"), "{name}");
        let help = Sandbox::new().decom(&[words[1], "--help"]).run().expect(0).stdout;
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{name}: {flag}");
        }
        let variables = values(&unit, "Environment").into_iter().map(|it| it.split_once('=').unwrap().0);
        for variable in variables.filter(|name| !["DECOM_CONFIG", "DATABRAIN_TOKEN_FILE"].contains(name)) {
            // An unknown variable has another message.
            let said = Sandbox::new().decom(&["runs"]).env(variable, "x").run();
            assert!(!said.stderr.contains("there is no setting"), "{variable}: {}", said.stderr);
        }
    }
}

#[test]
fn as_installed_the_nightly_run_deletes_nothing() {
    let (_, unit) = services().into_iter().find(|(name, _)| name == "decom-run.service").unwrap();
    assert!(values(&unit, "ExecStart")[0].ends_with(" --dry-run"), "{unit}");
}

#[test]
fn what_a_restart_cannot_help_is_not_restarted_and_an_orderly_stop_is_no_failure() {
    for (name, unit) in services() {
        let prevented: Vec<_> = values(&unit, "RestartPreventExitStatus")[0].split(' ').collect();
        assert!(["2", "3", "5"].iter().all(|code| prevented.contains(code)), "{name}: {prevented:?}");
        assert!(!prevented.contains(&"4"), "{name}: what passes is tried again");
        assert_eq!(values(&unit, "SuccessExitStatus"), ["129 130 143"], "{name}");
        let patience: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
        assert!(
            Duration::from_secs(patience) > grace(),
            "{name}: killed before requests under way are recorded"
        );
    }
}

/// How long requests under way get by default.
fn grace() -> Duration {
    let defaults = std::fs::read_to_string(root().join("config/default.toml")).unwrap();
    let defaults: toml_edit::DocumentMut = defaults.parse().unwrap();
    let all = defaults.iter().filter_map(|(_, section)| section.as_table_like()?.get("grace")?.as_str());
    all.map(|text| humantime::parse_duration(text).unwrap()).next().unwrap()
}

#[test]
fn the_configuration_of_the_package_is_valid() {
    let config = root().join("packaging/decom.toml");
    assert!(Path::new(&config).exists());
    let sandbox = Sandbox::new();
    let log = sandbox.path("none.db");
    let arguments = ["runs", "--config", config.to_str().unwrap(), "--audit-db", log.to_str().unwrap()];
    let said = sandbox.decom(&arguments).run().expect(2);
    // The log is what is missing: the file itself was accepted.
    assert!(said.message().starts_with(log.to_str().unwrap()), "{said:?}");
}
