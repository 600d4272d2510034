//! A datasource and a datamart of one name are two resources: to the log, to its readers, and to those who verify it.

use std::path::Path;
use std::time::Duration;

use decom::audit::verify::{AnchorCheck, Weight, verify};
use decom::audit::{AuditLog, AuditReader, DuePart, LogOptions, Recorder, RunOpening};
use decom::domain::{
    Answer, AttemptEnd, AttemptStart, CustomerRequest, DatasourceName, Evidence, NewTarget, Next, Outcome,
    ResourceKind, Seq, SessionFacts, Target, TargetRole, Timestamp, Verdict,
};

use crate::support::forgery::rewrite;
use crate::support::{Sandbox, rows};

const AT: Timestamp = Timestamp::from_micros(1_764_000_000_000_000);
const HOST: &str = "http://127.0.0.1";

pub(super) fn open(path: &Path) -> AuditLog {
    let options = LogOptions {
        holder: "process of a test".to_owned(),
        new_log_id: "0123456789abcdef".to_owned(),
        tool_version: "0".to_owned(),
        at: AT,
        clock_tolerance: Duration::from_mins(1),
        checkpoints: None,
    };
    AuditLog::open(path, &options).unwrap()
}

pub(super) fn opening(run_id: &str, base_url: &str) -> RunOpening {
    RunOpening {
        run_id: run_id.to_owned(),
        at: AT,
        input: "names.csv".to_owned(),
        input_sha256: None,
        targets_sha256: None,
        operator: "a test".to_owned(),
        reason: None,
        ticket: None,
        base_url: base_url.to_owned(),
        token_fingerprint: String::new(),
        tool_version: "0".to_owned(),
        host: String::new(),
        session: SessionFacts::default(),
        settings: serde_json::json!({ "with_datamarts": true }),
    }
}

fn datamart() -> TargetRole {
    TargetRole::Dependant { of: "acme".to_owned(), definition_sha256: "ab".repeat(32) }
}

/// Begins a run over a datamart and the datasource that it reads, both called `acme`.
async fn begin(recorder: &Recorder, run_id: &str) -> Seq {
    let target = |role| NewTarget {
        name: DatasourceName::new("acme").unwrap(),
        role,
        reason: None,
        ticket: None,
        request: CustomerRequest::default(),
        skip: None,
    };
    let targets = [target(datamart()), target(TargetRole::Group { datamarts: 1 })].map(Ok);
    recorder.begin_run(opening(run_id, HOST), Box::new(targets.into_iter())).await.unwrap()
}

/// Records an attempt for `target`, and its answer.
async fn attempt(recorder: &Recorder, run: Seq, target: Target, verdict: Verdict, next: Next) {
    let start = AttemptStart { target: target.seq, number: 1, at: AT, waited: Duration::ZERO };
    recorder.attempt_starts(run, start).await.unwrap();
    let http_status = if verdict == Verdict::Deleted { Some(200) } else { None };
    let answer = Answer { verdict, http_status, error_code: None, message: None, datasource_id: None };
    let (latency, dependants) = (Duration::ZERO, None);
    let end = AttemptEnd { target, number: 1, at: AT, latency, answer, next, dependants };
    recorder.attempt_ended(run, end);
    recorder.flush().await.unwrap();
}

