//! The order of the system calls: what is on disk when the first byte of a request leaves.
//!
//! The program runs under strace, which writes down every write, with its bytes, and every sync.
//! From that the files are built anew as they would be found after a power cut in the instant
//! before each request; that log must hold the record of the request's attempt.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use decom::emulator::{Emulator, EmulatorOptions};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Sandbox, TOKEN, column, skipped};

/// Whether strace is there and may look on.
fn can_trace() -> Result<(), String> {
    match Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output() {
        Err(error) => Err(format!("strace cannot be run: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace may not trace: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

#[test]
fn the_record_is_on_disk_before_the_first_byte_of_its_request_leaves() {
    if let Err(why) = can_trace() {
        skipped("the_record_is_on_disk_before_the_first_byte_of_its_request_leaves", &why);
        return;
    }
    let names: Vec<_> = (0..24).map(|number| format!("db-{number}")).collect();
    for concurrency in ["1", "6"] {
        let sandbox = Sandbox::new();
        sandbox.names("names.csv", &names.iter().map(String::as_str).collect::<Vec<_>>());
        let emulator = Emulator::start(EmulatorOptions {
            faults: "http500=20%,drop=10%".parse().unwrap(),
            seed: 3,
            ..EmulatorOptions::new(TOKEN, names.clone())
        })
        .unwrap();
        let mut strace = sandbox.program("strace");
        let finished = strace
            .args(["-f", "-y", "-xx", "-s", "1000000", "-o", "trace"])
            .args(["-e", "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,ftruncate,fsync,fdatasync"])
            .arg(env!("CARGO_BIN_EXE_decom"))
            .args(["run", "names.csv", "--yes", "--concurrency", concurrency])
            .sequential(emulator.base_url())
            .run();
        assert!(matches!(finished.code, 0 | 1), "{finished:?}");

        let trace = std::fs::read_to_string(sandbox.path("trace")).unwrap();
        let log = sandbox.path("").canonicalize().unwrap().join("decom-audit.db");
        let sent = follow(&trace, &log);
        let attempts = column(&sandbox.log(), "SELECT request_id FROM attempts");
        assert!(sent.len() > names.len(), "there were retries: {}", sent.len());
        assert_eq!(sent.len(), attempts.len(), "every request was seen to leave");
        for (request_id, was_durable) in sent {
            assert!(was_durable, "{request_id} left before its record was on disk");
        }
    }
}

/// The requests in the order in which they left, each with whether its record was on disk then.
fn follow(trace: &str, log: &Path) -> Vec<(String, bool)> {
    let log = log.to_str().unwrap();
    let (mut disk, mut sent) = (Disk::default(), Vec::new());
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("<... fsync resumed>") || call.starts_with("<... fdatasync resumed>") {
            assert!(call.ends_with("= 0"), "a sync failed: {line}");
            disk.synced(thread);
            continue;
        }
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let path = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path);
        let path = String::from_utf8_lossy(&bytes(path.unwrap_or_default())).into_owned();
        let is_ours = path.strip_prefix(log).is_some_and(|suffix| matches!(suffix, "" | "-wal"));
        match name {
            "pwrite64" if is_ours => disk.write(&path, arguments),
            "fsync" | "fdatasync" if is_ours => {
                disk.sync(thread, &path);
                if !call.contains("<unfinished") {
                    assert!(call.ends_with("= 0"), "a sync failed: {line}");
                    disk.synced(thread);
                }
            }
            "ftruncate" => disk.truncate(&path, arguments),
            "write" | "writev" | "pwritev" if is_ours => panic!("not followed: {line}"),
            "write" | "writev" | "sendto" | "sendmsg" if path.starts_with("socket:") => {
                let data: Vec<u8> = quoted(arguments).into_iter().flatten().collect();
                if data.starts_with(b"DELETE ") {
                    let request_id = header(&data);
                    let was_durable = disk.holds(log, &request_id);
                    sent.push((request_id, was_durable));
                }
            }
            _ => {}
        }
    }
    sent
}

fn header(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("x-request-id:"));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}

/// Files as they were written, and as they would be after a power cut.
#[derive(Default)]
struct Disk {
    written: HashMap<String, Vec<u8>>,
    durable: HashMap<String, Vec<u8>>,
    /// By thread: what a sync that has begun will have made durable.
    syncing: HashMap<String, (String, Vec<u8>)>,
}

impl Disk {
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

    fn sync(&mut self, thread: &str, path: &str) {
        let content = self.written.get(path).cloned().unwrap_or_default();
        self.syncing.insert(thread.to_owned(), (path.to_owned(), content));
    }

    fn synced(&mut self, thread: &str) {
        if let Some((path, content)) = self.syncing.remove(thread) {
            self.durable.insert(path, content);
        }
    }

    /// Whether the log, as it is on disk, holds an attempt with this id.
    fn holds(&self, log: &str, request_id: &str) -> bool {
        let folder = TempDir::new().unwrap();
        for suffix in ["", "-wal"] {
            if let Some(content) = self.durable.get(&format!("{log}{suffix}")) {
                std::fs::write(folder.path().join(format!("found.db{suffix}")), content).unwrap();
            }
        }
        let found = Connection::open(folder.path().join("found.db")).unwrap();
        let query = "SELECT count(*) FROM attempts WHERE request_id = ?1";
        found.query_row(query, [request_id], |row| row.get::<_, u64>(0)).is_ok_and(|count| count == 1)
    }
}

/// What stands between quotes, as bytes.
fn quoted(text: &str) -> Vec<Vec<u8>> {
    text.split('"').skip(1).step_by(2).map(bytes).collect()
}

/// `\x41\x42` as bytes.
fn bytes(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|hex| u8::from_str_radix(&hex[..2], 16).unwrap()).collect()
}
