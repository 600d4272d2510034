//! Each fault as a client sees it, and that a seed makes all of them repeatable.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;

use super::{Lab, TOKEN, numbered, sent, strings, with};
use crate::domain::lock;
use crate::emulator::{EmulatorOptions, FaultKind, Faults};

fn faulty(faults: &str) -> EmulatorOptions {
    EmulatorOptions { faults: faults.parse().unwrap(), ..with(&["a", "b"]) }
}

/// What a client sees of an attempt: a status with an error code, if there is one, or no reply.
async fn seen(lab: &Lab, name: &str) -> String {
    match lab.try_delete(name).await {
        Ok(reply) if reply.body.starts_with('{') && reply.status != StatusCode::OK => {
            format!("{} {}", reply.status.as_u16(), reply.code())
        }
        Ok(reply) => reply.status.as_u16().to_string(),
        Err(error) if error.is_body() || error.is_decode() => "cut".to_owned(),
        Err(error) => {
            assert!(error.is_request() && !error.is_connect(), "{error:?}");
            "dropped".to_owned()
        }
    }
}

#[tokio::test]
async fn faults_before_the_deletion_leave_the_datasource() {
    for (fault, expected) in [
        ("http500", "500 INTERNAL_SERVER_ERROR"),
        ("http502-html", "502"),
        ("http503", "503"),
        ("http503-retry", "503"),
        ("login-page", "200"),
        ("http200-error", "200"),
        ("drop-before", "dropped"),
        ("throttle", "429"),
    ] {
        let lab = Lab::new(faulty(&format!("{fault}=100%")));
        assert_eq!(seen(&lab, "a").await, expected, "{fault}");
        assert_eq!(seen(&lab, "a").await, expected, "{fault} again");
        assert_eq!(lab.listed().await, ["a", "b"], "{fault}");
        let tally = lab.emulator.tally();
        assert_eq!((tally.deletions, tally.throttled), (0, 0), "{fault}");
        assert_eq!(tally.faults.iter().map(|(k, n)| (k.name(), *n)).collect::<Vec<_>>(), [(fault, 2)]);
    }
}

#[tokio::test]
async fn faults_after_the_deletion_delete() {
    for (fault, expected) in [
        ("http500-after", "500 INTERNAL_SERVER_ERROR"),
        ("drop-after", "dropped"),
        ("truncate", "cut"),
        ("empty", "200"),
        ("http204", "204"),
        ("gzip", "200"),
    ] {
        let lab = Lab::new(faulty(&format!("{fault}=100%")));
        assert_eq!(seen(&lab, "a").await, expected, "{fault}");
        assert_eq!(lab.listed().await, ["b"], "{fault}");
        assert_eq!(lab.emulator.tally().deletions, 1, "{fault}");
    }
}

#[tokio::test]
async fn a_cut_answer_shows_its_head_and_half_of_its_body() {
    let lab = Lab::new(faulty("truncate=100%"));
    for (name, status) in [("a", StatusCode::OK), ("nobody", StatusCode::BAD_REQUEST)] {
        let mut response = lab.deletion(name).send().await.unwrap();
        assert_eq!(response.status(), status);
        let announced = response.content_length().unwrap();
        let chunk = response.chunk().await.unwrap().expect("something arrives");
        assert!(chunk.starts_with(b"{\"") && (chunk.len() as u64) == announced / 2);
        assert!(response.chunk().await.is_err(), "then the connection ends");
    }
}

