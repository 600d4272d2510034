//! Workers on a bad day: they are killed while they drain a queue, the broker is restarted, messages come
//! twice or make no sense, the API errs. In the end the server's own account, the queue, and the audit logs of
//! all workers are held against each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use decom::emulator::{Emulator, EmulatorOptions};
use serde_json::Value;

use super::process::Running;
use super::queues::{self, bodies};
use super::{Sandbox, TOKEN, column};

/// A broker as a test needs it here.
pub trait Broker {
    fn address(&self) -> String;
    fn kill(&mut self);
    fn restart(&mut self);
    /// The bodies of what is on its dead-letter queue.
    async fn dead_letters(&self) -> Vec<String>;
    /// How many messages its queue holds, whoever they are with.
    async fn length(&self) -> u64;
    /// Whether a crash makes it forget whom it just gave what: it gives that out as if for the first time.
    fn forgets(&self) -> bool {
        false
    }
}

/// How much of everything.
pub struct Drain {
    pub messages: usize,
    pub duplicates: usize,
    pub poison: usize,
    pub workers: usize,
    pub kills: usize,
    pub restarts: usize,
}

impl Drain {
    /// What a test of one broker does; `TEST_DRAIN_MESSAGES` makes it shorter or longer.
    pub fn usual() -> Self {
        let messages = std::env::var("TEST_DRAIN_MESSAGES").ok().map_or(2_000, |text| text.parse().unwrap());
        Self { messages, duplicates: messages / 20, poison: 20, workers: 3, kills: 20, restarts: 2 }
    }
}

/// What goes wrong at the API. No name is missing from the start: of one that comes back from another worker
/// nobody could tell.
const FAULTS: &str = "http500=2%,http500-after=2%,drop-before=1%,drop-after=2%,truncate=1%,in-use=3%";

const SETTINGS: &str = r#"
[api]
connect_timeout = "2s"
response_timeout = "2s"
attempt_timeout = "4s"
[pace]
rate = "unlimited"
concurrency = 16
[retry]
max_attempts = 8
first_backoff = "1ms"
longest_backoff = "20ms"
[safety]
max_deletes = 1000000
max_share = 100.0
breaker_failures = 1000
breaker_window = 1000
[queue]
hold = "3s"
"#;

/// As long as a worker waits that has to see what others held.
const LONGER_THAN_HOLD: Duration = Duration::from_secs(5);

/// Longer than this nothing may take that is waited for.
const TOO_LONG: Duration = Duration::from_mins(4);

/// A worker's own folder, and the process that is at work there.
struct Worker {
    sandbox: Sandbox,
    running: Option<Running>,
}

impl Worker {
    fn begin(&mut self, queue: &str, api: &str, idle: &str) {
        let arguments = [
            "work",
            "--queue",
            queue,
            "--base-url",
            api,
            "--config",
            "worker.toml",
            "--idle",
            idle,
            "--yes",
            "--quiet",
        ];
        self.running = Some(self.sandbox.decom(&arguments).start());
    }

    fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// Waits for the end, and works on until nothing of it is left to be settled.
    fn come_to_an_end(&mut self, queue: &str, api: &str) {
        for _ in 0..5 {
            let ended = self.running.take().unwrap().finish();
            assert!(matches!(ended.code, 0 | 1), "{ended:?}");
            if column(&self.sandbox.log(), "SELECT run_id FROM runs WHERE status <> 'finished'").is_empty() {
                return;
            }
            self.begin(queue, api, "1s");
        }
        panic!("a worker leaves runs behind");
    }
}

