//! That a second person is a second person, and that nobody else can do without.

use crate::plan_runs::planned;
use crate::support::keys::{self, Key, NAMESPACE};
use crate::support::{Estate, Output, column, sha256};

/// What asks for an approval by certain people.
const STRICT: &str = "[safety]\nrequire_approval = true\nallowed_signers = \"allowed_signers\"\n";

fn estate() -> Estate {
    let estate = Estate::of(&["acme", "globex", "zeta", "other-1", "other-2", "other-3", "other-4"]);
    estate.sandbox.file("strict.toml", STRICT);
    estate.sandbox.file("one.csv", "name\nglobex\n");
    estate
}

/// Runs the plan with the approval in `key`, by these variables.
fn run(estate: &Estate, signature: &str, variables: &[(&str, &str)], flags: &[&str]) -> Output {
    let mut command = estate.decom(&["run", "--plan", "plan.json", "--yes", "--approval", signature]);
    command.args(flags).envs(variables).run()
}

fn assert_refused(estate: &Estate, refused: &Output, code: i32, wanted: &str) {
    assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{wanted}: {refused:?}");
    assert!(refused.message().contains(wanted), "`{wanted}` is not in {refused:?}");
    assert_eq!(estate.deletes(), [], "{wanted}");
}

#[test]
fn what_the_file_says_of_approvals_is_final() {
    let estate = estate();
    estate.sandbox.file("mine", "");
    let strict = format!("{STRICT}revoked_signers = \"revoked\"\n");
    estate.sandbox.file("strict.toml", strict);
    planned(&estate, &[]);
    for (variables, flags, place, key) in [
        (
            &[("DECOM_SAFETY_REQUIRE_APPROVAL", "0")][..],
            &[][..],
            "DECOM_SAFETY_REQUIRE_APPROVAL",
            "require_approval",
        ),
        (&[("DECOM_ALLOWED_SIGNERS", "mine")], &[], "DECOM_ALLOWED_SIGNERS", "allowed_signers"),
        (&[("DECOM_REVOKED_SIGNERS", "mine")], &[], "DECOM_REVOKED_SIGNERS", "revoked_signers"),
        (&[], &["--allowed-signers", "mine"], "--allowed-signers", "allowed_signers"),
        (&[], &["--revoked-signers", "mine"], "--revoked-signers", "revoked_signers"),
    ] {
        let flags = [&["run", "--plan", "plan.json", "--yes", "--config", "strict.toml"], flags].concat();
        let refused = estate.decom(&flags).envs(variables).run();
        let wanted =
            format!("{place}: `safety.{key}` is locked by the configuration file (strict.toml, line ");
        assert_refused(&estate, &refused, 2, &wanted);
    }
    // To say the same is no change.
    let same = [("DECOM_SAFETY_REQUIRE_APPROVAL", "yes"), ("DECOM_ALLOWED_SIGNERS", "allowed_signers")];
    let flags = ["run", "one.csv", "--yes", "--config", "strict.toml"];
    assert_refused(&estate, &estate.decom(&flags).envs(&same).run(), 3, "safety.require_approval");
    // Where the file says nothing, the environment may.
    estate.sandbox.file("lax.toml", "[safety]\nrequire_approval = false\nallowed_signers = \"\"\n");
    let flags = ["run", "one.csv", "--yes", "--config", "lax.toml"];
    let asked = estate.decom(&flags).env("DECOM_SAFETY_REQUIRE_APPROVAL", "true").run();
    assert_refused(&estate, &asked, 3, "safety.require_approval");
}

#[test]
fn a_dry_run_and_a_rehearsal_say_that_an_approval_is_missing() {
    let estate = estate();
    let wanted = "a run needs a plan that a second person has approved (safety.require_approval)";
    let config = ["--config", "strict.toml"];
    let dry = estate.decom(&[&["run", "one.csv", "--dry-run"], &config[..]].concat()).run();
    assert_eq!(dry.code, 3, "{dry:?}");
    assert!(dry.stdout.contains("(dry run)       globex"), "it is shown all the same: {dry:?}");
    assert!(!dry.stdout.contains("would start"), "{dry:?}");
    assert!(dry.message().contains(wanted), "{dry:?}");

    let rehearse = ["rehearse", "one.csv", "--fault", "none"];
    let rehearsed = estate.sandbox.decom(&[&rehearse[..], &config].concat()).run();
    assert_eq!(rehearsed.code, 0, "{rehearsed:?}");
    let line = format!("The real run would be refused: {wanted}");
    assert!(rehearsed.stdout.lines().any(|it| it.starts_with(&line)), "{rehearsed:?}");
    let share = "Whether it stays below max_share 50 % was not checked: only the API knows how many datasources exist.";
    assert!(rehearsed.stdout.lines().any(|it| it == share), "{rehearsed:?}");
    let foretold = estate.sandbox.decom(&[&rehearse[..], &config, &["--dry-run"]].concat()).run();
    assert_eq!(foretold.code, 3, "{foretold:?}");
    assert!(foretold.stdout.contains("guard max_share 50 %: not checked: "), "{foretold:?}");
}

