//! What a stranger wrote into a log reaches no terminal as it is.

use super::{Case, last, rechain, sql, tamper};

/// The title of the window, and a line of the forger's own.
const TITLE: &str = "char(27) || ']0;mine' || char(7) || char(10) || '  - all is well' || char(155)";

#[track_caller]
fn is_plain(what: &str, text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("  - all is well")), "{what}: {text}");
    assert!(text.contains("\\u{1b}]0;mine\\u{7}\\u{a}"), "{what} does not show it: {text}");
}

#[test]
fn what_a_terminal_obeys_is_shown_and_not_sent_to_it() {
    let case = Case::new();
    let copy = case.copy();
    let n = last(&copy);
    tamper(&copy, |connection| {
        // The last run is open, and its id is the forger's.
        sql(&format!(
            "DELETE FROM record WHERE seq = {n}; UPDATE record SET name = {TITLE} WHERE kind = 'run'"
        ))(connection);
        rechain(connection, 1);
        connection.execute_batch("CREATE VIEW \"\u{1b}]0;mine\u{7}\n\u{9b}\" AS SELECT 1").unwrap();
    });
    let shown =
        |arguments: &[&str]| case.estate.sandbox.decom(arguments).args(["--audit-db", "copy.db"]).run();
    let verified = shown(&["audit", "verify"]);
    assert_eq!(verified.code, 5, "{verified:?}");
    is_plain("audit verify", &verified.stdout);
    assert!(verified.stdout.contains("decom made no view `\\u{1b}"), "{verified:?}");
    let json: serde_json::Value =
        serde_json::from_str(&shown(&["audit", "verify", "--json"]).stdout).unwrap();
    for finding in json["findings"].as_array().unwrap() {
        let message = finding["message"].as_str().unwrap();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    is_plain("runs", &shown(&["runs"]).stdout);
    let mut resume = case.estate.sandbox.decom(&["resume", "--audit-db", "copy.db"]);
    resume.args(["--base-url", "http://127.0.0.1:9"]);
    let refused = resume.run();
    assert_eq!(refused.code, 2, "{refused:?}");
    is_plain("resume", &refused.stderr);
}
