//! The order of the system calls: what is on disk when the first byte of a request leaves.
//!
//! The program runs under strace, which prints every write, with its bytes, and every sync. From that the
//! audit log is built again as a power cut in the instant before each request would leave it; that log must
//! hold the record of the request's attempt.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Fault, Reply, Request, Sandbox, Server, column, fast_folder, strace_is_missing};

/// The system calls from which the order can be told.
const CALLS: &str = "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,ftruncate,fsync,fdatasync";

/// Runs these names under strace, and fails unless each request's record was on disk before the request left.
fn check(test: &str, names: &[String], concurrency: &str, server: &Server) {
    if strace_is_missing(test) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", names);
    let output = sandbox
        .program("strace")
        .args(["-f", "-y", "-xx", "-s", "1000000", "-o", "trace", "-e", CALLS])
        .arg(env!("CARGO_BIN_EXE_decom"))
        .args(["run", "names.csv", "--yes", "--concurrency", concurrency])
        .fast(&server.url())
        .run();
    let trace = std::fs::read_to_string(sandbox.path("trace")).unwrap();
    let log = sandbox.path("").canonicalize().unwrap().join("decom-audit.db");
    let sent = Trace::new(&log).follow(&trace);
    let arrived: BTreeSet<_> = server.deletions().iter().map(|request| request.id().to_owned()).collect();
    let left: BTreeSet<_> = sent.iter().map(|(id, _)| id.clone()).collect();
    assert!(!arrived.is_empty(), "{output:?}");
    assert_eq!(left, arrived, "every request was seen to leave: {output:?}");
    for (id, was_durable) in sent {
        assert!(was_durable, "{id} left before its record was on disk");
    }
    let recorded: BTreeSet<_> =
        column(&sandbox.log(), "SELECT request_id FROM attempts").into_iter().collect();
    assert!(recorded.is_superset(&arrived));
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("db-{number}")).collect()
}

/// Answers a part of the requests in a way that makes decom try again.
fn erring(request: &Request) -> Reply {
    match request.name.as_bytes().last().unwrap() + u8::try_from(request.attempt).unwrap() {
        b'4' => Reply::server_error(),
        b'7' => Fault::CloseBeforeAnswer.into(),
        _ => Reply::deleted(),
    }
}

#[test]
fn each_record_is_on_disk_before_its_request_leaves_one_at_a_time() {
    let server = Server::start(erring);
    check("each_record_is_on_disk_before_its_request_leaves_one_at_a_time", &names(24), "1", &server);
    assert!(server.deletions().len() > 24, "some were tried again");
}

#[test]
fn each_record_is_on_disk_before_its_request_leaves_with_64_under_way() {
    let server = Server::start(erring);
    check("each_record_is_on_disk_before_its_request_leaves_with_64_under_way", &names(256), "64", &server);
    assert!(server.deletions().len() > 256, "some were tried again");
}

/// So many names that they are written in several batches, into a log that does not exist yet. The run is
/// stopped by the API after some requests: what follows is no different.
#[test]
fn each_record_is_on_disk_before_its_request_leaves_when_a_large_run_begins() {
    let answered = AtomicUsize::new(0);
    let server = Server::start(move |_| match answered.fetch_add(1, Ordering::SeqCst) {
        0..100 => Reply::deleted(),
        _ => Reply::unauthorized(),
    });
    let test = "each_record_is_on_disk_before_its_request_leaves_when_a_large_run_begins";
    check(test, &names(12_000), "64", &server);
}

/// A trace that is read line by line.
struct Trace {
    log: String,
    /// The files as they were written.
    written: HashMap<String, Vec<u8>>,
    /// The files as a power cut would leave them.
    durable: HashMap<String, Vec<u8>>,
    /// By thread: the file that it is syncing, as it was when the sync began.
    syncing: HashMap<String, (String, Vec<u8>)>,
    /// The attempts in the durable files, once they were asked for.
    attempts: Option<BTreeSet<String>>,
}

impl Trace {
    fn new(log: &Path) -> Self {
        let log = log.to_str().unwrap().to_owned();
        let (written, durable, syncing) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { log, written, durable, syncing, attempts: None }
    }

