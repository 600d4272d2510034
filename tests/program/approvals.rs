//! The approval of a plan by a second person, with keys and signatures by the real `ssh-keygen`,
//! whose own verdict on each is asked for as well.

use std::path::Path;

use crate::plan_runs::planned;
use crate::support::keys::{self, Key, NAMESPACE, verified};
use crate::support::{Estate, Output, column};

fn estate() -> Estate {
    Estate::of(&["zeta", "acme", "globex", "other-1", "other-2", "other-3", "other-4"])
}

/// Runs the plan with this approval. The plan's creator is `tester`; its operator is bob.
fn run(estate: &Estate, signature: &Path, flags: &[&str]) -> Output {
    let mut command = estate.decom(&["run", "--plan", "plan.json", "--yes", "--operator", "bob"]);
    command.args(["--allowed-signers", "allowed_signers"]).arg("--approval").arg(signature);
    command.args(flags).run()
}

#[test]
fn every_kind_of_key_approves() {
    if keys::are_missing("every_kind_of_key_approves") {
        return;
    }
    for kind in ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048", "rsa-3072"] {
        let estate = estate();
        let plan = planned(&estate, &[]);
        let key = Key::new(&estate.sandbox, "alice", kind);
        let signature = key.sign(&plan, NAMESPACE);
        let allowed = format!("alice@example.com {}\n", key.public);
        let allowed = estate.sandbox.file("allowed_signers", allowed);
        assert!(verified(&plan, &signature, &allowed, None, "alice@example.com"), "{kind}");
        estate.sandbox.file("strict.toml", "[safety]\nrequire_approval = true\n");

        let ran = run(&estate, &signature, &["--config", "strict.toml"]);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
        let log = estate.sandbox.log();
        assert_eq!(column(&log, "SELECT approved_by FROM runs"), ["alice@example.com"], "{kind}");
        let fingerprint = column(
            &log,
            "SELECT detail ->> '$.settings.origin.approved_with' FROM record WHERE kind = 'run'",
        );
        assert!(fingerprint[0].starts_with("SHA256:"), "{kind}: {fingerprint:?}");
        for format in ["table", "md", "json", "html"] {
            let report = estate.sandbox.decom(&["report", "--format", format]).run();
            assert!(report.stdout.contains("alice@example.com"), "{format}: {report:?}");
            let shown = [fingerprint[0].as_str(), "a signed approval of the plan"];
            assert!(format != "html" || shown.iter().all(|it| report.stdout.contains(it)), "{report:?}");
        }
        let runs = estate.sandbox.decom(&["runs", "--format", "csv"]).run();
        assert!(runs.stdout.contains(",alice@example.com,"), "{runs:?}");
    }
}

/// One way to be approved, or not.
struct Case<'a> {
    what: &'a str,
    allowed: String,
    signature: &'a Path,
    flags: &'a [&'a str],
    /// What the refusal says; nothing where the plan is approved.
    wanted: Option<&'a str>,
    /// What ssh-keygen finds, for this identity.
    ssh: (&'a str, bool),
}

