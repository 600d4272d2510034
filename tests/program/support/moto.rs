//! moto's server, which answers as SQS does, on a loopback port until it is dropped.

use std::process::Command;

use super::servers::{ServerProcess, free_port, until};
use super::venv;

/// A secret that must never be seen anywhere.
pub const SECRET: &str = "sqs-c4n4ry";

pub struct MotoServer {
    port: u16,
    /// Whether it asks who calls. It knows nobody, so nobody is let in.
    strict: bool,
    process: Option<ServerProcess>,
}

impl MotoServer {
    /// `None`, said where nobody can miss it, where this machine has no moto.
    pub fn start(test: &str) -> Option<Self> {
        Self::begin(test, false)
    }

    /// One that lets nobody in.
    pub fn strict(test: &str) -> Option<Self> {
        Self::begin(test, true)
    }

    fn begin(test: &str, strict: bool) -> Option<Self> {
        venv::program("moto_server", test)?;
        for _ in 0..5 {
            let mut server = Self { port: free_port(), strict, process: None };
            if server.run() {
                return Some(server);
            }
        }
        panic!("moto_server does not start");
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new(venv::program("moto_server", "moto").unwrap());
        command.env_clear().args(["-H", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.strict {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", "0");
        }
        self.process = ServerProcess::start(command, self.port);
        self.process.is_some()
    }

    /// Ends it. It keeps nothing.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on its port, with no queue.
    pub fn restart(&mut self) {
        until("moto_server starts again", || self.run());
    }

    pub fn process(&self) -> &ServerProcess {
        self.process.as_ref().unwrap()
    }

    /// The address of its queue `decom`.
    pub fn address(&self) -> String {
        self.address_of("decom")
    }

    /// The address of a queue of its.
    pub fn address_of(&self, queue: &str) -> String {
        let at = format!("127.0.0.1:{}/123456789012", self.port);
        format!("sqs://AKIAEXAMPLE:{SECRET}@{at}?region=eu-central-1&plain=true&queue={queue}")
    }
}

impl super::draining::Broker for MotoServer {
    fn address(&self) -> String {
        MotoServer::address(self)
    }

    fn kill(&mut self) {
        unreachable!("it would lose its queues");
    }

    fn restart(&mut self) {
        unreachable!("it would lose its queues");
    }

    async fn length(&self) -> u64 {
        super::queues::opened(&MotoServer::address(self), "test", super::queues::LONG)
            .await
            .waiting()
            .await
            .unwrap()
    }

    async fn dead_letters(&self) -> Vec<String> {
        let dead = super::queues::opened(&self.address_of("decom-dead"), "test", super::queues::LONG).await;
        let mut bodies = Vec::new();
        while let Some(message) = dead.take(std::time::Duration::from_secs(1)).await.unwrap() {
            bodies.push(String::from_utf8(message.body).unwrap());
        }
        bodies
    }
}
