//! What a worker reports to systemd, to a socket such as systemd's.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::redis::RedisServer;
use crate::support::{PATIENCE, Sandbox, Server, decom};

/// The next message that has this line; others say what else is going on.
fn wait_for(socket: &UnixDatagram, line: &str) {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {line}: {error}"));
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.lines().any(|it| it == line) {
            return;
        }
    }
}

#[test]
fn systemd_learns_that_a_worker_is_ready_waits_and_stops() {
    let Some(mut redis) = RedisServer::start("systemd_learns_that_a_worker_is_ready_waits_and_stops") else {
        return;
    };
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let path = sandbox.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    redis.kill();
    let address = redis.address();
    let mut worker = decom(&sandbox, &server, &["work", "--queue", &address, "--follow"]);
    let mut running = worker.env("NOTIFY_SOCKET", &path).start();
    running.wait_for_line("trying again in");
    let mut buffer = [0; 1024];
    let waiting =
        socket.recv(&mut buffer).map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
    assert!(
        waiting.as_ref().is_ok_and(|it| it.starts_with("STATUS=the queue cannot be reached")),
        "{waiting:?}"
    );
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    redis.restart();
    wait_for(&socket, "READY=1");
    redis.kill();
    wait_for(&socket, "STATUS=the queue cannot be reached; waiting for it");
    redis.restart();
    wait_for(&socket, "STATUS=a run is active");
    running.signal(Signal::TERM);
    wait_for(&socket, "STOPPING=1");
    running.finish().expect(143);
}
