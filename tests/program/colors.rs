//! Colours of the log on a real pseudo-terminal, and in files: `NO_COLOR`, `CLICOLOR_FORCE` and `TERM` decide.

use rexpect::reader::Options;

use crate::support::{Decom, Estate};

/// Begins every change of colour, and everything that a progress bar draws.
const ESCAPE: &str = "\u{1b}[";

fn decom(estate: &Estate, variables: &[(&str, &str)]) -> Decom {
    let mut decom = estate.sandbox.decom(&["run", "names.csv", "--yes", "--log-format", "text"]);
    decom.args(["--max-share", "100", "--base-url", estate.emulator.base_url()]).envs(variables);
    decom
}

fn estate() -> Estate {
    let estate = Estate::of(&["acme", "globex"]);
    estate.sandbox.file("names.csv", "name\nacme\nglobex\n");
    estate
}

/// Everything that a run writes on a terminal.
fn on_terminal(variables: &[(&str, &str)]) -> String {
    let estate = estate();
    let mut terminal = decom(&estate, variables).on_terminal(Options::new());
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

/// Reported of other tools: tokio-rs/tracing#2388, astral-sh/uv#11560.
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
        let said = decom(&estate, variables).run().stderr;
        assert!(said.contains("INFO"), "{said}");
        assert_eq!(is_colored(&said), colored, "{variables:?}: {said:?}");
    }
}
