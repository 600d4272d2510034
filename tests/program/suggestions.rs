//! What is suggested for a misspelled word: never a deletion, and never a weaker guard.

use crate::support::{Output, Sandbox};

fn said(arguments: &[&str]) -> Output {
    Sandbox::new().decom(arguments).run().expect(2)
}

#[test]
fn a_word_that_is_no_command_leads_to_nothing_that_deletes() {
    for (word, suggested) in [
        ("reprot", Some("report")),
        ("rn", Some("runs")),
        ("wrk", None),
        ("resum", None),
        ("plam", Some("plan")),
    ] {
        let said = said(&[word]).stderr;
        match suggested {
            Some(command) => assert!(said.contains(&format!("'{command}'")), "{word}: {said}"),
            None => assert!(!said.contains("tip:"), "{word}: {said}"),
        }
        for deleting in ["'run'", "'resume'", "'retry'", "'work'", "'enqueue'"] {
            assert!(!said.contains(deleting), "{word}: {said}");
        }
    }
}

#[test]
fn what_is_deleted_cannot_be_restored() {
    for word in ["undo", "restore", "rollback"] {
        let said = said(&[word, "acme"]).stderr;
        assert!(said.contains("deletion cannot be undone; `decom show NAME` tells what happened"), "{said}");
    }
}

#[test]
fn a_flag_that_is_none_leads_to_no_weaker_guard() {
    for (arguments, suggested) in [
        (["run", "x", "--all"], None),
        (["run", "x", "--allow"], None),
        (["run", "x", "--force"], None),
        (["run", "x", "--yess"], None),
        (["run", "x", "--agian"], None),
        (["plan", "x", "--max-delets"], Some("--max-deletes")),
        (["plan", "x", "--protct"], Some("--protect")),
        (["run", "x", "--token"], Some("--token-file")),
    ] {
        let said = said(&arguments).stderr;
        assert!(said.contains("Usage:"), "{said}");
        match suggested {
            Some(flag) => assert!(said.contains(&format!("'{flag}'")), "{arguments:?}: {said}"),
            None => {
                for flag in ["--allow-http", "--grace", "--yes ", "'--yes'", "--again", "tip:"] {
                    assert!(!said.contains(flag), "{arguments:?}: {said}");
                }
            }
        }
    }
}

#[test]
fn a_variable_or_a_key_that_is_none_leads_to_no_weaker_guard() {
    let sandbox = Sandbox::new();
    for (variable, suggested) in [
        ("DECOM_YES", None),
        ("DECOM_ALLOW_HTP", None),
        ("DECOM_IGNORE_NOT_FUND", None),
        ("DECOM_MAX_DELETE", Some("DECOM_MAX_DELETES")),
        ("DECOM_TICKETS", Some("DECOM_TICKET")),
    ] {
        let refused = sandbox.decom(&["runs"]).env(variable, "1").run().expect(2);
        let near = suggested.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let expected = format!(
            "the environment: there is no setting `{variable}`{near}; `decom config` prints all settings"
        );
        assert_eq!(refused.message(), expected);
    }
    sandbox.file("decom.toml", "[api]\nallow_htp = true\n");
    let refused = sandbox.decom(&["runs", "--config", "decom.toml"]).run().expect(2);
    assert!(!refused.message().contains("did you mean"), "{refused:?}");
}

#[test]
fn errors_and_refusals_are_json_if_that_is_asked_for() {
    let sandbox = Sandbox::new();
    for (arguments, code, why) in [
        (&["runs", "--json"][..], 2, "decom-audit.db: there is no audit log here"),
        (&["report", "--json"], 2, "decom-audit.db: there is no audit log here"),
        (&["run", "nowhere.csv", "--json", "--yes"], 2, "nowhere.csv: no such file"),
        (&["runs", "--jsn", "--json"], 2, "unexpected argument '--jsn' found"),
        (&["config", "--effective", "--json", "--concurrency", "0"], 2, "--concurrency: pace.concurrency"),
    ] {
        let said = sandbox.decom(arguments).run().expect(code);
        let object: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(object["error"]["exit_code"], code, "{said:?}");
        assert!(object["error"]["message"].as_str().unwrap().starts_with(why), "{said:?}");
    }
    // It has an object of its own for this, and one is enough.
    let verified = sandbox.decom(&["audit", "verify", "--json"]).run().expect(6);
    let object: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(object["status"], "nothing_verified");
}
