//! What asks a worker whether it is alive, and who reads what a command prints, must not change how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::gate::Gate;
use crate::support::servers::free_port;
use crate::support::{Sandbox, Server, csv, decom, wait_until};

fn asked(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: decom\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn a_probe_is_answered_while_many_connections_are_idle() {
    let gate = Gate::default();
    let (sandbox, server) = (Sandbox::new(), gate.server());
    let (input, address) = (csv(&sandbox, &["a"]), format!("127.0.0.1:{}", free_port()));
    let running = decom(&sandbox, &server, &["run", &input, "--metrics-addr", &address]).start();
    server.wait_for_deletions(1);
    let idle: Vec<_> = (0..64).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let begun = Instant::now();
    assert!(asked(&address).ends_with("alive\n"));
    // The default patience of a probe of Kubernetes.
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // One that sends nothing is not kept.
    wait_until("an idle connection is closed", || {
        let mut stream = &idle[0];
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.read(&mut [0; 64]).is_ok_and(|read| read == 0)
    });
    gate.open();
    running.finish().expect(0);
}

#[test]
fn a_reader_that_leaves_changes_nothing() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let names: Vec<_> = (0..5_000).map(|number| format!("a-name-that-is-rather-long-{number}")).collect();
    let input = csv(&sandbox, &names);
    decom(&sandbox, &server, &["run", &input]).run().expect(0);
    for (command, code) in [
        (&["plan", &input, "--offline"][..], 0),
        (&["plan", &input, "--offline", "--max-deletes", "1", "--audit-db", "none.db"], 3),
        (&["run", &input, "--dry-run", "--again"], 0),
        (&["rehearse", &input, "--dry-run"], 0),
        (&["enqueue", &input, "--queue", "redis://127.0.0.1:1", "--dry-run"], 0),
        (&["report", "--format", "csv"], 0),
        (&["runs"], 0),
        (&["audit", "verify"], 1),
        (&["audit", "export"], 0),
    ] {
        let mut program = sandbox.decom(command);
        if ["plan", "run", "rehearse"].contains(&command[0]) {
            program.fast(&server.url());
        }
        let mut child = program.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{command:?}: {said}");
        assert!(!said.contains("pipe"), "{command:?}: {said}");
    }
}