#[tokio::test]
async fn what_became_of_a_datamart_says_nothing_of_the_datasource_of_its_name() {
    let sandbox = Sandbox::new();
    let path = sandbox.log();
    let log = open(&path);
    let recorder = log.recorder();
    let first = begin(&recorder, "one").await;
    let reader = AuditReader::open(&path).unwrap();
    let due = reader.due(first, DuePart::All, 0, 9).unwrap();
    let roles: Vec<_> = due.iter().map(|target| target.role.clone()).collect();
    assert_eq!(roles, [datamart(), TargetRole::Group { datamarts: 1 }]);
    let gone = Next::Settled(Outcome::Deleted, Evidence::Acknowledged);
    attempt(&recorder, first, due[0].clone(), Verdict::Deleted, gone).await;

    let second = begin(&recorder, "two").await;
    let due = reader.due(second, DuePart::All, 0, 9).unwrap();
    attempt(&recorder, second, due[1].clone(), Verdict::NoAnswer, Next::Attempt).await;

    let third = begin(&recorder, "three").await;
    for kind in ResourceKind::ALL {
        let is_datamart = kind == ResourceKind::Datamart;
        assert_eq!(reader.known_gone(kind, "acme", HOST, Seq(0)).unwrap().is_some(), is_datamart, "{kind}");
        let found = reader.should_be_gone(first, kind, "acme").unwrap();
        assert_eq!(found.is_some_and(|(_, outcome)| outcome.is_gone()), is_datamart, "{kind}");
        assert_eq!(reader.in_doubt(third, kind, "acme", HOST).unwrap(), !is_datamart, "{kind}");
        let mut accounts = reader.accounts_of(Some(kind), "acme").unwrap();
        accounts.retain(|account| account.result.kind == kind);
        let outcomes: Vec<_> = accounts.iter().map(|account| account.result.outcome.as_str()).collect();
        let expected = if is_datamart { ["deleted", "pending", "pending"] } else { ["pending"; 3] };
        assert_eq!(outcomes, expected, "{kind}");
    }
    let doubts: Vec<_> =
        reader.due(third, DuePart::All, 0, 9).unwrap().iter().map(|target| target.doubted).collect();
    assert_eq!(doubts, [false, true]);
    drop((reader, recorder));
    log.close();

    let found = rows(&path, "SELECT name, kind, datasource, dependant_of FROM results WHERE run_id = 'one'");
    assert_eq!(found, [["acme", "datamart", "", "acme"], ["acme", "datasource", "acme", ""]]);
    let found = rows(&path, "SELECT name, kind, datasource FROM attempts ORDER BY run_id");
    assert_eq!(found, [["acme", "datamart", ""], ["acme", "datasource", "acme"]]);
    let verified = verify(&path, &AnchorCheck::default()).unwrap();
    assert!(verified.findings.weight() < Weight::Unsound, "{verified:#?}");
}

#[tokio::test]
async fn verification_finds_a_doubt_of_the_other_kind_and_a_kind_that_does_not_exist() {
    for (change, kind) in [
        // Gone in doubt, although only the datasource of that name was in doubt.
        (
            "UPDATE record SET outcome = 'deleted_unconfirmed', evidence = 'absent_from_listing', verdict = NULL,
                    number = NULL, latency_us = NULL, http_status = NULL, kind = 'settle'
              WHERE kind = 'answer' AND verdict = 'deleted'",
            "doubt",
        ),
        ("UPDATE record SET detail = '{\"kind\":\"workspace\"}' WHERE seq = 3", "word"),
    ] {
        let sandbox = Sandbox::new();
        let path = sandbox.log();
        let log = open(&path);
        let recorder = log.recorder();
        let run = begin(&recorder, "one").await;
        let due = AuditReader::open(&path).unwrap().due(run, DuePart::All, 0, 9).unwrap();
        attempt(&recorder, run, due[1].clone(), Verdict::NoAnswer, Next::Attempt).await;
        let gone = Next::Settled(Outcome::Deleted, Evidence::Acknowledged);
        attempt(&recorder, run, due[0].clone(), Verdict::Deleted, gone).await;
        drop(recorder);
        log.close();
        let sound = verify(&path, &AnchorCheck::default()).unwrap();
        assert!(sound.findings.weight() < Weight::Unsound, "{sound:#?}");
        // Its request goes with the answer: without one, the target would be in doubt.
        rewrite(&path, change);
        if kind == "doubt" {
            rewrite(&path, "UPDATE record SET kind = 'check', number = NULL, waited_us = NULL, target = NULL,
                evidence = 'absent_from_listing', detail = '{\"listed\":0}' WHERE kind = 'send' AND target = 3");
        }
        let found = verify(&path, &AnchorCheck::default()).unwrap();
        assert!(found.findings.count(kind) > 0, "{kind}: {found:#?}");
    }
}