/// Drains a queue on `broker`, and checks everything.
pub fn drain(broker: &mut impl Broker, extent: &Drain) {
    let (sandbox, queue) = (Sandbox::new(), broker.address());
    let names: Vec<_> = (0..extent.messages).map(|number| format!("tenant {number}/ü")).collect();
    let account = sandbox.path("requests.jsonl");
    let emulator = Emulator::start(EmulatorOptions {
        faults: FAULTS.parse().unwrap(),
        seed: 7,
        request_log: Some(account.clone()),
        ..EmulatorOptions::new(TOKEN, names.clone())
    })
    .unwrap();
    sandbox.file("names.csv", format!("name\n{}\n", names.join("\n")));
    // Whoever comes first may decide how long a message stays with a dead worker.
    sandbox.file("worker.toml", SETTINGS);
    let put = ["enqueue", "names.csv", "--queue", &queue, "--config", "worker.toml"];
    let put = sandbox.decom(&put).run();
    assert_eq!(put.code, 0, "{put:?}");
    let again: Vec<_> = names.iter().step_by(20).take(extent.duplicates).map(String::as_str).collect();
    let poison: Vec<_> =
        (0..extent.poison).map(|number| format!("{{\"name\": \"poison {number}\"}}")).collect();
    let poison: Vec<_> = poison.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = queues::opened(&queue, "test", queues::LONG).await;
        queue.put(&bodies(&again)).await.unwrap();
        queue.put(&bodies(&poison)).await.unwrap();
        queue.close().await;
    });

    let mut workers: Vec<_> = (0..extent.workers)
        .map(|_| {
            let sandbox = Sandbox::new();
            sandbox.file("worker.toml", SETTINGS);
            let mut worker = Worker { sandbox, running: None };
            worker.begin(&queue, emulator.base_url(), "8s");
            worker
        })
        .collect();
    let done = || emulator.tally().deletions;
    let begun = Instant::now();
    let whole = u64::try_from(extent.messages).unwrap();
    // Evenly over the work: what happens happens while messages are under way.
    let events = u64::try_from(extent.kills + extent.restarts).unwrap();
    let every = extent.kills.div_ceil(extent.restarts + 1);
    for event in 0..events {
        let after = whole * 9 / 10 * (event + 1) / (events + 1);
        while done() < after {
            assert!(begun.elapsed() < TOO_LONG, "{} of {whole} done", done());
            std::thread::sleep(Duration::from_millis(1));
        }
        let number = usize::try_from(event).unwrap();
        if number % (every + 1) == every {
            broker.kill();
            broker.restart();
        } else {
            let worker = &mut workers[number % extent.workers];
            worker.kill();
            worker.begin(&queue, emulator.base_url(), "8s");
        }
    }
    for worker in &mut workers {
        worker.come_to_an_end(&queue, emulator.base_url());
    }
    // What was out when the last worker went comes back later: the next one takes it.
    for _ in 0..3 {
        if runtime.block_on(left(broker, &queue)) == 0 {
            break;
        }
        workers[0].begin(&queue, emulator.base_url(), "5s");
        workers[0].come_to_an_end(&queue, emulator.base_url());
    }
    let logs: Vec<_> = workers.iter().map(|worker| worker.sandbox.log()).collect();
    assert_eq!(runtime.block_on(left(broker, &queue)), 0, "nothing is left");
    let seen = requests(&account);
    every_request_is_in_one_log(&seen, &logs);
    nothing_is_deleted_twice(&seen);
    let crashed = broker.forgets() && extent.restarts > 0;
    outcomes_are_true(&seen, &logs, &names, |name| crashed || again.contains(&name));
    let refused: BTreeSet<_> =
        logs.iter().flat_map(|log| column(log, "SELECT body FROM refused_messages")).collect();
    let poison: BTreeSet<_> = poison.iter().map(ToString::to_string).collect();
    assert_eq!(refused, poison, "what makes no sense is in the logs");
    let dead: BTreeSet<_> = runtime.block_on(broker.dead_letters()).into_iter().collect();
    assert_eq!(dead, poison, "what makes no sense is on the dead-letter queue");
    for log in &logs {
        let verified = sandbox.decom(&["audit", "verify", "--audit-db", log.to_str().unwrap()]).run();
        assert_eq!(verified.code, 1, "sound, finished, and without checkpoints: {verified:?}");
    }
    let all = sandbox.path("all.db");
    let mut merge = vec!["audit", "merge"];
    merge.extend(logs.iter().map(|log| log.to_str().unwrap()));
    merge.extend(["--out", all.to_str().unwrap()]);
    sandbox.decom(&merge).run().expect(0);
    let merged: BTreeSet<_> =
        column(&all, "SELECT datasource FROM results WHERE outcome <> 'skipped'").into_iter().collect();
    assert_eq!(merged.len(), names.len(), "the merged log has every name");
}