    /// The ids of the requests in the order in which they left, each with whether its record was on disk.
    fn follow(mut self, trace: &str) -> Vec<(String, bool)> {
        let mut sent = Vec::new();
        for line in trace.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            if call.starts_with("<... fsync resumed>") || call.starts_with("<... fdatasync resumed>") {
                self.synced(thread, call);
                continue;
            }
            let Some((name, arguments)) = call.split_once('(') else { continue };
            let path =
                arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path);
            let path = String::from_utf8_lossy(&bytes(path.unwrap_or_default())).into_owned();
            let is_of_the_log =
                path.strip_prefix(&*self.log).is_some_and(|suffix| matches!(suffix, "" | "-wal"));
            match name {
                "pwrite64" if is_of_the_log => self.write(&path, arguments),
                "ftruncate" if is_of_the_log => self.truncate(&path, arguments),
                "fsync" | "fdatasync" if is_of_the_log => {
                    let content = self.written.get(&path).cloned().unwrap_or_default();
                    self.syncing.insert(thread.to_owned(), (path, content));
                    if !call.contains("<unfinished") {
                        self.synced(thread, call);
                    }
                }
                "write" | "writev" | "pwritev" if is_of_the_log => panic!("not followed: {line}"),
                "write" | "writev" | "sendto" | "sendmsg" if path.starts_with("socket:") => {
                    let data: Vec<u8> = quoted(arguments).into_iter().flatten().collect();
                    if data.starts_with(b"DELETE ") {
                        let id = request_id(&data);
                        let was_durable = self.holds(&id);
                        sent.push((id, was_durable));
                    }
                }
                _ => {}
            }
        }
        sent
    }

    fn write(&mut self, path: &str, arguments: &str) {
        let data = quoted(arguments).remove(0);
        let after = arguments.rsplit_once('"').unwrap().1;
        let numbers = after.split([',', ')', ' ']).filter_map(|word| word.parse::<usize>().ok());
        let [length, offset] = numbers.take(2).collect::<Vec<_>>()[..] else { panic!("{arguments}") };
        assert_eq!(data.len(), length, "strace cut a write short");
        let file = self.written.entry(path.to_owned()).or_default();
        file.resize(file.len().max(offset + length), 0);
        file[offset..offset + length].copy_from_slice(&data);
    }

    fn truncate(&mut self, path: &str, arguments: &str) {
        let length = arguments.rsplit_once(", ").and_then(|(_, rest)| rest.split(')').next());
        self.written.entry(path.to_owned()).or_default().resize(length.unwrap().parse().unwrap(), 0);
    }

    fn synced(&mut self, thread: &str, call: &str) {
        assert!(call.ends_with("= 0"), "a sync failed: {call}");
        if let Some((path, content)) = self.syncing.remove(thread) {
            self.durable.insert(path, content);
            self.attempts = None;
        }
    }

    /// Returns true if the log, as it is on disk, holds an attempt with this id.
    fn holds(&mut self, request_id: &str) -> bool {
        self.attempts.get_or_insert_with(|| attempts(&self.log, &self.durable)).contains(request_id)
    }
}

/// The ids of all attempts in a log of these files.
fn attempts(log: &str, files: &HashMap<String, Vec<u8>>) -> BTreeSet<String> {
    let folder = TempDir::new_in(fast_folder()).unwrap();
    for suffix in ["", "-wal"] {
        if let Some(content) = files.get(&format!("{log}{suffix}")) {
            std::fs::write(folder.path().join(format!("found.db{suffix}")), content).unwrap();
        }
    }
    let found = Connection::open(folder.path().join("found.db")).unwrap();
    // The schema may not be there yet.
    let Ok(mut statement) = found.prepare("SELECT request_id FROM attempts") else { return BTreeSet::new() };
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn request_id(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("x-request-id:"));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}

/// What stands between quotes, as bytes.
fn quoted(text: &str) -> Vec<Vec<u8>> {
    text.split('"').skip(1).step_by(2).map(bytes).collect()
}

/// `\x41\x42` as bytes.
fn bytes(text: &str) -> Vec<u8> {
    let digit = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    text.as_bytes().chunks_exact(4).map(|hex| digit(hex[2]) << 4 | digit(hex[3])).collect()
}
