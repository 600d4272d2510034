//! `decom run --plan`: exactly what was planned, once, or nothing at all.

use std::path::PathBuf;

use decom::domain::Token;
use decom::plan::SavedPlan;
use serde_json::{Value, json};

use crate::support::{Estate, Output, TOKEN, column, sha256};

/// What every plan here is to delete, out of order and with one name again.
const NAMES: &str = "name,reason,ticket\nglobex,,\nacme,contract ended,OFF-1\nzeta,,\nglobex,,\n";

/// An API with the planned datasources and enough others.
fn estate() -> Estate {
    Estate::of(&["zeta", "acme", "globex", "other-1", "other-2", "other-3", "other-4"])
}

/// Plans the deletion of [`NAMES`].
pub fn planned(estate: &Estate, flags: &[&str]) -> PathBuf {
    estate.sandbox.file("names.csv", NAMES);
    let said = estate.decom(&[&["plan", "names.csv", "--out", "plan.json"], flags].concat()).run();
    assert_eq!(said.code, 0, "{said:?}");
    // Whatever becomes of the input: the plan is what counts.
    estate.sandbox.file("names.csv", "name\nother-1\n");
    estate.sandbox.path("plan.json")
}

/// Plans, changes the plan, and seals it anew, as somebody could who has the token.
fn resealed(estate: &Estate, change: impl FnOnce(&mut SavedPlan)) -> PathBuf {
    resealed_with(estate, TOKEN, change)
}

/// The same by somebody with this token.
pub fn resealed_with(estate: &Estate, token: &str, change: impl FnOnce(&mut SavedPlan)) -> PathBuf {
    let (mut plan, _) = SavedPlan::read(&planned(estate, &[])).unwrap();
    change(&mut plan);
    let path = estate.sandbox.path("resealed.json");
    plan.sealed(&Token::new(token).unwrap()).write(&path).unwrap();
    path
}

/// Runs a plan without a rate limit.
fn run(estate: &Estate, plan: &str, flags: &[&str]) -> Output {
    estate.decom(&[&["run", "--plan", plan, "--yes"], flags].concat()).run()
}

/// Nothing at all has reached the API since `requests`, and no run has begun.
fn assert_nothing_happened(estate: &Estate, requests: u64, runs: usize, what: &str) {
    assert_eq!(estate.emulator.tally().requests, requests, "{what}: something was sent");
    let log = estate.sandbox.log();
    if log.exists() {
        assert_eq!(column(&log, "SELECT run_id FROM runs").len(), runs, "{what}: a run was begun");
    }
}

/// That `said` is a refusal with this message before anything was sent.
fn assert_refused(estate: &Estate, requests: u64, said: &Output, wanted: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{wanted}: {said:?}");
    assert!(said.message().contains(wanted), "`{wanted}` is not in: {}", said.message());
    assert!(said.message().ends_with("nothing was sent"), "{said:?}");
    assert_nothing_happened(estate, requests, 0, wanted);
    assert_eq!(estate.deletes(), [], "{wanted}");
}

