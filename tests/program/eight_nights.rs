//! A nightly job over eight nights in which everything goes wrong once, on one audit log: each night ends with a code that
//! says what to do, and the next one goes on where it has to. Nothing is sent twice, and nothing that must stay.

use std::sync::{Arc, Mutex};

use crate::support::faketime::Faketime;
use crate::support::gate::Gate;
use crate::support::{Decom, Output, Reply, Sandbox, Server, column, wait_until};

const CONFIGURATION: &str = r#"
[safety]
max_deletes_per_day = 3
max_share = 100.0
holds = "holds.csv"
listing_check = false

[run]
accept = ["on_hold"]

[api]
listing_patience = "0s"

[retry]
max_attempts = 2
"#;

/// What the API does tonight.
#[derive(Clone)]
enum Weather {
    Fine,
    TokenExpired,
    /// Every deletion waits.
    Slow(Gate),
}

struct Job {
    sandbox: Sandbox,
    server: Server,
    weather: Arc<Mutex<Weather>>,
    faketime: Faketime,
}

impl Job {
    fn new() -> Option<Self> {
        let faketime = Faketime::find(module_path!())?;
        let (sandbox, weather) = (Sandbox::new(), Arc::new(Mutex::new(Weather::Fine)));
        let tonight = weather.clone();
        let server = Server::start(move |_| {
            let tonight = tonight.lock().unwrap().clone();
            match tonight {
                Weather::Fine => Reply::deleted(),
                Weather::TokenExpired => Reply::status(401),
                Weather::Slow(gate) => {
                    gate.pass();
                    Reply::deleted()
                }
            }
        });
        sandbox.file("decom.toml", CONFIGURATION);
        sandbox.file("holds.csv", "name,reason,until\n");
        Some(Self { sandbox, server, weather, faketime })
    }

    fn weather(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    /// `decom run` of the list `file` on this night, as the job calls it.
    fn command(&self, night: u64, file: &str) -> Decom {
        let arguments = ["run", file, "--yes", "--config", "decom.toml"];
        let mut command = self.faketime.decom(&format!("+{night}d"), &self.sandbox, &arguments);
        command.sequential(&self.server.url()).env_remove("DECOM_MAX_SHARE");
        command
    }

    fn night(&self, night: u64, file: &str) -> Output {
        self.command(night, file).run()
    }

    /// The names that were sent since the last call, in order.
    fn sent(&self, before: &mut usize) -> Vec<String> {
        let all = self.server.names_sent();
        let new = all[*before..].to_vec();
        *before = all.len();
        new
    }
}

#[test]
fn eight_nights_in_which_everything_goes_wrong_once() {
    let Some(job) = Job::new() else { return };
    let mut before = 0;
    job.sandbox.names("names.csv", &["a", "b", "c"]);

    // The first night: the API is down. Nothing is sent, and 4 says that the next try may help.
    job.server.answer_listing(|_| Reply::status(503));
    let down = job.command(0, "names.csv").args(["--max-share", "90"]).run().expect(4);
    assert!(down.message().contains("503"), "{}", down.message());
    assert_eq!(job.sent(&mut before), [""; 0]);
    job.server.list(&[]);

    // The second: the token has expired. It is said, and what was in doubt stays that.
    job.weather(Weather::TokenExpired);
    let expired = job.night(1, "names.csv").expect(4);
    assert!(expired.stdout.contains("the API does not accept the token"), "{}", expired.stdout);
    job.sent(&mut before);

    // The third: the volume is full. No request leaves.
    job.weather(Weather::Fine);
    let mut full = job.sandbox.program("sh");
    // The signal that comes with the limit is ignored, so that writing fails as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    full.args([
        "-c",
        limited,
        env!("CARGO_BIN_EXE_decom"),
        "run",
        "names.csv",
        "--yes",
        "--config",
        "decom.toml",
    ]);
    job.faketime.under(&mut full, "+2d");
    full.sequential(&job.server.url()).run().expect(5);
    assert_eq!(job.sent(&mut before), [""; 0]);

    // The fourth: the node is lost in the middle of a request.
    let gate = Gate::default();
    job.weather(Weather::Slow(gate.clone()));
    let running = job.command(3, "names.csv").start();
    wait_until("a request has arrived", || job.server.deletions().len() > before);
    // The fifth: while that pod still runs, another one is started. It leaves the log alone, and may be tried again.
    let second = job.night(3, "names.csv").expect(4);
    assert!(second.message().contains("in use") || second.message().contains("another decom"), "{second:?}");
    running.kill();
    gate.open();
    assert_eq!(job.sent(&mut before).len(), 1, "and nothing by the second one");
    // The next start of the job goes on.
    job.weather(Weather::Fine);
    let resumed = job.night(4, "names.csv").expect(0);
    assert!(resumed.all_are("deleted"), "{resumed:?}");
    job.sent(&mut before);

    // The sixth: the list has grown, by more than the budget of a day. Nothing of it is begun.
    job.sandbox.names("names.csv", &["a", "b", "c", "d", "e"]);
    let refused = job.night(4, "names.csv").expect(3);
    assert!(refused.message().contains("it fits from "), "{}", refused.message());
    assert_eq!(job.sent(&mut before), [""; 0]);
    job.sandbox.file("holds.csv", format!("name,reason,until\ne,an owner objects,{}\n", day(6)));
    let grown = job.night(5, "names.csv").expect(0);
    assert_eq!(job.sent(&mut before), ["d"], "{grown:?}");
    assert!(grown.stdout.contains("e  on_hold; held until "), "{}", grown.stdout);

    // The seventh: the list has another name. It is the same list.
    job.sandbox.names("offboarding-december.csv", &["a", "b", "c", "d", "e"]);
    job.night(6, "offboarding-december.csv").expect(0);
    assert_eq!(job.sent(&mut before), [""; 0]);

    // The eighth: the hold has ended.
    job.night(7, "offboarding-december.csv").expect(0);
    assert_eq!(job.sent(&mut before), ["e"]);

    let gone = "SELECT name FROM results WHERE outcome IN ('deleted', 'deleted_unconfirmed') ORDER BY name";
    assert_eq!(column(&job.sandbox.log(), gone), ["a", "b", "c", "d", "e"], "each once");
    let verified = job.sandbox.decom(&["audit", "verify"]).run();
    assert!(verified.stdout.contains("OK: the log is intact"), "{verified:?}");
}

/// The date in so many days.
fn day(days: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(days * 24 * 3600);
    decom::domain::Timestamp::from(at).to_string()[..10].to_owned()
}