#[test]
fn who_approves_and_who_does_not() {
    if keys::are_missing("who_approves_and_who_does_not") {
        return;
    }
    let estate = estate();
    let (plan, sandbox) = (planned(&estate, &[]), &estate.sandbox);
    let alice = Key::new(sandbox, "alice", "ed25519");
    let carol = Key::new(sandbox, "carol", "ed25519");
    let short = Key::new(sandbox, "short", "rsa-1024");
    let (key, hers) = (&alice.public, &carol.public);
    let good = &alice.sign(&plan, NAMESPACE);
    let for_files = &alice.sign(&plan, "file");
    let by_short = &short.sign(&plan, NAMESPACE);
    // The same plan to the last value, in other bytes.
    let compact: serde_json::Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    let dave = Key::new(sandbox, "dave", "ed25519");
    let of_other_bytes = &dave.sign(&sandbox.file("compact.json", compact.to_string()), NAMESPACE);
    let garbage = &sandbox
        .file("garbage.sig", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n");
    sandbox.file("revoked", format!("# gone\n{hers}\n{key} old laptop\n"));
    sandbox.file("others_revoked", format!("{hers}\n"));
    let revoked: &[&str] = &["--revoked-signers", "revoked"];
    let others_revoked: &[&str] = &["--revoked-signers", "others_revoked"];

    let case = |what, allowed: String, wanted, ssh| Case {
        what,
        allowed,
        signature: good,
        flags: &[],
        wanted,
        ssh: ("alice", ssh),
    };
    let not_allowed = Some("no allowed signer has the key SHA256:");
    let cases = [
        case("a plain line", format!("alice {key}\n"), None, true),
        case("among others", format!("# people\n\ncarol {hers}\n  alice {key} her laptop\n"), None, true),
        case("by two names", format!("alice,alice@example.com {key}"), None, true),
        case("by a quoted name", format!("\"alice\" {key}"), None, true),
        case("for plans", format!("alice namespaces=\"decom-plan\" {key}"), None, true),
        case("for plans among others", format!("alice NAMESPACES=\"git,decom-*\" {key}"), None, true),
        case(
            "in time",
            format!("alice valid-after=\"20200101\",valid-before=\"209901010000\" {key}"),
            None,
            true,
        ),
        Case { flags: others_revoked, ..case("others revoked", format!("alice {key}"), None, true) },
        case("nobody", String::new(), not_allowed, false),
        case("somebody else", format!("carol {hers}"), not_allowed, false),
        case("her name on another key", format!("alice {hers}"), not_allowed, false),
        case("for files", format!("alice namespaces=\"file\" {key}"), not_allowed, false),
        case("not for plans", format!("alice namespaces=\"!decom-plan,*\" {key}"), not_allowed, false),
        case("too early", format!("alice valid-after=\"20990101\" {key}"), not_allowed, false),
        case("too late", format!("alice valid-before=\"20200101\" {key}"), not_allowed, false),
        case("an authority", format!("alice cert-authority {key}"), not_allowed, false),
        case(
            "an unknown option",
            format!("alice strange=\"1\" {key}"),
            Some(
                "line 1: cannot read this line, so the owner of its key is unknown: the option `strange=\"1\"` is not known",
            ),
            false,
        ),
        case(
            "twice the same option",
            format!("alice namespaces=\"file\",namespaces=\"*\" {key}"),
            Some(
                "line 1: cannot read this line, so the owner of its key is unknown: the option `namespaces` is given twice",
            ),
            false,
        ),
        case(
            "no quotes",
            format!("alice namespaces=decom-plan {key}"),
            Some("the value of `namespaces` is not in quotes"),
            false,
        ),
        case("no time", format!("alice valid-before=\"soon\" {key}"), Some("`soon` is not a time"), false),
        case("no key", "alice\n".to_owned(), Some("line 1: cannot read this line"), false),
        case(
            "half a key",
            "alice ssh-ed25519 AAAAC3Nz".to_owned(),
            Some("line 1: cannot read this line"),
            false,
        ),
        Case {
            flags: revoked,
            ..case("revoked", format!("alice {key}"), Some("revoked: the key SHA256:"), false)
        },
        Case {
            signature: for_files,
            ..case(
                "signed for files",
                format!("alice {key}"),
                Some("is for the namespace `file`; sign the plan for `decom-plan`"),
                false,
            )
        },
        Case {
            signature: of_other_bytes,
            ..case("other bytes", format!("alice {}", dave.public), Some("does not fit this plan"), false)
        },
        Case {
            signature: garbage,
            ..case("garbage", format!("alice {key}"), Some("this is not an SSH signature"), false)
        },
        Case {
            signature: &plan,
            ..case("no signature", format!("alice {key}"), Some("this is not an SSH signature"), false)
        },
        // Stricter than ssh-keygen, to which these are good signatures.
        Case {
            signature: by_short,
            ..case(
                "a short key",
                format!("alice {}", short.public),
                Some("RSA key of fewer than 2048 bits"),
                true,
            )
        },
        case(
            "a pattern",
            format!("* {key}"),
            Some("belongs to the pattern `*`, which does not say who approved"),
            true,
        ),
        case("a pattern besides", format!("alice,?ob {key}"), Some("belongs to the pattern `?ob`"), true),
        Case {
            ssh: ("tester@example.com", true),
            ..case(
                "its creator",
                format!("Tester@example.com,tester@example.com {key}"),
                Some("approved by Tester@example.com, who is also its creator"),
                true,
            )
        },
        case(
            "its creator besides",
            format!("alice {key}\ntester {key}"),
            Some("approved by tester, who is also its creator"),
            true,
        ),
        Case {
            ssh: ("bob", true),
            ..case(
                "its operator",
                format!("bob {key}"),
                Some("approved by bob, who is also its operator"),
                true,
            )
        },
    ];
    let requests = estate.emulator.tally().requests;
    for Case { what, allowed, signature, flags, wanted, ssh: (identity, agrees) } in cases {
        let allowed = sandbox.file("allowed_signers", allowed);
        let revoked = flags.last().map(|name| sandbox.path(name));
        assert_eq!(
            verified(&plan, signature, &allowed, revoked.as_deref(), identity),
            agrees,
            "{what}: ssh-keygen"
        );
        let Some(wanted) = wanted else {
            // Up to the point where it would begin: it can be run only once.
            let shown = run(&estate, signature, &[flags, &["--dry-run"][..]].concat());
            assert_eq!(shown.code, 0, "{what}: {shown:?}");
            continue;
        };
        let before = estate.emulator.tally().requests;
        let refused = run(&estate, signature, flags);
        assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{what}: {refused:?}");
        assert!(refused.message().contains(wanted), "{what}: {}", refused.message());
        assert!(refused.message().ends_with("nothing was sent"), "{what}: {refused:?}");
        assert_eq!(estate.emulator.tally().requests, before, "{what}: something was sent");
    }
    assert!(estate.emulator.tally().requests > requests, "the approved ones went as far as the listing");
    assert_eq!(estate.deletes(), []);
    assert!(!estate.sandbox.log().exists(), "no run was begun");

    // A second plan of the same names is another plan.
    std::fs::remove_file(&plan).unwrap();
    planned(&estate, &[]);
    sandbox.file("allowed_signers", format!("alice {key}\n"));
    let refused = run(&estate, good, &[]);
    assert!(refused.message().contains("does not fit this plan"), "{refused:?}");
    assert_eq!((refused.code, estate.deletes().len()), (3, 0));
}

#[test]
fn an_approval_without_its_files_is_a_usage_error() {
    if keys::are_missing("an_approval_without_its_files_is_a_usage_error") {
        return;
    }
    let estate = estate();
    let plan = planned(&estate, &[]);
    let signature = Key::new(&estate.sandbox, "alice", "ed25519").sign(&plan, NAMESPACE);
    let requests = estate.emulator.tally().requests;
    estate.sandbox.pipe("fifo");
    for (signature, allowed, wanted) in [
        (signature.as_path(), None, "name it with --allowed-signers FILE"),
        (&signature, Some("nowhere"), "nowhere: cannot read it"),
        (&signature, Some("fifo"), "fifo: cannot read it: it is not a regular file"),
        (Path::new("nowhere.sig"), Some("plan.json"), "nowhere.sig: cannot read it"),
        (Path::new("fifo"), Some("plan.json"), "fifo: cannot read it: it is not a regular file"),
    ] {
        let mut command = estate.decom(&["run", "--plan", "plan.json", "--yes"]);
        command.arg("--approval").arg(signature);
        command.args(allowed.iter().flat_map(|file| ["--allowed-signers", file]));
        let refused = command.run();
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.message().contains(wanted), "{refused:?}");
    }
    assert_eq!(estate.emulator.tally().requests, requests);
}