#[test]
fn a_plan_runs_exactly_and_its_digest_is_everywhere() {
    let estate = estate();
    planned(&estate, &["--reason", "clean up", "--ticket", "T-1"]);
    let (plan, _) = SavedPlan::read(&estate.sandbox.path("plan.json")).unwrap();
    // By a link as well: what counts is what is read.
    std::os::unix::fs::symlink("plan.json", estate.sandbox.path("link.json")).unwrap();
    let ran = run(&estate, "link.json", &["--concurrency", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");

    let planned: Vec<_> = plan.targets.iter().map(|target| (target.name.clone(), true)).collect();
    assert_eq!(planned.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["acme", "globex", "zeta"]);
    assert_eq!(estate.deletes(), planned);
    let log = estate.sandbox.log();
    assert_eq!(column(&log, "SELECT plan_digest FROM runs"), [plan.digest.as_str()]);
    assert_eq!(
        column(&log, "SELECT input || ' ' || input_sha256 FROM runs"),
        [format!("names.csv {}", plan.input_sha256.as_deref().unwrap())]
    );
    // What the input said of a target goes with it.
    let of_acme = "SELECT reason || ' ' || ticket FROM record WHERE kind = 'target' AND name = 'acme'";
    assert_eq!(column(&log, of_acme), ["contract ended OFF-1"]);
    for arguments in [
        &["report"][..],
        &["report", "--format", "md"],
        &["report", "--format", "json"],
        &["report", "--format", "html"],
        &["runs", "--format", "csv"],
        &["runs", "--format", "json"],
    ] {
        let report = estate.sandbox.decom(arguments).run();
        assert!(report.stdout.contains(&plan.digest), "{arguments:?}: {report:?}");
    }
    assert_eq!(column(&log, "SELECT approved_by IS NULL FROM runs"), ["1"], "nobody approved it");
}

#[test]
fn what_is_refused_before_anything_is_sent() {
    let other = Estate::of(&["acme"]);
    type Case<'a> = (&'a dyn Fn(&Estate) -> PathBuf, &'a [&'a str], &'a str);
    let good = |estate: &Estate| planned(estate, &[]);
    let expired =
        |estate: &Estate| resealed(estate, |plan| plan.expires_at = "2026-01-01T00:00:00.000000Z".to_owned());
    let elsewhere =
        |estate: &Estate| resealed(estate, |plan| plan.base_url = other.emulator.base_url().to_owned());
    // Somebody who knows the format and has a token, but not this one.
    let foreign =
        |estate: &Estate| resealed_with(estate, "dbn_live_another", |plan| plan.targets.truncate(1));
    let unsealed = |estate: &Estate| {
        let path = planned(estate, &[]);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut plan: Value = serde_json::from_str(&text).unwrap();
        plan["token_seal"] = json!("0".repeat(64));
        // What anybody can compute, is right.
        plan["digest"] = json!("");
        let bare: SavedPlan = serde_json::from_value(plan.clone()).unwrap();
        plan["digest"] = json!(sha256(serde_json::to_vec(&bare).unwrap()));
        estate.sandbox.file("unsealed.json", plan.to_string())
    };
    let unsorted = |estate: &Estate| {
        let text = std::fs::read_to_string(planned(estate, &[])).unwrap();
        let mut plan: Value = serde_json::from_str(&text).unwrap();
        plan["targets"].as_array_mut().unwrap().reverse();
        estate.sandbox.file("unsorted.json", plan.to_string())
    };
    let cases: &[Case] = &[
        (&expired, &[], "the plan expired at 2026-01-01T00:00:00.000000Z"),
        (&elsewhere, &[], "the plan is for http://127.0.0.1:"),
        (&foreign, &[], "the plan was made with another service token, or was edited"),
        (&unsealed, &[], "the plan was made with another service token, or was edited"),
        (&unsorted, &[], "the plan was altered after it was made"),
        (&good, &["--config", "strict.toml"], "a second person must approve the plan"),
    ];
    for (plan, flags, wanted) in cases {
        let estate = estate();
        estate.sandbox.file("strict.toml", "[safety]\nrequire_approval = true\n");
        let plan = plan(&estate);
        let requests = estate.emulator.tally().requests;
        let refused = run(&estate, plan.to_str().unwrap(), flags);
        assert_refused(&estate, requests, &refused, wanted);
        // Whatever is asked for besides.
        let insisting = run(&estate, plan.to_str().unwrap(), &[flags, &["--again"][..]].concat());
        assert_refused(&estate, requests, &insisting, wanted);
        // And the plan that is not refused for this is run.
        assert_eq!(run(&estate, "plan.json", &[]).code, 0, "{wanted}");
    }
    assert_eq!(other.emulator.tally().requests, 0);
}

#[test]
fn another_token() {
    let estate = estate();
    planned(&estate, &[]);
    let requests = estate.emulator.tally().requests;
    let mut command = estate.decom(&["run", "--plan", "plan.json", "--yes"]);
    let refused = command.env("DATABRAIN_TOKEN", "dbn_live_another").run();
    assert_refused(&estate, requests, &refused, "the plan was made with another service token");
}

#[test]
fn the_guards_and_the_question_hold_for_a_plan_too() {
    let estate = estate();
    planned(&estate, &[]);
    for (flags, wanted) in [
        (&["--yes", "--max-deletes", "2"][..], "if all are meant, pass --max-deletes 3"),
        (&["--yes", "--max-share", "20"], "if all are meant, raise --max-share"),
        (&[], "there is no terminal to confirm on; run again with --yes"),
    ] {
        let refused = estate.decom(&[&["run", "--plan", "plan.json"], flags].concat()).run();
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.message().contains(wanted), "{refused:?}");
        assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0]);
    }
    assert_eq!(estate.deletes(), []);
}

