//! A real NATS server with JetStream on a loopback port, in a folder of its own, until it is dropped.

use std::path::Path;
use std::process::Command;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, Context};
use tempfile::TempDir;

use super::servers::{ServerProcess, free_port, until};
use super::{fast_folder, skipped};

/// A password that must never be seen anywhere.
pub const PASSWORD: &str = "n4ts-c4n4ry";

pub struct NatsServer {
    folder: TempDir,
    port: u16,
    process: Option<ServerProcess>,
}

impl NatsServer {
    /// `None`, said where nobody can miss it, where this machine has no such server.
    pub fn start(test: &str) -> Option<Self> {
        Self::begin(test, "jetstream {}")
    }

    /// One with settings of its own.
    pub fn begin(test: &str, settings: &str) -> Option<Self> {
        if Command::new(program()).arg("--version").output().is_err() {
            skipped(test, "there is no nats-server");
            return None;
        }
        // Whoever takes a port between the look and the start is not seen twice in a row.
        for _ in 0..5 {
            let folder = TempDir::new_in(fast_folder()).unwrap();
            std::fs::write(folder.path().join("settings"), settings).unwrap();
            let mut server = Self { folder, port: free_port(), process: None };
            if server.run() {
                return Some(server);
            }
        }
        panic!("nats-server does not start");
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new(program());
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-c"]);
        command.arg(self.folder.path().join("settings")).arg("-sd").arg(self.folder.path());
        self.process = ServerProcess::start(command, self.port);
        self.process.is_some()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, on its port and its folder.
    pub fn restart(&mut self) {
        until("NATS starts again", || self.run());
    }

    pub fn process(&self) -> &ServerProcess {
        self.process.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its queue `decom`.
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The same, for a user.
    pub fn address_of(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// JetStream, for what decom does not do.
    pub async fn jetstream(&self) -> Context {
        jetstream::new(async_nats::connect(self.address()).await.unwrap())
    }

    /// How many messages the stream has.
    pub async fn length(&self, stream: &str) -> u64 {
        self.jetstream().await.get_stream(stream).await.unwrap().cached_info().state.messages
    }
}

/// Debian keeps it where not everybody looks.
fn program() -> &'static str {
    let debians = "/usr/sbin/nats-server";
    if Path::new(debians).exists() { debians } else { "nats-server" }
}

impl super::draining::Broker for NatsServer {
    fn address(&self) -> String {
        NatsServer::address(self)
    }

    fn kill(&mut self) {
        NatsServer::kill(self);
    }

    fn restart(&mut self) {
        NatsServer::restart(self);
    }

    /// The stream would not do: after a crash, a server of 2.9 has messages in it again whose acknowledgement
    /// its consumer still knows of. That each name has an outcome is seen in the logs.
    async fn length(&self) -> u64 {
        let jetstream = self.jetstream().await;
        let consumer =
            jetstream.get_consumer_from_stream::<pull::Config, _, _>("decom", "decom").await.unwrap();
        let info = consumer.cached_info();
        info.num_pending + u64::try_from(info.num_ack_pending).unwrap()
    }

    /// It writes down ten times in a second, and not at once, what its consumers were given.
    fn forgets(&self) -> bool {
        true
    }

    async fn dead_letters(&self) -> Vec<String> {
        let stream = self.jetstream().await.get_stream("decom-dead").await.unwrap();
        let state = stream.cached_info().state.clone();
        let mut bodies = Vec::new();
        for number in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(number).await.unwrap();
            bodies.push(String::from_utf8_lossy(&message.payload).into_owned());
        }
        bodies
    }
}