/// How many messages the queue has, waiting or with somebody.
async fn left(broker: &impl Broker, queue: &str) -> u64 {
    let open = queues::opened(queue, "test", queues::LONG).await;
    let waiting = open.waiting().await.unwrap();
    if waiting == 0 {
        queues::nothing(&*open).await;
    }
    open.close().await;
    // What a server counts that forgets in a crash may be nothing that it could ever give out.
    let told = waiting.max(broker.length().await);
    if told > 0 && broker.forgets() && !gives_anything(queue).await { 0 } else { told }
}

/// Whether somebody who waits for longer than a message stays with who took it gets one.
async fn gives_anything(queue: &str) -> bool {
    let open = queues::opened(queue, "test", queues::LONG).await;
    let given = open.take(LONGER_THAN_HOLD).await.unwrap();
    open.close().await;
    given.is_some()
}

struct Request {
    id: String,
    name: String,
    deleted: bool,
}

fn requests(account: &Path) -> Vec<Request> {
    let text = std::fs::read_to_string(account).unwrap();
    let request = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        Request { id: text("request_id"), name: text("name"), deleted: line["did"] == "deleted" }
    };
    text.lines().map(request).collect()
}

fn every_request_is_in_one_log(seen: &[Request], logs: &[std::path::PathBuf]) {
    let mut recorded: HashMap<String, usize> = HashMap::new();
    for log in logs {
        for id in column(log, "SELECT request_id FROM attempts") {
            *recorded.entry(id).or_default() += 1;
        }
    }
    for request in seen {
        assert_eq!(recorded.get(&request.id), Some(&1), "{} for {}", request.id, request.name);
    }
}

fn nothing_is_deleted_twice(seen: &[Request]) {
    let mut deleted = HashSet::new();
    for request in seen.iter().filter(|request| request.deleted) {
        assert!(deleted.insert(&request.name), "{} was deleted twice", request.name);
    }
}

/// Each name has its true outcome in some log, and a false one in none. What `may_come_anew` says of a name:
/// whether two workers may be asked for it, and neither is told of the other.
fn outcomes_are_true(
    seen: &[Request],
    logs: &[std::path::PathBuf],
    names: &[String],
    may_come_anew: impl Fn(&str) -> bool,
) {
    let deleted: HashSet<_> = seen.iter().filter(|it| it.deleted).map(|it| it.name.clone()).collect();
    let mut outcomes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for log in logs {
        let query = "SELECT json_array(datasource, outcome, coalesce(detail, '')) FROM results";
        for row in column(log, query) {
            let row: [String; 3] = serde_json::from_str(&row).unwrap();
            let [name, outcome, detail] = row;
            let outcome = if outcome == "skipped" { detail } else { outcome };
            outcomes.entry(name).or_default().insert(outcome);
        }
    }
    assert_eq!(outcomes.len(), names.len(), "every name was taken on, and no other");
    for (name, found) in outcomes {
        let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
        let is_gone = found.contains("deleted") || found.contains("deleted_unconfirmed");
        assert_eq!(is_gone, deleted.contains(&name), "{name}: {found:?}");
        let others: Vec<_> = found
            .iter()
            .filter(|it| !["deleted", "deleted_unconfirmed", "already_deleted", "given_back"].contains(*it))
            .collect();
        if is_gone {
            // Of what another worker was asked for as well, a worker learns that it is not there.
            let told = others.is_empty() || (may_come_anew(&name) && others == [&"not_found"]);
            assert!(told, "{name}: {found:?}");
        } else {
            assert_eq!(others, [&"in_use"], "{name}: {found:?}");
        }
    }
}