#[test]
fn armor_of_any_line_width_is_accepted() {
    if keys::are_missing("armor_of_any_line_width_is_accepted") {
        return;
    }
    let estate = estate();
    let plan = planned(&estate, &[]);
    for kind in ["ed25519", "rsa-2048"] {
        let key = Key::new(&estate.sandbox, kind, kind);
        let signature = key.sign(&plan, NAMESPACE);
        let allowed = estate.sandbox.file("allowed_signers", format!("alice {}\n", key.public));
        for width in [1, 64, 76, 10_000] {
            keys::rewrap(&signature, width, "\n");
            assert!(verified(&plan, &signature, &allowed, None, "alice"), "{kind} {width}: ssh-keygen");
            let shown = run(&estate, &signature, &["--dry-run"]);
            assert_eq!(shown.code, 0, "{kind} {width}: {shown:?}");
        }
    }
}

#[test]
fn where_an_approval_is_required_nothing_runs_without_one() {
    if keys::are_missing("where_an_approval_is_required_nothing_runs_without_one") {
        return;
    }
    // The first one is in use, which stops the canary.
    let estate = Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"]);
    let plan = planned(&estate, &[]);
    estate.sandbox.file("strict.toml", "[safety]\nrequire_approval = true\n");
    let strict = |arguments: &[&str]| {
        let before = estate.emulator.tally().requests;
        let refused = estate.decom(&[arguments, &["--yes", "--config", "strict.toml"]].concat()).run();
        assert_eq!(refused.code, 3, "{arguments:?}: {refused:?}");
        assert!(refused.message().contains("safety.require_approval"), "{refused:?}");
        assert_eq!(estate.emulator.tally().requests, before, "{arguments:?}: something was sent");
    };
    estate.sandbox.file("one.csv", "name\nglobex\n");
    strict(&["run", "one.csv"]);
    strict(&["run", "--plan", "plan.json"]);
    assert!(!estate.sandbox.log().exists());

    // Begun without an approval, by a configuration that wanted none.
    let stopped = estate.decom(&["run", "--plan", "plan.json", "--yes", "--canary", "1"]).run();
    assert_eq!(stopped.code, 4, "{stopped:?}");
    let run_id = column(&estate.sandbox.log(), "SELECT run_id FROM runs").remove(0);
    strict(&["resume"]);
    strict(&["resume", &run_id]);
    strict(&["retry", &run_id]);
    strict(&["run", "--plan", "plan.json"]);
    // An approval that comes later does not make it an approved run.
    let key = Key::new(&estate.sandbox, "alice", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    estate.sandbox.file("allowed_signers", format!("alice {}\n", key.public));
    let late = run(&estate, &signature, &["--config", "strict.toml"]);
    assert_eq!(late.code, 3, "{late:?}");
    assert_eq!(estate.deletes(), [("acme".to_owned(), false)]);
}

#[test]
fn an_approved_run_is_continued_by_anybody_but_its_approver() {
    if keys::are_missing("an_approved_run_is_continued_by_anybody_but_its_approver") {
        return;
    }
    let estate = Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"]);
    let plan = planned(&estate, &[]);
    estate.sandbox.file("strict.toml", "[safety]\nrequire_approval = true\n");
    let key = Key::new(&estate.sandbox, "alice", "ed25519");
    let signature = key.sign(&plan, NAMESPACE);
    estate.sandbox.file("allowed_signers", format!("alice@example.com {}\n", key.public));
    let stopped = run(&estate, &signature, &["--canary", "1", "--config", "strict.toml"]);
    assert_eq!(stopped.code, 4, "{stopped:?}");
    let resume = |operator| {
        let flags = ["resume", "--yes", "--config", "strict.toml", "--operator", operator];
        estate.decom(&flags).run()
    };
    let herself = resume("alice");
    assert_eq!(herself.code, 3, "{herself:?}");
    assert!(
        herself.message().contains("approved by alice@example.com, who is also its operator"),
        "{herself:?}"
    );
    assert_eq!(estate.deletes().len(), 1);
    let resumed = resume("bob");
    assert_eq!(resumed.code, 1, "{resumed:?}");
    assert_eq!(estate.deletes().len(), 3);
}