/// Every value that a plan holds, changed one at a time.
#[test]
fn an_altered_plan_is_refused_whatever_was_altered() {
    let estate = estate();
    let path = planned(&estate, &["--reason", "clean up", "--protect", "prod-*"]);
    let plan: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let requests = estate.emulator.tally().requests;
    let altered = |value: &Value| match value {
        Value::String(text) => json!(format!("{text}x")),
        Value::Number(number) if number.is_f64() => json!(number.as_f64().unwrap() + 1.0),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Null => json!("something"),
        Value::Array(_) => json!([]),
        other => panic!("no such value is in a plan: {other}"),
    };
    let mut cases = vec![];
    for (field, value) in plan.as_object().unwrap() {
        if field == "guards" {
            for (guard, value) in value.as_object().unwrap() {
                cases.push((format!("/guards/{guard}"), altered(value)));
            }
        } else if field != "skipped" {
            cases.push((format!("/{field}"), altered(value)));
        }
    }
    cases.push(("/skipped".to_owned(), json!([{ "name": "x", "why": "y" }])));
    cases.push(("/targets/1/name".to_owned(), json!("globe")));
    cases.push(("/targets/0/reason".to_owned(), json!("none")));
    cases.push(("/targets/0/ticket".to_owned(), json!("OFF-2")));
    assert_eq!(
        cases.len(),
        21,
        "format, id, times, creator, place, token, input, why, guards, lists, digest"
    );
    for (field, value) in cases {
        let mut changed = plan.clone();
        *changed.pointer_mut(&field).unwrap() = value;
        estate.sandbox.file("altered.json", changed.to_string());
        let refused = run(&estate, "altered.json", &[]);
        assert_eq!(refused.code, 3, "{field}: {refused:?}");
        assert!(refused.message().contains("the plan was altered after it was made"), "{field}: {refused:?}");
        assert_nothing_happened(&estate, requests, 0, &field);
        let shown = estate.sandbox.decom(&["plan", "--show", "altered.json"]).run();
        assert_eq!((shown.code, shown.stdout.as_str()), (3, ""), "{field}: {shown:?}");
    }
}

