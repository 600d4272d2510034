//! Several processes on one input: each name is one process's, and no quota is used twice.

use std::collections::BTreeSet;
use std::time::Duration;

use decom::emulator::{Emulator, EmulatorOptions, WindowLimit};

use crate::support::{Output, Reply, Sandbox, Server, TOKEN, column, csv, decom};

/// Pod `index` of a job with `shards`, in a folder of its own.
fn pod(server: &Server, names: &[String], index: &str, shards: &str, more: &[&str]) -> (Sandbox, Output) {
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, names);
    let mut arguments = vec!["run", &input, "--shards", shards];
    arguments.extend(more);
    let ended = decom(&sandbox, server, &arguments).env("JOB_COMPLETION_INDEX", index).run();
    (sandbox, ended)
}

#[test]
fn shards_take_each_name_once_and_all_of_them() {
    let server = Server::deleting();
    let names: Vec<_> = (0..60).map(|number| format!("kunde {number}")).collect();
    let mut taken = BTreeSet::new();
    for index in ["0", "1", "2"] {
        let (sandbox, ended) = pod(&server, &names, index, "3", &[]);
        let ended = ended.expect(0);
        assert!(ended.results().len() > 5, "{ended:?}");
        for name in ended.results().keys() {
            assert!(taken.insert(name.clone()), "{name} is in two shares");
        }
        let input = column(&sandbox.log(), "SELECT input FROM runs");
        assert_eq!(input, [format!("names.csv (shard {index} of 3)")]);
    }
    assert_eq!(taken, names.iter().cloned().collect());
    assert_eq!(server.deletions().len(), names.len());
}

#[test]
fn guards_look_at_the_whole_input() {
    let server = Server::deleting();
    let names: Vec<_> = (0..60).map(|number| format!("kunde {number}")).collect();
    let (_, ended) = pod(&server, &names, "1", "3", &["--max-deletes", "59"]);
    let ended = ended.expect(3);
    assert!(ended.stderr.contains("60 datasources are to be deleted"), "{}", ended.stderr);
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    server.list(&all);
    let (_, ended) = pod(&server, &names, "1", "3", &["--max-share", "90"]);
    assert!(ended.expect(3).stderr.contains("60 of the 60 datasources that exist"));
    assert_eq!(server.deletions().len(), 0);
    let (_, ended) = pod(&server, &names, "1", "3", &["--dry-run"]);
    let ended = ended.expect(0);
    assert!(ended.stdout.contains("60 to delete"), "{}", ended.stdout);
    assert!(ended.stdout.contains("of these in this process, shard 1 of 3"), "{}", ended.stdout);
}

#[test]
fn an_interrupted_share_is_continued() {
    let server = Server::start(|_| Reply::status(401));
    let names: Vec<_> = (0..60).map(|number| format!("kunde {number}")).collect();
    let (sandbox, ended) = pod(&server, &names, "2", "3", &[]);
    ended.expect(4);
    let arguments = ["run", "names.csv", "--shards", "3", "--shard", "2"];
    decom(&sandbox, &server, &arguments).run().expect(4);
    assert_eq!(
        column(&sandbox.log(), "SELECT count(*) FROM runs"),
        ["1"],
        "it went on, and did not begin anew"
    );
}

#[test]
fn which_share_has_to_be_known() {
    let server = Server::deleting();
    let names = ["a".to_owned()];
    for (index, shards, words) in [
        ("", "3", "Name it with --shard INDEX"),
        ("x", "3", "JOB_COMPLETION_INDEX is not a number"),
        ("3", "3", "there is no shard 3 of 3"),
    ] {
        let (_, ended) = pod(&server, &names, index, shards, &[]);
        assert!(ended.expect(2).stderr.contains(words), "{words}");
    }
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names);
    let output = decom(&sandbox, &server, &["run", &input]).env("JOB_COMPLETION_INDEX", "1").run();
    assert!(output.expect(0).stderr.contains("takes the whole input"));
}

/// How long a window of the limiter is, and how many requests it lets through.
const WINDOW: Duration = Duration::from_secs(2);
const LIMIT: u64 = 200;

#[test]
fn four_workers_use_one_quota_without_being_refused() {
    let names: Vec<_> = (0..1_100).map(|number| format!("kunde {number}")).collect();
    let account = Sandbox::new();
    let emulator = Emulator::start(EmulatorOptions {
        limit: Some(WindowLimit { requests: u32::try_from(LIMIT).unwrap(), window: WINDOW }),
        request_log: Some(account.path("requests.jsonl")),
        ..EmulatorOptions::new(TOKEN, names.clone())
    })
    .unwrap();
    let pods: Vec<_> = ["0", "1", "2", "3"]
        .map(|shard| {
            let sandbox = Sandbox::new();
            csv(&sandbox, &names);
            let arguments = [
                "run",
                "names.csv",
                "--yes",
                "--quiet",
                "--base-url",
                emulator.base_url(),
                "--shards",
                "4",
                "--shard",
                shard,
                "--workers",
                "4",
                "--rate",
                "auto",
                "--max-deletes",
                "2000",
                "--max-share",
                "100",
                "--no-listing-check",
            ];
            let running = sandbox.decom(&arguments).start();
            (sandbox, running)
        })
        .into_iter()
        .collect();
    for (_, running) in pods {
        let ended = running.finish();
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let text = std::fs::read_to_string(account.path("requests.jsonl")).unwrap();
    let mut requests: Vec<(u64, bool)> = text
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["at"].as_u64().unwrap(), line["status"] == 429)
        })
        .collect();
    requests.sort_unstable();
    let windows = windows(&requests);
    // The last one is cut short by the end.
    let whole = &windows[..windows.len() - 1];
    assert!(whole.len() >= 4, "{windows:?}");
    assert!(whole[1..].iter().all(|(refused, _)| *refused == 0), "{windows:?}");
    let used: u64 = whole.iter().map(|(_, passed)| passed).sum();
    assert!(used * 100 >= 95 * LIMIT * whole.len() as u64, "{windows:?}");
}

/// How many requests each window of the limiter refused and let through: the next begins with the first request
/// behind the last one's end.
fn windows(requests: &[(u64, bool)]) -> Vec<(u64, u64)> {
    let length = u64::try_from(WINDOW.as_micros()).unwrap();
    let mut windows = Vec::new();
    let mut over = 0;
    for (at, refused) in requests {
        if *at >= over {
            windows.push((0, 0));
            over = at + length;
        }
        let (refusals, passed) = windows.last_mut().unwrap();
        *(if *refused { refusals } else { passed }) += 1;
    }
    windows
}