#[tokio::test]
async fn proxies_answer_with_html_or_nothing_and_a_throttle_says_when() {
    let html = Lab::new(faulty("http502-html=100%")).delete("a").await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert!(html.body.contains("<h1>502 Bad Gateway</h1>"));
    assert_eq!(Lab::new(faulty("http503=100%")).delete("a").await.body, "");
    let throttled = Lab::new(faulty("throttle=100%")).delete("a").await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    let busy = Lab::new(faulty("http503-retry=100%")).delete("a").await;
    assert_eq!((busy.status, busy.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
}

#[tokio::test]
async fn a_status_of_success_can_come_with_any_body() {
    let faulty = |fault: &str| Lab::new(faulty(&format!("{fault}=100%,in-use=0%")));
    let login = faulty("login-page").delete("a").await;
    assert_eq!(login.header("content-type"), "text/html; charset=utf-8");
    assert!(login.body.contains("password"));
    assert_eq!(faulty("empty").delete("a").await.body, "");
    assert_eq!(faulty("http204").delete("a").await.body, "");
    let lab = faulty("http200-error");
    assert_eq!(lab.delete("a").await.json()["error"]["code"], "INTERNAL_SERVER_ERROR");
    assert_eq!(lab.delete("nobody").await.json()["error"]["code"], "DATASOURCE_NAME_ERROR");
    assert_eq!(lab.listed().await, ["a", "b"]);
    assert_eq!(faulty("empty").delete("nobody").await.code(), "DATASOURCE_NAME_ERROR");
}

#[tokio::test]
async fn compressed_replies_come_unasked_and_are_the_same_inside() {
    let lab = Lab::new(faulty("gzip=100%"));
    let response = lab.deletion("a").send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut body = String::new();
    let bytes = response.bytes().await.unwrap();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut body).unwrap();
    assert!(body.contains("Datasource deleted successfully"), "{body}");
}

#[tokio::test]
async fn shifting_pages_hide_names_or_repeat_them() {
    let faults = "shifting-pages=40%".parse().unwrap();
    let lab = Lab::new(EmulatorOptions { faults, ..EmulatorOptions::new(TOKEN, numbered(100)) });
    assert_eq!(lab.get("/api/v2/datasource").await.code(), "INVALID_REQUEST_BODY", "pages only");
    let mut passes = Vec::new();
    for _ in 0..5 {
        let mut names = Vec::new();
        for page in 1..=11 {
            let query = format!("/api/v2/datasource?isPagination=true&pageNumber={page}");
            names.extend(strings(&lab.get(&query).await.json()["data"], |entry| &entry["name"]));
        }
        passes.push(names);
    }
    let all: BTreeSet<_> = numbered(100).collect();
    let distinct = |names: &Vec<String>| names.iter().cloned().collect::<BTreeSet<_>>();
    assert!(passes.iter().any(|names| distinct(names) != all), "an existing name is not listed");
    assert!(passes.iter().any(|names| distinct(names).len() < names.len()), "a name is listed twice");
    assert!(lab.emulator.tally().faults[&FaultKind::ShiftingPages] > 0);
}

#[tokio::test]
async fn latency_delays_every_answer_and_slow_ones_by_twenty_more() {
    let timed = async |faults: &str, latency: u64| {
        let lab = Lab::new(EmulatorOptions { latency: Duration::from_millis(latency), ..faulty(faults) });
        let begun = Instant::now();
        assert_eq!(lab.delete("a").await.status, StatusCode::OK);
        begun.elapsed()
    };
    assert!(timed("none", 150).await >= Duration::from_millis(150));
    assert!(timed("slow=100%", 0).await >= Duration::from_millis(200));
    assert!(timed("slow=100%", 20).await >= Duration::from_millis(420));
}

#[tokio::test]
async fn a_client_that_leaves_before_a_slow_answer_has_deleted() {
    let latency = Duration::from_hours(1);
    let lab = Lab::new(EmulatorOptions { latency, ..faulty("slow=100%") });
    let (begun, waiting) = (Instant::now(), tokio::spawn(sent(lab.deletion("a"))));
    while lab.emulator.tally().deletions == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the deletion waits for the answer");
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    waiting.abort();
    assert_eq!(lock(&lab.emulator.service.state).remembered_names(), 1, "its next request gets another draw");
}

#[tokio::test]
async fn drops_happen_before_and_after_the_deletion_alike() {
    let faults = "drop=100%".parse().unwrap();
    let lab = Lab::new(EmulatorOptions { faults, ..EmulatorOptions::new(TOKEN, numbered(200)) });
    for name in numbered(200) {
        assert_eq!(seen(&lab, &name).await, "dropped");
    }
    let tally = lab.emulator.tally();
    assert_eq!(tally.faults, BTreeMap::from([(FaultKind::Drop, 200)]));
    assert!((60..=140).contains(&tally.deletions), "about half: {}", tally.deletions);
    assert_eq!(lab.listed().await.len() as u64, 200 - tally.deletions);
}

#[tokio::test]
async fn in_use_and_missing_belong_to_the_name() {
    let faults: Faults = "in-use=20%,missing=20%".parse().unwrap();
    let options = || EmulatorOptions { faults, seed: 7, ..EmulatorOptions::new(TOKEN, numbered(300)) };
    let lab = Lab::new(options());
    let listed: BTreeSet<_> = lab.listed().await.into_iter().collect();
    let datamarts = lab.get("/api/v2/data-app/datamarts").await.json();
    let depended: BTreeSet<_> =
        strings(&datamarts["data"], |entry| &entry["companyIntegration"]["name"]).into_iter().collect();

    let mut by_code = BTreeMap::<_, BTreeSet<_>>::new();
    for name in numbered(300) {
        by_code.entry(seen(&lab, &name).await).or_default().insert(name);
    }
    let in_use = &by_code["400 DATASOURCE_IN_USE"];
    let missing = &by_code["400 DATASOURCE_NAME_ERROR"];
    assert_eq!(by_code.len(), 3);
    assert!((30..=90).contains(&in_use.len()) && (30..=90).contains(&missing.len()));
    assert_eq!(in_use, &depended, "the datamarts name exactly those that are in use");
    assert_eq!(missing, &numbered(300).filter(|name| !listed.contains(name)).collect());
    assert_eq!(&lab.listed().await.into_iter().collect::<BTreeSet<_>>(), in_use);
    let faults_seen = lab.emulator.tally().faults;
    assert_eq!(faults_seen[&FaultKind::InUse], in_use.len() as u64);
    assert_eq!(faults_seen[&FaultKind::Missing], missing.len() as u64);

    let other_way_round = Lab::new(options());
    for name in numbered(300).collect::<Vec<_>>().iter().rev() {
        for attempt in 1..=2 {
            let code = seen(&other_way_round, name).await;
            assert_eq!(code == "400 DATASOURCE_IN_USE", in_use.contains(name), "{name} at attempt {attempt}");
        }
    }
}

/// Deletes every name until a clear reply, `workers` at a time, and returns what each attempt met.
async fn histories(seed: u64, workers: usize) -> BTreeMap<String, Vec<String>> {
    let faults = "http500=15%,drop=10%,truncate=10%,throttle=5%,in-use=5%,missing=5%".parse().unwrap();
    let lab = Lab::new(EmulatorOptions { faults, seed, ..EmulatorOptions::new(TOKEN, numbered(200)) });
    let lab = std::sync::Arc::new(lab);
    let names = std::sync::Arc::new(std::sync::Mutex::new(numbered(200)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let (lab, names) = (lab.clone(), names.clone());
        tasks.spawn(async move {
            let mut met = Vec::new();
            loop {
                let Some(name) = names.lock().unwrap().next() else { return met };
                let mut history = Vec::new();
                while history.last().is_none_or(|last: &String| !last.starts_with("400") && last != "200") {
                    history.push(seen(&lab, &name).await);
                    assert!(history.len() < 50, "every attempt meets the same: {history:?}");
                }
                met.push((name, history));
            }
        });
    }
    let met = tasks.join_all().await.into_iter().flatten().collect();
    let state = lock(&lab.emulator.service.state);
    assert_eq!(state.remembered_names(), 0, "names are forgotten when they are settled");
    met
}

#[tokio::test]
async fn a_seed_repeats_everything_whatever_the_concurrency() {
    let (one, many) = (histories(3, 1).await, histories(3, 16).await);
    assert_eq!(one.len(), 200);
    assert_eq!(one, many);
    assert!(one.values().any(|history| history.len() > 2), "later attempts were drawn too");
    assert_ne!(one, histories(4, 1).await);
}

#[tokio::test]
async fn a_thousand_names_rehearse_every_outcome() {
    let lab = Lab::new(EmulatorOptions {
        faults: Faults::rehearsal(),
        ..EmulatorOptions::new(TOKEN, numbered(1000))
    });
    for name in numbered(1000) {
        seen(&lab, &name).await;
    }
    let faults = lab.emulator.tally().faults;
    let kinds: Vec<_> = faults.keys().map(|kind| kind.name()).collect();
    assert_eq!(kinds, ["http500", "http502-html", "drop", "truncate", "slow", "in-use", "missing"]);
}

#[tokio::test]
async fn the_request_log_tells_what_was_done_before_the_client_knows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("requests.jsonl");
    let faults = "drop=50%,http500-after=30%".parse().unwrap();
    let options = EmulatorOptions::new(TOKEN, numbered(60));
    let lab = Lab::new(EmulatorOptions { faults, request_log: Some(path.clone()), ..options });
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut last = 0;
    for (nth, name) in numbered(60).enumerate() {
        let id = format!("request-{nth}");
        let status =
            sent(lab.deletion(&name).header("X-Request-Id", &id)).await.ok().map(|r| r.status.as_u16());
        let logged = lines();
        assert_eq!(logged.len(), nth + 1, "one line, and it is there when the answer is");
        let line = &logged[nth];
        assert_eq!((line["request_id"].as_str(), line["name"].as_str()), (Some(&*id), Some(&*name)));
        assert_eq!(line["status"].as_u64(), status.map(u64::from));
        assert!(line["at"].as_u64().unwrap() >= last);
        last = line["at"].as_u64().unwrap();
    }
    let remaining = lab.listed().await;
    for line in lines() {
        let gone = !remaining.iter().any(|name| line["name"] == **name);
        assert_eq!(line["did"], if gone { "deleted" } else { "nothing" });
    }
    assert!(!remaining.is_empty() && remaining.len() < 60);

    let nameless = lab.request(http::Method::DELETE, "/api/v2/datasource");
    sent(nameless).await.unwrap();
    assert_eq!(lines().len(), 61, "GET requests are not in it, nameless deletions are");
    assert!(lines()[60]["name"].is_null() && lines()[60]["request_id"].is_null());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_cannot_be_logged_is_not_answered() {
    let lab = Lab::new(EmulatorOptions { request_log: Some("/dev/full".into()), ..with(&["a"]) });
    assert_eq!(seen(&lab, "a").await, "dropped");
    assert_eq!(lab.get("/api/v2/datasource").await.status, StatusCode::OK);
}