/// No byte can be another, nor a letter of the other case, be it in a value, a key or between them.
#[test]
fn a_plan_with_one_bit_flipped_is_none() {
    let estate = estate();
    let good = std::fs::read(planned(&estate, &["--reason", "clean up", "--max-share", "43.3"])).unwrap();
    assert!(SavedPlan::read(&estate.sandbox.path("plan.json")).is_ok());
    let path = estate.sandbox.path("flipped.json");
    for (at, bit) in (0..good.len()).flat_map(|at| [0, 5].map(|bit| (at, bit))) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << bit;
        // White space for white space means the same; that the bytes differ, a signature tells.
        if !(good[at].is_ascii_whitespace() && flipped[at].is_ascii_whitespace()) {
            std::fs::write(&path, &flipped).unwrap();
            assert!(SavedPlan::read(&path).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_pattern_that_no_name_can_match_is_refused_in_a_plan() {
    let estate = estate();
    resealed(&estate, |plan| plan.guards.protect.push("prod-*\nbilling".to_owned()));
    let requests = estate.emulator.tally().requests;
    let refused = run(&estate, "resealed.json", &[]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.message().contains("holds the control character U+000A"), "{refused:?}");
    assert_eq!(estate.emulator.tally().requests, requests);
    assert!(!estate.sandbox.log().exists());
}

/// Numbers come back as they were written, for whatever share was configured.
#[test]
fn any_share_survives_being_saved() {
    let estate = estate();
    planned(&estate, &[]);
    let (plan, _) = SavedPlan::read(&estate.sandbox.path("plan.json")).unwrap();
    let (path, token) = (estate.sandbox.path("again.json"), Token::new(TOKEN).unwrap());
    for step in 1..=2000 {
        let mut plan = plan.clone();
        plan.guards.max_share = 100.0 / f64::from(step);
        plan.sealed(&token).write(&path).unwrap();
        assert!(SavedPlan::read(&path).is_ok(), "{}", 100.0 / f64::from(step));
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_is_no_plan() {
    let estate = estate();
    let sandbox = &estate.sandbox;
    sandbox.file("empty.json", "");
    sandbox.file("names.json", NAMES);
    sandbox.file("more.json", r#"{"format":1,"more":true}"#);
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    sandbox.pipe("fifo");
    for (path, wanted) in [
        ("empty.json", "this is not a plan of decom"),
        ("names.json", "this is not a plan of decom"),
        ("more.json", "this is not a plan of decom: unknown field `more`"),
        ("folder", "it is not a regular file"),
        // Nobody writes to it: waiting for it would be for ever.
        ("fifo", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("nowhere.json", "No such file or directory"),
    ] {
        for arguments in [&["run", "--yes", "--plan", path][..], &["plan", "--show", path]] {
            let refused = estate.decom(arguments).run();
            assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{path}: {refused:?}");
            assert!(refused.message().contains(wanted), "{path}: {refused:?}");
            assert!(refused.message().starts_with(path) || refused.stderr.contains(path), "{refused:?}");
        }
    }
    assert_eq!(estate.emulator.tally().requests, 0);
}

#[test]
fn a_plan_is_run_once() {
    let estate = estate();
    planned(&estate, &[]);
    assert_eq!(run(&estate, "plan.json", &[]).code, 0);
    let (requests, sent) = (estate.emulator.tally().requests, estate.deletes());
    let run_id = column(&estate.sandbox.log(), "SELECT run_id FROM runs").remove(0);
    for flags in [&[][..], &["--again"], &["--dry-run"]] {
        let refused = run(&estate, "plan.json", flags);
        assert_eq!(refused.code, 3, "{refused:?}");
        let wanted = format!("run {run_id} has carried out the plan already; make a new one");
        assert!(refused.message().contains(&wanted), "{refused:?}");
        assert_nothing_happened(&estate, requests, 1, "again");
    }
    assert_eq!(estate.deletes(), sent);
}

#[test]
fn an_interrupted_plan_is_continued_by_the_same_command() {
    // The first one is in use, which stops the canary.
    let estate = Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"]);
    planned(&estate, &[]);
    let stopped = run(&estate, "plan.json", &["--canary", "1"]);
    assert_eq!(stopped.code, 4, "{stopped:?}");
    assert_eq!(estate.deletes(), [("acme".to_owned(), false)]);

    // Protected since: it goes on without that name.
    let continued = run(&estate, "plan.json", &["--protect", "zeta"]);
    assert_eq!(continued.code, 1, "acme is in use: {continued:?}");
    assert!(
        continued.stdout.contains("zeta  protected; matches the protected pattern `zeta`"),
        "{continued:?}"
    );
    let sent: Vec<_> = estate.deletes().into_iter().skip(1).collect();
    assert_eq!(sent, [("globex".to_owned(), true)]);
    let log = estate.sandbox.log();
    assert_eq!(column(&log, "SELECT status FROM runs"), ["finished"], "it is one run");
    let refused = run(&estate, "plan.json", &[]);
    assert!(refused.message().contains("has carried out the plan already"), "{refused:?}");
}

#[test]
fn a_resumed_plan_respects_protection() {
    let estate = Estate::with_first_in_use(&["acme", "globex", "zeta", "other-1", "other-2", "other-3"]);
    planned(&estate, &[]);
    assert_eq!(run(&estate, "plan.json", &["--canary", "1"]).code, 4);
    let resumed = estate.decom(&["resume", "--yes", "--protect", "zeta"]).run();
    assert_eq!(resumed.code, 1, "{resumed:?}");
    assert_eq!(estate.deletes(), [("acme".to_owned(), false), ("globex".to_owned(), true)]);
    let zeta = "SELECT outcome || ' ' || detail FROM results WHERE datasource = 'zeta'";
    assert_eq!(column(&estate.sandbox.log(), zeta), ["skipped protected"]);
}

/// What went since the plan was made is skipped, and no reason to refuse the rest.
#[test]
fn targets_that_are_gone_since_are_skipped() {
    let estate = estate();
    planned(&estate, &[]);
    estate.sandbox.file("one.csv", "name\nglobex\n");
    assert_eq!(estate.decom(&["run", "one.csv", "--yes"]).run().code, 0);
    let ran = run(&estate, "plan.json", &["--concurrency", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = estate.deletes();
    assert_eq!(sent.iter().filter(|(name, _)| name == "globex").count(), 1, "{sent:?}");
    assert_eq!(sent.len(), 3);
    let globex = "SELECT outcome FROM results WHERE datasource = 'globex' ORDER BY outcome";
    assert_eq!(column(&estate.sandbox.log(), globex), ["deleted", "skipped"]);
}

#[test]
fn a_dry_run_of_a_plan_does_nothing() {
    let estate = estate();
    planned(&estate, &[]);
    let shown = estate.decom(&["run", "--plan", "plan.json", "--dry-run"]).run();
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.lines().all(|line| line.starts_with("(dry run) ")), "{shown:?}");
    assert!(!estate.sandbox.log().exists());
    assert_eq!(estate.deletes(), []);
}
