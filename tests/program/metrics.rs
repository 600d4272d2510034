//! Metrics: served, written and pushed, as Prometheus' own tool wants them, and true.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::fetch::{ask, get, series};
use crate::support::gate::Gate;
use crate::support::redis::RedisServer;
use crate::support::{
    Fault, PATIENCE, Reply, Request, Running, Sandbox, Server, column, csv, decom, files_in, queues, skipped,
};

/// What `promtool check metrics` says against `text`: nothing, where all is well.
fn promtool_says(text: &str, test: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skipped(test, "there is no promtool");
        return String::new();
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    format!("{}{}", String::from_utf8_lossy(&said), if output.status.success() { "" } else { "(failed)" })
}

/// The address at which `running` says that it serves.
pub fn address(running: &mut Running) -> String {
    let line = running.wait_for_line("metrics are served at");
    line.split("http://").nth(1).unwrap().split("/metrics").next().unwrap().to_owned()
}

/// The metrics that are served at `address`.
pub fn metrics(address: &str) -> BTreeMap<String, f64> {
    series(&get(address, "/metrics").unwrap().1)
}

/// Waits until `condition` holds of what is served.
fn wait_for(address: &str, condition: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    let begun = Instant::now();
    loop {
        let metrics = metrics(address);
        if condition(&metrics) {
            return metrics;
        }
        assert!(begun.elapsed() < PATIENCE, "{metrics:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn in_file(sandbox: &Sandbox) -> BTreeMap<String, f64> {
    series(&std::fs::read_to_string(sandbox.path("decom.prom")).unwrap())
}

/// What the audit log says, as the metrics of the same names say it.
fn assert_as_in_the_log(metrics: &BTreeMap<String, f64>, log: &std::path::Path) {
    let rows = |query: &str| {
        let rows = column(log, query).into_iter().map(|row| {
            let (key, value) = row.split_once(' ').unwrap();
            (key.to_owned(), value.parse::<f64>().unwrap())
        });
        rows.collect::<BTreeMap<_, _>>()
    };
    let told = |prefix: &str| {
        let those = metrics.iter().filter(|(key, value)| key.starts_with(prefix) && **value > 0.0);
        those.map(|(key, value)| (key.split('"').nth(1).unwrap().to_owned(), *value)).collect()
    };
    let outcomes = rows("SELECT outcome || ' ' || count(*) FROM results GROUP BY outcome");
    let gauges: BTreeMap<String, f64> = told("decom_targets{");
    assert_eq!(gauges, outcomes);
    let verdicts = rows("SELECT verdict || ' ' || count(*) FROM attempts GROUP BY verdict");
    let counters: BTreeMap<String, f64> = told("decom_attempts_total{");
    assert_eq!(counters, verdicts);
    let attempts: f64 = verdicts.values().sum();
    assert_eq!(metrics["decom_attempt_duration_seconds_count"], attempts);
}

#[test]
fn what_is_served_written_and_pushed_is_as_prometheus_wants_it_and_true() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |seen| {
        held.pass();
        match (seen.name.as_str(), seen.attempt) {
            ("a", 1) => Reply::status(503),
            ("a", _) => Reply::not_found(),
            ("b", _) => Reply::in_use(),
            ("c", _) => Reply::status(500),
            ("d", 1) => Reply::status(429).with("Retry-After", 1),
            ("e", 1) => Fault::CloseBeforeAnswer.into(),
            ("f", _) => Reply::status(418),
            _ => Reply::deleted(),
        }
    });
    let (sandbox, gateway) = (Sandbox::new(), Server::receiving(Reply::status(202)));
    let input = csv(&sandbox, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    let url = format!("{}/prefix/", gateway.url());
    let flags = ["--metrics-addr", "127.0.0.1:0", "--metrics-file", "decom.prom", "--push-gateway", &url];
    let arguments = [&["run", &input, "--concurrency", "3", "--rate", "600/1m"], &flags[..]].concat();
    let mut running = decom(&sandbox, &server, &arguments).start();
    let address = address(&mut running);
    server.wait_until(|seen| seen.len() == 3);

    let served = get(&address, "/metrics").unwrap().1;
    assert_eq!(promtool_says(&served, "promtool on what is served"), "");
    let now = wait_for(&address, |metrics| metrics["decom_attempts_in_flight"] == 3.0);
    assert_eq!((now["decom_ready"], now["decom_targets{outcome=\"pending\"}"]), (1.0, 8.0));
    assert_eq!(now["decom_rate_ceiling_requests_per_second"], 10.0);
    assert!(now["decom_run_start_timestamp_seconds"] > 1.7e9);
    assert_eq!(now["decom_build_info{version=\"0.2.0\"}"], 1.0);
    assert!(!now.contains_key("decom_last_run_exit_code"), "it is not over");
    assert_eq!(get(&address, "/healthz").unwrap().0, 200);
    assert_eq!(get(&address, "/readyz").unwrap().0, 200);
    assert_eq!(get(&address, "/").unwrap().0, 404);
    assert_eq!(ask(&address, "POST /metrics").unwrap().0, 405);
    assert_eq!(ask(&address, "HEAD /metrics").unwrap(), (200, String::new()));
    gate.open();
    let ended = running.finish().expect(1);
    assert_eq!(ended.outcome("a"), "deleted_unconfirmed");
    assert!(get(&address, "/metrics").is_none(), "it has ended");

    let written = std::fs::read_to_string(sandbox.path("decom.prom")).unwrap();
    let letters = gateway.requests();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(letters[0].method, "PUT");
    assert_eq!(letters[0].path, format!("/prefix/metrics/job/decom/instance/{host}"));
    assert!(letters[0].header("content-type").starts_with("text/plain; version=0.0.4"), "{letters:?}");
    for text in [&written, letters[0].text()] {
        assert_eq!(promtool_says(text, "promtool on what is written and pushed"), "");
        let metrics = series(text);
        assert_as_in_the_log(&metrics, &sandbox.log());
        assert_eq!((metrics["decom_last_run_exit_code"], metrics["decom_ready"]), (1.0, 0.0));
        assert_eq!(metrics["decom_attempts_in_flight"], 0.0);
        assert_eq!(metrics["decom_targets_settled_total{outcome=\"unknown\"}"], 1.0, "settled at the end");
        assert!(metrics["decom_pauses_total"] >= 1.0 && metrics["decom_paused_seconds_total"] > 0.5);
        assert!(metrics["decom_rate_limit_wait_seconds_total"] > 0.5, "{metrics:#?}");
        assert!(
            metrics["decom_last_run_end_timestamp_seconds"] > metrics["decom_run_start_timestamp_seconds"]
        );
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(sandbox.path("decom.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "the collector is somebody else");
    let files = files_in(&sandbox.path(""));
    assert!(!files.iter().any(|file| file.contains(".tmp")), "{files:?}");
}

#[test]
fn ready_only_while_a_run_is_at_work() {
    let server = Server::start(|_| Fault::NeverAnswer.into());
    server.answer_listing(|_| Fault::NeverAnswer.into());
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a", "b"]);
    let arguments = ["run", &input, "--metrics-addr", "127.0.0.1:0"];
    let endless = [("DECOM_API_RESPONSE_TIMEOUT", "20h"), ("DECOM_API_ATTEMPT_TIMEOUT", "20h")];
    let mut running = decom(&sandbox, &server, &arguments)
        .envs(&[&endless[..], &[("DECOM_MAX_SHARE", "50")]].concat())
        .start();
    let before = address(&mut running);
    // The listing is read, and nothing is begun.
    server.wait_until(|seen| !seen.is_empty());
    assert_eq!(get(&before, "/healthz").unwrap().0, 200);
    assert_eq!(get(&before, "/readyz").unwrap().0, 503);
    running.signal(Signal::TERM);
    running.finish().expect(143);

    let arguments = [&arguments[..], &["--grace", "20h"]].concat();
    let mut running = decom(&sandbox, &server, &arguments).envs(&endless).start();
    let during = address(&mut running);
    server.wait_until(|seen| seen.iter().any(Request::is_deletion));
    wait_for(&during, |metrics| metrics["decom_ready"] == 1.0);
    assert_eq!(get(&during, "/readyz").unwrap().0, 200);
    running.signal(Signal::TERM);
    running.wait_for_line("stopping: no new request");
    wait_for(&during, |metrics| metrics["decom_ready"] == 0.0);
    assert_eq!(get(&during, "/readyz").unwrap().0, 503);
    assert_eq!(get(&during, "/healthz").unwrap().0, 200);
    running.signal(Signal::TERM);
    running.finish().expect(143);
}

#[test]
fn the_file_keeps_the_last_end_while_the_next_run_goes_on() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |seen| match seen.name.as_str() {
        "used" => Reply::in_use(),
        "a" => Reply::deleted(),
        _ => {
            held.pass();
            Reply::deleted()
        }
    });
    let sandbox = Sandbox::new();
    let run = |names: &[&str]| {
        let input = csv(&sandbox, names);
        decom(&sandbox, &server, &["run", &input, "--metrics-file", "decom.prom"]).start()
    };
    run(&["a", "used"]).finish().expect(1);
    let first = in_file(&sandbox);
    let running = run(&["later"]);
    server.wait_until(|seen| seen.iter().any(|seen| seen.name == "later"));
    let during = in_file(&sandbox);
    for name in ["decom_last_run_exit_code", "decom_last_run_end_timestamp_seconds"] {
        assert_eq!(during[name], first[name]);
    }
    assert_eq!(during["decom_targets{outcome=\"deleted\"}"], 0.0, "the file is the new run's");
    gate.open();
    running.finish().expect(0);
    let last = in_file(&sandbox);
    assert_eq!(last["decom_last_run_exit_code"], 0.0);
    assert!(last["decom_last_run_end_timestamp_seconds"] > first["decom_last_run_end_timestamp_seconds"]);
}

#[test]
fn the_file_is_readable_for_the_collector_whatever_the_umask() {
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    for (umask, earlier) in [("077", None), ("000", None), ("022", Some(0o600))] {
        let path = sandbox.path("decom.prom");
        if let Some(mode) = earlier {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        let mut command = Command::new("sh");
        command.current_dir(sandbox.path("")).args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        command.arg(env!("CARGO_BIN_EXE_decom"));
        command.args(["rehearse", &input, "--fault", "none", "--metrics-file", "decom.prom"]);
        assert!(command.output().unwrap().status.success());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "umask {umask}");
        assert_eq!(files_in(&sandbox.path("")).iter().filter(|name| name.contains(".decom-")).count(), 0);
    }
}

#[test]
fn every_way_to_end_is_in_the_file() {
    let server = Server::start(|_| Reply::status(401));
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a", "b"]);
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let cases: [(&[&str], i32); 4] = [
        (&["run", &input], 4),
        (&["run", "nothing.csv"], 2),
        (&["run", &input, "--max-deletes", "1", "--audit-db", "other.db"], 3),
        (&["run", &input, "--audit-db", "folder"], 5),
    ];
    for (arguments, code) in cases {
        let arguments = [arguments, &["--metrics-file", "decom.prom"]].concat();
        let output = decom(&sandbox, &server, &arguments).run();
        output.expect(code);
        assert_eq!(in_file(&sandbox)["decom_last_run_exit_code"], f64::from(code));
    }
}

#[test]
fn what_cannot_be_watched_is_said_before_anything_is_sent() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flag, value, said) in [
        (
            "--metrics-addr",
            "9464",
            "--metrics-addr: watch.metrics_addr must be a text with an IP address and a port",
        ),
        ("--metrics-addr", taken.as_str(), "Address already in use"),
        ("--metrics-file", "no/folder/decom.prom", "cannot write metrics here (--metrics-file)"),
        (
            "--push-gateway",
            "gateway:9091",
            "watch.push_gateway must be a URL such as http://pushgateway:9091",
        ),
        ("--push-gateway", "http://a:secret@gateway:9091", "without user, password"),
    ] {
        let arguments = ["run", &input, flag, value];
        let ended = decom(&sandbox, &server, &arguments).run().expect(2);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
        assert!(!sandbox.log().exists(), "no run was begun");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_gateway_that_does_not_take_it_changes_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (errs, refuses, hangs) = (
        Server::receiving(Reply::status(500)),
        Server::receiving(Reply::status(400)),
        Server::receiving(Fault::NeverAnswer),
    );
    let cases = [
        (format!("http://{free}"), None, "Connection refused"),
        (errs.url(), Some((&errs, 2)), "500"),
        (refuses.url(), Some((&refuses, 1)), "400"),
        (hangs.url(), Some((&hangs, 2)), "timed out"),
    ];
    for (url, seen, said) in cases {
        let server = Server::deleting();
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a"]);
        let begun = Instant::now();
        let arguments = ["run", &input, "--push-gateway", &url];
        let ended = decom(&sandbox, &server, &arguments).run().expect(0);
        assert!(begun.elapsed() < Duration::from_secs(15), "bounded");
        assert!(ended.stderr.contains("the metrics could not be pushed"), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert_eq!(column(&sandbox.log(), "SELECT status || ' ' || exit_code FROM runs"), ["finished 0"]);
        if let Some((postbox, tries)) = seen {
            assert_eq!(postbox.requests().len(), tries);
        }
    }
}

#[test]
fn a_rehearsal_serves_and_keeps_its_figures_out_of_the_settings_file() {
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a", "b", "c"]);
    sandbox.file("decom.toml", "[watch]\nmetrics_file = \"decom.prom\"\n");
    let arguments =
        ["rehearse", &input, "--config", "decom.toml", "--fault", "none", "--metrics-addr", "127.0.0.1:0"];
    let mut running = sandbox.decom(&arguments).start();
    address(&mut running);
    running.finish().expect(0);
    assert!(!sandbox.path("decom.prom").exists());

    let arguments = [&arguments[..6], &["--metrics-file", "rehearsal.prom"]].concat();
    sandbox.decom(&arguments).run().expect(0);
    let text = std::fs::read_to_string(sandbox.path("rehearsal.prom")).unwrap();
    assert_eq!(series(&text)["decom_targets{outcome=\"deleted\"}"], 3.0);
}

#[tokio::test]
async fn a_worker_is_ready_once_its_queue_is_there() {
    let Some(redis) = RedisServer::start("the metrics of a worker") else { return };
    let queue = queues::opened(&redis.address(), "test", queues::LONG).await;
    queue.put(&queues::bodies(&["{senseless", "a", "b"])).await.unwrap();
    let gate = Gate::default();
    let server = gate.server();
    let sandbox = Sandbox::new();
    let (queue, address_flag) = (redis.address(), ["--metrics-addr", "127.0.0.1:0"]);
    let arguments = [&["work", "--queue", &queue, "--follow"], &address_flag[..]].concat();
    let mut running = decom(&sandbox, &server, &arguments).start();
    let address = address(&mut running);
    let during = wait_for(&address, |metrics| metrics["decom_attempts_in_flight"] == 2.0);
    assert_eq!(during["decom_targets{outcome=\"pending\"}"], 2.0);
    assert_eq!(get(&address, "/readyz").unwrap().0, 200);
    gate.open();
    let after =
        wait_for(&address, |metrics| metrics["decom_targets_settled_total{outcome=\"deleted\"}"] == 2.0);
    assert_eq!((after["decom_messages_refused_total"], after["decom_ready"]), (1.0, 1.0));
    running.signal(Signal::TERM);
    running.finish().expect(143);
}

#[test]
fn a_dry_run_leaves_no_figures() {
    let server = Server::deleting();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let arguments = ["run", &input, "--dry-run", "--metrics-file", "decom.prom"];
    decom(&sandbox, &server, &arguments).run().expect(0);
    assert!(!sandbox.path("decom.prom").exists());
}
