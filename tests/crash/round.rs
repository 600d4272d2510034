//! One round: a list of names, a server, and a program that is killed until it is finished.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use decom::emulator::{Emulator, EmulatorOptions};
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::groups::Groups;
use super::log::{Snapshot, snapshot};
use super::{Report, account, checks};

const TOKEN: &str = "dbn_live_crash0123456789";

/// More processes than this for one list mean that the program does not get on.
const MOST_PROCESSES: u64 = 200;

/// Longer than this no process may take: its list would be done several times over.
const TOO_LONG: Duration = Duration::from_mins(2);

/// What is different from round to round.
struct Setting {
    names: Vec<String>,
    concurrency: u64,
    max_attempts: u64,
    listing_check: bool,
    faults: String,
    latency: Duration,
    seed: u64,
}

/// When a process is killed.
enum Instantly {
    After(Duration),
    AfterRequests(u64),
}

/// How a process ended.
enum Ended {
    Killed,
    Exited(i32),
}

fn setting(random: &mut StdRng, round: u64, with_datamarts: bool) -> Setting {
    let most = if with_datamarts { 80 } else { 300 };
    let (targets, salt) = (random.random_range(40..most), random.random::<u32>());
    let faults = [
        // Everything at once.
        "http500=4%,http500-after=4%,http502-html=2%,http503=2%,drop-before=4%,drop-after=4%,\
         truncate=3%,slow=2%,throttle=0.3%,in-use=4%,missing=4%",
        // Hardly an answer: retries run out, and the listing has to settle.
        "http500=12%,http500-after=12%,drop-before=12%,drop-after=12%,truncate=6%,slow=1%,in-use=5%,missing=5%",
        // Deletions that look like failures.
        "http500-after=15%,drop-after=15%,truncate=15%,slow=1%,in-use=2%,missing=2%",
        // A good day.
        "in-use=5%,missing=5%",
    ];
    // Workspaces hold datasources, and datamarts appear, move and change after they were listed once.
    let of_groups = ",workspace=3%,new-datamart=2%,moved-datamart=2%,changed-datamart=2%";
    Setting {
        names: (0..targets).map(|number| format!("tenant-{salt:08x}/db {number}")).collect(),
        concurrency: [1, 2, 4, 8, 16, 48][random.random_range(0..6)],
        max_attempts: random.random_range(2..5),
        listing_check: random.random_bool(0.8),
        // In turn, so that a short round meets them all.
        faults: faults[usize::try_from(round).unwrap() % faults.len()].to_owned()
            + if with_datamarts { of_groups } else { "" },
        latency: Duration::from_micros(random.random_range(0..4000)),
        seed: random.random(),
    }
}

