//! A worker's pod beside a real broker: it takes names, is watched where the probes look, and ends when
//! the kubelet says so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Tools;
use super::pods::Pod;
use super::running::{deleted, estate, listed};
use crate::emulated::said;
use crate::support::column;
use crate::support::redis::RedisServer;
use crate::support::servers::{free_port, until};

/// The pod's process, which does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status of a page on this port, once somebody listens there.
fn status(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split(' ').nth(1)?.to_owned())
}

#[test]
fn a_worker_takes_names_until_it_is_told_to_end() {
    const TEST: &str = "a_worker_takes_names_until_it_is_told_to_end";
    let Some(tools) = Tools::find(TEST) else { return };
    let Some(redis) = RedisServer::start(TEST) else { return };
    let estate = estate();
    let rendered = tools.rendered("worker");
    let pod = Pod::new(&estate.sandbox, &rendered, Some(0));
    std::fs::write(pod.path("/run/secrets/queue/url"), redis.address()).unwrap();
    let list = super::folder().join("overlays/cronjob/offboarding.csv");
    let mut enqueue = estate.sandbox.decom(&["enqueue", "--queue", &redis.address()]);
    let enqueued = said(enqueue.arg(list));
    assert_eq!(enqueued.code, 0, "{enqueued:?}");

    let port = free_port();
    let watched = rendered.container()["ports"][0]["containerPort"].as_u64().unwrap();
    let here = format!("127.0.0.1:{port}");
    let arguments = pod.arguments();
    let arguments: Vec<_> =
        arguments.iter().map(|word| word.replace(&format!("0.0.0.0:{watched}"), &here)).collect();
    assert!(arguments.iter().any(|word| word.ends_with(&here)), "{arguments:?}");
    let mut command: Command = pod.command(&arguments);
    command.env("DECOM_BASE_URL", estate.emulator.base_url()).stdin(Stdio::null());
    let errors = std::fs::File::create(estate.sandbox.path("stderr")).unwrap();
    let mut started = Started(command.stdout(Stdio::null()).stderr(errors).spawn().unwrap());
    let said = || std::fs::read_to_string(estate.sandbox.path("stderr")).unwrap();

    until("everything is deleted", || {
        let ended = started.0.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", said());
        deleted(&estate).len() == 3
    });
    assert_eq!(deleted(&estate), listed());
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = rendered.container()[probe]["httpGet"]["path"].as_str().unwrap();
        until(probe, || status(port, path).as_deref() == Some("200"));
    }
    kill_process(Pid::from_child(&started.0), Signal::TERM).unwrap();
    assert_eq!(started.0.wait().unwrap().code(), Some(143), "{}", said());
    assert_eq!(column(&pod.log(), "SELECT sum(deleted) FROM runs"), ["3"]);
}