#[test]
fn who_is_logged_in_counts_whatever_they_call_themselves() {
    if keys::are_missing("who_is_logged_in_counts_whatever_they_call_themselves") {
        return;
    }
    let estate = estate();
    let sandbox = &estate.sandbox;
    // Made by somebody who is logged in as tester.
    let plan = planned(&estate, &["--operator", "service"]);
    let key = Key::new(sandbox, "key", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    let signature = signature.to_str().unwrap();
    let allowed = ["--allowed-signers", "allowed_signers"];
    for (names, user, operator, wanted) in [
        ("tester", "bob", "bob", "approved by tester, who is also its creator"),
        (
            "tester+keys@example.com",
            "bob",
            "bob",
            "approved by tester+keys@example.com, who is also its creator",
        ),
        ("alice", "alice", "bob", "approved by alice, who is also its operator"),
        ("alice@example.com", "bob", "alice+x", "who is also its operator"),
    ] {
        sandbox.file("allowed_signers", format!("{names} {}\n", key.public));
        let flags = [&["--operator", operator], &allowed[..]].concat();
        assert_refused(&estate, &run(&estate, signature, &[("USER", user)], &flags), 3, wanted);
    }
    // And every line that has the key tells whose it is.
    for line in ["tester namespaces=\"file\"", "tester valid-before=\"20200101\"", "tester cert-authority"] {
        let lines = format!("alice {}\n{line} {}\n", key.public, key.public);
        sandbox.file("allowed_signers", lines);
        let refused = run(&estate, signature, &[("USER", "bob")], &allowed);
        assert_refused(&estate, &refused, 3, "approved by tester, who is also its creator");
    }
    for line in ["alice,", ",alice", "\"\"", "\"alice,,tester\""] {
        sandbox.file("allowed_signers", format!("{line} {}\n", key.public));
        let refused = run(&estate, signature, &[("USER", "bob")], &allowed);
        assert_refused(&estate, &refused, 3, "a name among the principals is empty");
    }

    let lines = format!("alice {}\n", key.public);
    sandbox.file("allowed_signers", &lines);
    let flags = [&["--operator", "robert", "--canary", "1"], &allowed[..]].concat();
    let ran = run(&estate, signature, &[("USER", "bob")], &flags);
    assert_eq!(ran.code, 0, "{ran:?}");
    let origin = "SELECT detail ->> '$.operator' || ' ' || (detail ->> '$.settings.origin.login') || ' '
        || (detail ->> '$.settings.origin.plan_creator_login') || ' '
        || (detail ->> '$.settings.origin.allowed_signers_sha256') FROM record WHERE kind = 'run'";
    assert_eq!(column(&sandbox.log(), origin), [format!("robert bob tester {}", sha256(lines))]);
}

/// Reported of other tools, of a byte order mark: hashicorp/vault#31464, PowerShell/Win32-OpenSSH#662.
#[test]
fn spelling_never_makes_one_person_two() {
    if keys::are_missing("spelling_never_makes_one_person_two") {
        return;
    }
    let estate = estate();
    let sandbox = &estate.sandbox;
    let plan = planned(&estate, &["--operator", "jean-luc@example.com"]);
    let (key, other) = (Key::new(sandbox, "key", "ed25519"), Key::new(sandbox, "other", "ed25519"));
    let signature = key.sign(&plan, NAMESPACE);
    let (key, other) = (&key.public, &other.public);
    let creator = "who is also its creator";
    let cannot_read = "cannot read this line, so the owner of its key is unknown: the name holds U+";
    for (lines, wanted) in [
        // A byte order mark at the start of the file is not part of the first name.
        (format!("\u{feff}jean-luc@example.com {key}\n"), creator),
        (format!("\u{feff}# people\njean-luc@example.com {key}\n"), creator),
        (format!("jean\u{2010}luc@example.com {key}\n"), creator),
        (format!("Jean-Luc {key}\n"), creator),
        (format!("\u{ff4a}ean-luc@example.com {key}\n"), creator),
        // A Cyrillic letter that looks like the Latin one.
        (format!("je\u{430}n-luc@example.com {key}\n"), creator),
        // Anywhere else an invisible character is refused, with its line.
        (format!("# people\n\u{feff}jean-luc@example.com {key}\n"), cannot_read),
        (format!("alice\u{200b},jean-luc {key}\n"), cannot_read),
        (format!("jean\u{ad}-luc@example.com {key}\n"), cannot_read),
        (format!("\u{a0}jean-luc@example.com {key}\n"), cannot_read),
        // Two names for one key are one person, also with another key of theirs.
        (format!("alice {key}\njean-luc@example.com {key}\n"), creator),
        (format!("alice {key}\nAlice {other}\njean-luc namespaces=\"git\" {other}\n"), creator),
        (format!("alice {key}\n*@example.com namespaces=\"git\" {key}\n"), "the pattern `*@example.com`"),
    ] {
        sandbox.file("allowed_signers", &lines);
        let refused = run(
            &estate,
            signature.to_str().unwrap(),
            &[("USER", "bob")],
            &["--allowed-signers", "allowed_signers", "--operator", "bob"],
        );
        assert_refused(&estate, &refused, 3, wanted);
    }
    // Two people stay two.
    sandbox
        .file("allowed_signers", format!("\u{feff}alice {key}\njean-luc {other}\n*@example.com {other}\n"));
    let flags = ["--allowed-signers", "allowed_signers", "--operator", "bob", "--dry-run"];
    let shown = run(&estate, signature.to_str().unwrap(), &[("USER", "bob")], &flags);
    assert_eq!(shown.code, 0, "{shown:?}");
}

#[test]
fn the_approver_does_not_go_on_under_another_name() {
    if keys::are_missing("the_approver_does_not_go_on_under_another_name") {
        return;
    }
    let estate = Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"]);
    let plan = planned(&estate, &[]);
    let key = Key::new(&estate.sandbox, "key", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    let lines = format!("alice {}\nally valid-before=\"20200101\" {}\n", key.public, key.public);
    estate.sandbox.file("allowed_signers", lines);
    let flags = ["--allowed-signers", "allowed_signers", "--canary", "1"];
    assert_eq!(run(&estate, signature.to_str().unwrap(), &[], &flags).code, 4);
    for (user, operator) in [("alice", "bob"), ("bob", "alice"), ("ally", "bob"), ("bob", "ally@example.com")]
    {
        let mut command = estate.decom(&["resume", "--yes", "--operator", operator]);
        let refused = command.env("USER", user).run();
        assert_eq!(refused.code, 3, "{user} {operator}: {refused:?}");
        assert!(refused.message().contains("who is also its operator"), "{refused:?}");
    }
    assert_eq!(estate.deletes().len(), 1);
    let resumed = estate.decom(&["resume", "--yes", "--operator", "robert"]).env("USER", "bob").run();
    assert_eq!(resumed.code, 1, "{resumed:?}");
    let login = "SELECT detail ->> '$.login' FROM record WHERE kind = 'resume'";
    assert_eq!(column(&estate.sandbox.log(), login), ["bob"]);
}

#[test]
fn a_revocation_list_is_not_taken_for_keys() {
    if keys::are_missing("a_revocation_list_is_not_taken_for_keys") {
        return;
    }
    let estate = estate();
    let plan = planned(&estate, &[]);
    let key = Key::new(&estate.sandbox, "key", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    estate.sandbox.file("allowed_signers", format!("alice {}\n", key.public));
    keys::revocation_list(&estate.sandbox.path("krl"), &estate.sandbox.path("key.pub"));
    let flags = ["--allowed-signers", "allowed_signers", "--revoked-signers", "krl"];
    let refused = run(&estate, signature.to_str().unwrap(), &[], &flags);
    assert_refused(
        &estate,
        &refused,
        2,
        "krl: this is a key revocation list (KRL), which decom does not read",
    );
}

#[test]
fn every_report_says_by_which_plan_and_who_approved_it() {
    if keys::are_missing("every_report_says_by_which_plan_and_who_approved_it") {
        return;
    }
    let estate = estate();
    let plan = planned(&estate, &[]);
    let digest = decom::plan::SavedPlan::read(&plan).unwrap().0.digest;
    let key = Key::new(&estate.sandbox, "key", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    estate.sandbox.file("allowed_signers", format!("alice {}\n", key.public));
    let ran = run(&estate, signature.to_str().unwrap(), &[], &["--allowed-signers", "allowed_signers"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for format in ["table", "csv", "json", "md"] {
        for what in [&[][..], &["--datasource", "acme"]] {
            let report = [&["report", "--format", format], what].concat();
            let report = estate.sandbox.decom(&report).run().stdout;
            assert!(report.contains(&digest) && report.contains("alice"), "{format} {what:?}: {report}");
        }
    }
    // In a CSV, beside every target.
    let report = estate.sandbox.decom(&["report", "--format", "csv"]).run().stdout;
    let rows = report.lines().filter(|line| line.ends_with(&format!(",{digest},alice,3")));
    assert_eq!(rows.count(), 3, "{report}");
}