/// Plays one round and adds what it showed to `report`.
pub fn play(random: &mut StdRng, report: &mut Report, with_datamarts: bool) {
    let setting = setting(random, report.rounds, with_datamarts);
    let mut folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (log, account_path) = (path("audit.db"), path("requests.jsonl"));
    // A copy: nothing that is built meanwhile can change what is tested.
    let program = path("decom");
    std::fs::copy(super::program(), &program).unwrap();
    std::fs::write(path("names.csv"), format!("name\n{}\n", setting.names.join("\n"))).unwrap();
    std::fs::write(path("config.toml"), config(&setting)).unwrap();
    let emulator = Emulator::start(EmulatorOptions {
        faults: setting.faults.parse().unwrap(),
        seed: setting.seed,
        latency: setting.latency,
        request_log: Some(account_path.clone()),
        datamarts: if with_datamarts { 3 } else { 0 },
        ..EmulatorOptions::new(TOKEN, setting.names.clone())
    })
    .unwrap();

    let mut names: HashSet<_> = setting.names.iter().cloned().collect();
    if with_datamarts {
        let groups = Groups::of(emulator.base_url(), TOKEN, &setting.names);
        groups.record(&log, emulator.base_url());
        names = groups.names().into_iter().collect();
    }

    let mut wrong = Vec::new();
    let mut before: Option<Snapshot> = None;
    let mut processes = 0;
    let finished = loop {
        let begun = before.as_ref().is_some_and(|log| log.runs > 0);
        let command = if with_datamarts || begun && random.random_bool(0.5) { "resume" } else { "run" };
        let instant = match random.random_range(0..5) {
            // While it opens the log, continues or begins a run.
            0 => Instantly::After(Duration::from_micros(random.random_range(0..30_000))),
            1 | 2 => Instantly::After(Duration::from_micros(random.random_range(0..250_000))),
            _ => Instantly::AfterRequests(random.random_range(0..=setting.names.len() as u64 / 4)),
        };
        let child = start(&program, folder.path(), command, &emulator, &setting);
        let ended = kill(child, &instant, &emulator);
        processes += 1;
        let killed = matches!(ended, Ended::Killed);
        report.kills += u64::from(killed);

        let requests = account::requests(&account_path);
        if !log.exists() {
            wrong.extend(requests.first().map(|request| format!("{} was sent without a log", request.id)));
            assert!(processes < MOST_PROCESSES, "no process gets as far as a log");
            continue;
        }
        let now = match snapshot(&log) {
            Ok(now) => now,
            Err(error) => {
                wrong.push(error);
                break None;
            }
        };
        wrong.extend(checks::at_any_instant(&now, before.as_ref(), &requests, setting.concurrency));
        if killed {
            report.in_doubt += now.in_doubt;
            report.most_in_doubt = report.most_in_doubt.max(now.in_doubt);
        }
        let is_finished = now.status.as_deref() == Some("finished");
        match ended {
            Ended::Killed => {}
            Ended::Exited(code @ (0 | 1)) if is_finished => wrong.extend(exit_code(code, &now)),
            // The first group of each process is a canary.
            Ended::Exited(4) if with_datamarts && stopped_at_canary(folder.path()) => {}
            Ended::Exited(code) => wrong.push(format!(
                "`decom {command}` exited with {code} in the state {:?}: {}",
                now.status,
                std::fs::read_to_string(path("stderr")).unwrap()
            )),
        }
        if is_finished {
            break Some(now);
        }
        if processes > MOST_PROCESSES || !wrong.is_empty() {
            wrong.push(format!("given up after {processes} processes"));
            break None;
        }
        before = Some(now);
    };
    let requests = account::requests(&account_path);
    if let Some(now) = &finished {
        let existing = account::existing(emulator.base_url(), TOKEN);
        wrong.extend(checks::in_the_end(now, &names, &existing, &requests, setting.listing_check));
        for result in &now.results {
            *report.outcomes.entry(result.outcome.clone()).or_default() += 1;
        }
    }
    report.rounds += 1;
    report.targets += names.len() as u64;
    report.processes += processes;
    report.requests += requests.len() as u64;
    report.deletions += emulator.tally().deletions + emulator.tally().datamart_deletions;
    if !wrong.is_empty() {
        folder.disable_cleanup(true);
        wrong.push(format!("what is left lies in {}", folder.path().display()));
    }
    report.violations.extend(wrong);
}

fn stopped_at_canary(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("stdout")).unwrap().contains("It stopped early: canary ")
}

fn config(setting: &Setting) -> String {
    format!(
        r#"
[audit]
db = "audit.db"
[api]
connect_timeout = "1s"
response_timeout = "150ms"
attempt_timeout = "300ms"
[pace]
rate = "unlimited"
concurrency = {}
[retry]
max_attempts = {}
first_backoff = "1ms"
longest_backoff = "20ms"
[safety]
max_deletes = 1000
max_share = 100.0
breaker_failures = 50
listing_check = {}
"#,
        setting.concurrency, setting.max_attempts, setting.listing_check
    )
}

fn start(program: &PathBuf, folder: &Path, command: &str, emulator: &Emulator, setting: &Setting) -> Child {
    let mut decom = Command::new(program);
    decom.current_dir(folder).env_clear().env("DATABRAIN_TOKEN", TOKEN).env("USER", "tester").arg(command);
    if command == "run" {
        decom.arg("names.csv");
    }
    decom.args(["--config", "config.toml", "--yes", "--base-url", emulator.base_url()]);
    if setting.seed.is_multiple_of(2) {
        decom.arg("--quiet");
    }
    let output = |name| Stdio::from(File::create(folder.join(name)).unwrap());
    decom.stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr")).spawn().unwrap()
}

/// Waits for the instant and kills the process with SIGKILL, if it is not done by itself before.
fn kill(mut child: Child, instant: &Instantly, emulator: &Emulator) -> Ended {
    let (begun, requests) = (Instant::now(), emulator.tally().requests);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ended::Exited(status.code().unwrap_or(-1));
        }
        let now = match instant {
            Instantly::After(delay) => begun.elapsed() >= *delay,
            Instantly::AfterRequests(number) => emulator.tally().requests >= requests + number,
        };
        if now {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            return status.code().map_or(Ended::Killed, Ended::Exited);
        }
        if begun.elapsed() > TOO_LONG {
            child.kill().unwrap();
            child.wait().unwrap();
            return Ended::Exited(-2);
        }
        match instant {
            Instantly::After(_) => std::thread::sleep(Duration::from_micros(200)),
            // Without a pause, to strike while that request is still being answered.
            Instantly::AfterRequests(_) => std::thread::yield_now(),
        }
    }
}

fn exit_code(code: i32, log: &Snapshot) -> Option<String> {
    let all_gone =
        log.results.iter().all(|result| matches!(&*result.outcome, "deleted" | "deleted_unconfirmed"));
    let expected = i32::from(!all_gone);
    (code != expected).then(|| format!("the exit code is {code}, and {expected} is right"))
}
