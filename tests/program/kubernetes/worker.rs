//! A worker's pod beside a real broker: it takes names, is watched where the probes look, and ends when
//! the kubelet says so.

use rustix::process::Signal;

use super::Tools;
use super::pods::Pod;
use super::running::{deleted, estate, listed};
use crate::support::column;
use crate::support::fetch::get;
use crate::support::redis::RedisServer;
use crate::support::servers::free_port;

#[test]
fn a_worker_takes_names_until_it_is_told_to_end() {
    const TEST: &str = "a_worker_takes_names_until_it_is_told_to_end";
    let Some(tools) = Tools::find(TEST) else { return };
    let Some(redis) = RedisServer::start(TEST) else { return };
    let estate = estate();
    let rendered = tools.rendered("worker");
    let pod = Pod::new(&estate.sandbox, rendered, Some(0));
    std::fs::write(pod.path("/run/secrets/queue/url"), redis.address()).unwrap();
    let list = super::folder().join("overlays/cronjob/offboarding.csv");
    let mut enqueue = estate.sandbox.decom(&["enqueue", "--queue", &redis.address()]);
    let enqueued = enqueue.arg(list).run();
    assert_eq!(enqueued.code, 0, "{enqueued:?}");

    let port = free_port();
    let watched = rendered.container()["ports"][0]["containerPort"].as_u64().unwrap();
    let here = format!("127.0.0.1:{port}");
    let arguments = pod.arguments();
    let arguments: Vec<_> =
        arguments.iter().map(|word| word.replace(&format!("0.0.0.0:{watched}"), &here)).collect();
    assert!(arguments.iter().any(|word| word.ends_with(&here)), "{arguments:?}");
    let mut running = pod.program(&arguments).env("DECOM_BASE_URL", estate.emulator.base_url()).start();
    running.wait_until("everything is deleted", || deleted(&estate).len() == 3);
    assert_eq!(deleted(&estate), listed());
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = rendered.container()[probe]["httpGet"]["path"].as_str().unwrap();
        running.wait_until(probe, || get(&here, path).is_some_and(|(status, _)| status == 200));
    }
    running.signal(Signal::TERM);
    running.finish().expect(143);
    assert_eq!(column(&pod.log(), "SELECT sum(deleted) FROM runs"), ["3"]);
}
