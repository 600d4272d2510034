//! The real Prometheus: it takes our rules, scrapes a real run, and has something to show on every
//! panel of the dashboard. And docs/monitoring.md names what is there, and nothing else.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::metrics::address;
use crate::support::fetch::{get, series};
use crate::support::{PATIENCE, Sandbox, csv, skipped};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Whether this machine has `program`; said where nobody can miss it where not.
fn has(program: &str, test: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skipped(test, &format!("there is no {program}"));
    }
    there
}

/// The expressions of the dashboard, as Grafana would send them, with the title of their panel.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&file("jobs/monitoring/grafana-dashboard.json")).unwrap();
    let filled = |expression: &str| {
        expression.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m")
    };
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap();
        targets.iter().map(|it| (title.clone(), filled(it["expr"].as_str().unwrap()))).collect::<Vec<_>>()
    };
    dashboard["panels"].as_array().unwrap().iter().flat_map(of).collect()
}

/// The names of our metrics in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c)).filter(|word| word.starts_with("decom_"));
    words.map(str::to_owned).collect()
}

/// The rules, and their tests.
const RULES: [(&str, &str); 2] =
    [("alerts.yml", "alerts_test.yml"), ("alerts-kubernetes.yml", "alerts_kubernetes_test.yml")];

/// The metrics that only a worker on a queue has, which `broker_outages` looks at.
const OF_QUEUE: [(&str, &str); 5] = [
    ("decom_queue_reachable", "gauge"),
    ("decom_queue_messages", "gauge"),
    ("decom_queue_oldest_message_age_seconds", "gauge"),
    // With a limit of a day.
    ("decom_deletions_last_day", "gauge"),
    ("decom_max_deletes_per_day", "gauge"),
];

/// The names and kinds of all metrics: those of a rehearsal that is over, and those of a queue.
fn declared() -> BTreeSet<(String, String)> {
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let arguments = ["rehearse", &input, "--fault", "none", "--metrics-file", "decom.prom"];
    sandbox.decom(&arguments).run().expect(0);
    let text = std::fs::read_to_string(sandbox.path("decom.prom")).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split_once(' ').unwrap())
        .chain(OF_QUEUE)
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn the_dashboard_the_alerts_and_the_documentation_name_what_is_there() {
    let declared = declared();
    let mut names: BTreeSet<_> = declared.iter().map(|(name, _)| name.clone()).collect();
    let docs = file("docs/monitoring.md");
    let table = docs.split_once("\n## Metrics\n").unwrap().1.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').split('{').next().unwrap();
        (name.to_owned(), cells[2].to_owned())
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), declared, "the table in docs/monitoring.md");

    for suffix in ["bucket", "sum", "count"] {
        names.insert(format!("decom_attempt_duration_seconds_{suffix}"));
    }
    let alerts = RULES.map(|(rules, _)| file(&format!("jobs/monitoring/{rules}"))).concat();
    let dashboard = dashboard();
    let shown: Vec<_> = dashboard.into_iter().map(|(_, expression)| expression).collect();
    for named in
        [names_in(&shown.join("\n")), names_in(&alerts), names_in(&file("jobs/monitoring/alerts_test.yml"))]
    {
        assert!(named.len() >= 5, "{named:?}");
        let unknown: Vec<_> = named.difference(&names).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    // Each alert is described.
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(docs.contains(&format!("`{alert}`")), "{alert} is not in docs/monitoring.md");
    }
}

#[test]
fn promtool_finds_the_rules_right() {
    if !has("promtool", "promtool on the alerts") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/monitoring");
    for arguments in
        RULES.into_iter().flat_map(|(rules, test)| [["check", "rules", rules], ["test", "rules", test]])
    {
        let output = Command::new("promtool").args(arguments).current_dir(&folder).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
    // Each alert is tested.
    let [alerts, tests] = [RULES.map(|(rules, _)| rules), RULES.map(|(_, test)| test)]
        .map(|names| names.map(|name| file(&format!("jobs/monitoring/{name}"))).concat());
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {alert}")), "no test of {alert}");
    }
}

/// A Prometheus of our own.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Scrapes `target` every second, with our rules.
    fn start(sandbox: &Sandbox, target: &str) -> Self {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/monitoring/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n- job_name: decom-worker\n  static_configs: [{{targets: ['{target}']}}]\n",
            rules.display()
        );
        sandbox.file("prometheus.yml", config);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = std::fs::File::create(sandbox.path("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(sandbox.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, address }
    }

    /// What its API answers, once it is there.
    fn api(&self, path: &str) -> Option<Value> {
        let (status, body) = get(&self.address, path)?;
        // While it begins it says so, in words.
        let answer: Value = serde_json::from_str(&body).ok()?;
        assert!(status == 200 && answer["status"] == "success", "{path}: {body}");
        Some(answer["data"].clone())
    }

    /// The series that `expression` finds.
    fn query(&self, expression: &str) -> Vec<Value> {
        let encoded = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let data = self.api(&format!("/api/v1/query?query={encoded}"));
        data.map_or_else(Vec::new, |data| data["result"].as_array().unwrap().clone())
    }
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_real_prometheus_scrapes_a_run_and_shows_the_dashboard() {
    if !has("prometheus", "Prometheus on a real run") {
        return;
    }
    let sandbox = Sandbox::new();
    let names: Vec<_> = (0..3000).map(|number| format!("customer-{number}")).collect();
    let input = csv(&sandbox, &names);
    // At 20 a second it goes on for longer than the test.
    let arguments =
        ["rehearse", &input, "--rate", "20/s", "--real-time", "--fault", "http500=20%,in-use=20%"];
    let mut running = sandbox.decom(&[&arguments[..], &["--metrics-addr", "127.0.0.1:0"]].concat()).start();
    let target = address(&mut running);
    let prometheus = Prometheus::start(&sandbox, &target);
    wait_until("it has scraped a few times", || {
        let seen = prometheus.query("count_over_time(decom_targets{outcome=\"deleted\"}[1m]) >= 4");
        !seen.is_empty()
    });
    wait_until("the rules were looked at", || {
        let Some(data) = prometheus.api("/api/v1/rules") else { return false };
        let groups = data["groups"].as_array().unwrap().clone();
        let rules: Vec<_> =
            groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        assert_eq!(rules.len(), file("jobs/monitoring/alerts.yml").matches("- alert: ").count());
        for rule in &rules {
            assert!(rule["health"] != "err", "{rule}");
        }
        rules.iter().all(|rule| rule["health"] == "ok")
    });
    let alerts = prometheus.api("/api/v1/alerts").unwrap();
    assert_eq!(alerts["alerts"], Value::Array(Vec::new()), "nothing is wrong with this run");

    let dashboard = dashboard();
    assert!(dashboard.len() > 12);
    for (title, expression) in dashboard {
        let found = prometheus.query(&expression);
        let over = [
            "Last exit code",
            "Since the last run",
            "On the queue",
            "Age of the oldest message",
            "Used of the day's limit",
        ]
        .contains(&title.as_str());
        assert_eq!(found.is_empty(), over, "{title}: {expression}: {found:?}");
    }
    // What it has is what is served.
    let scraped = prometheus.query("{job=\"decom-worker\", __name__=~\"decom_.*\"}");
    assert_eq!(scraped.len(), series(&get(&target, "/metrics").unwrap().1).len());
    running.signal(rustix::process::Signal::INT);
    running.finish().expect(130);
}
