//! The help: short with -h, complete with --help, and for each command without what means nothing to it.

use crate::support::{Estate, Sandbox};

fn help(command: &str, flag: &str) -> String {
    Sandbox::new().decom(&[command, flag]).run().expect(0).stdout
}

#[test]
fn the_short_help_is_short_and_the_complete_one_has_examples() {
    for command in [
        "list", "check", "config", "plan", "run", "resume", "retry", "rehearse", "work", "enqueue", "report",
        "show",
    ] {
        let (short, complete) = (help(command, "-h"), help(command, "--help"));
        assert!(short.lines().count() < complete.lines().count(), "{command}");
        assert!(!short.contains("--checkpoint-every") && !short.contains("Examples:"), "{command}: {short}");
        assert!(short.ends_with("All flags and examples: --help\n"), "{command}: {short}");
        let (_, examples) = complete.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{command}"));
        assert!(examples.lines().all(|line| line.starts_with(&format!("  decom {command}"))), "{examples}");
    }
    assert!(help("run", "--help").contains("--checkpoint-every"));
}

/// Flags that mean nothing to a command are accepted, so that one set of flags serves every command.
#[test]
fn flags_that_mean_nothing_are_not_shown_and_do_no_harm() {
    for (command, flags) in [
        ("plan", &["--yes", "--dry-run", "--metrics-addr", "--canary", "--signing-key"][..]),
        ("rehearse", &["--yes", "--token-file"]),
        ("list", &["--audit-db"]),
    ] {
        let complete = help(command, "--help");
        for flag in flags {
            assert!(!complete.contains(&format!("{flag} ")), "{command} {flag}: {complete}");
            assert!(!complete.contains(&format!("{flag}\n")), "{command} {flag}: {complete}");
        }
    }
    let estate = Estate::of(&["acme", "globex", "other"]);
    estate.sandbox.names("names.csv", &["acme"]);
    estate.decom(&["plan", "names.csv", "--yes", "--dry-run", "--canary", "1"]).run().expect(0);
    estate.decom(&["list", "--audit-db", "other.db"]).run().expect(0);
    assert_eq!(estate.deletes(), []);
}
