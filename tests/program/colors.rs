//! Colours of the log on a real pseudo-terminal, and in files: NO_COLOR, CLICOLOR_FORCE and TERM decide.

use std::process::Command;

use rexpect::reader::Options;
use rexpect::session::spawn_with_options;

use crate::emulated::Estate;
use crate::support::TOKEN;

/// Begins every change of colour, and everything that a progress bar draws.
const ESCAPE: &str = "\u{1b}[";

fn decom(estate: &Estate, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("decom"));
    command
        .current_dir(estate.sandbox.path(""))
        .env_clear()
        .envs([("DATABRAIN_TOKEN", TOKEN), ("USER", "tester")])
        .envs(variables.iter().copied())
        .args(["run", "names.csv", "--yes", "--log-format", "text", "--max-share", "100"])
        .args(["--base-url", estate.emulator.base_url()]);
    command
}

fn estate() -> Estate {
    let estate = Estate::of(&["acme", "globex"]);
    estate.sandbox.file("names.csv", "name\nacme\nglobex\n");
    estate
}

/// Everything that a run writes on a terminal.
fn on_terminal(variables: &[(&str, &str)]) -> String {
    let estate = estate();
    let options = Options::new().timeout_ms(Some(60_000));
    let mut terminal = spawn_with_options(decom(&estate, variables), options).unwrap();
    let said = terminal.exp_eof().unwrap();
    assert!(said.contains("INFO"), "{said}");
    said
}

/// Returns true if the log is coloured. Colours end in `m`; what a progress bar draws does not.
fn is_colored(said: &str) -> bool {
    let sequences = said.split(ESCAPE).skip(1);
    sequences
        .map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'))
        .any(|it| it.starts_with('m'))
}

#[test]
fn a_terminal_shows_colors_unless_they_are_unwanted() {
    for (variables, colored) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "xterm"), ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
    ] {
        let said = on_terminal(variables);
        assert_eq!(is_colored(&said), colored, "{variables:?}: {said:?}");
    }
}

#[test]
fn a_dumb_terminal_shows_progress_in_lines() {
    let said = on_terminal(&[("TERM", "dumb")]);
    assert!(!said.contains(ESCAPE), "{said:?}");
    assert!(said.contains("progress: "), "{said:?}");
    let said = on_terminal(&[("TERM", "xterm"), ("NO_COLOR", "1")]);
    assert!(said.contains(ESCAPE) && !said.contains("progress: "), "a bar: {said:?}");
}

#[test]
fn a_file_holds_colors_only_if_they_are_forced() {
    for (variables, colored) in [(&[][..], false), (&[("CLICOLOR_FORCE", "1")], true)] {
        let estate = estate();
        let output = decom(&estate, variables).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("INFO"), "{said}");
        assert_eq!(is_colored(&said), colored, "{variables:?}: {said:?}");
    }
}
