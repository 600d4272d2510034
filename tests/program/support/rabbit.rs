//! A real RabbitMQ on loopback ports, in a folder of its own, until it is dropped.
//!
//! It takes seconds to start, so tests that leave it alone share one, each with a queue of its own.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lapin::{Channel, Connection, ConnectionProperties};
use tempfile::TempDir;

use super::servers::{ServerProcess, free_port, until};
use super::{fast_folder, skipped};

pub struct RabbitServer {
    process: Option<ServerProcess>,
    /// Erlang's list of nodes: one of its own, as the usual one would outlive the test.
    list: Option<ServerProcess>,
    folder: TempDir,
    port: u16,
    list_port: u16,
    node_port: u16,
}

impl RabbitServer {
    /// The one that tests share. `None`, said where nobody can miss it, where this machine has none.
    pub fn shared(test: &str) -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<RabbitServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start(test)?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// One of its own.
    pub fn start(test: &str) -> Option<Self> {
        // The program would start a server when it is asked for its version.
        if Command::new("epmd").arg("-help").output().is_err() || !Path::new(PROGRAM).exists() {
            skipped(test, "there is no RabbitMQ as Debian installs it");
            return None;
        }
        // Whoever takes a port between the look and the start is not seen twice in a row.
        for _ in 0..5 {
            let folder = TempDir::new_in(fast_folder()).unwrap();
            let (port, list_port, node_port) = (free_port(), free_port(), free_port());
            let mut server = Self { process: None, list: None, folder, port, list_port, node_port };
            let mut list = Command::new("epmd");
            list.args(["-address", "127.0.0.1", "-port", &list_port.to_string()]);
            server.list = ServerProcess::start(list, list_port);
            if server.list.is_some() && server.run() {
                return Some(server);
            }
        }
        panic!("RabbitMQ does not start");
    }

    fn run(&mut self) -> bool {
        let folder = self.folder.path();
        let mut command = Command::new(PROGRAM);
        command
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", self.list_port.to_string())
            .env("RABBITMQ_NODENAME", "decom@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.node_port.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            // The server itself, and no shell around it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        for (variable, name) in [
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PLUGINS_EXPAND_DIR", "plugins"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled"),
            ("RABBITMQ_CONFIG_FILE", "config"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_PID_FILE", "pid"),
        ] {
            command.env(variable, folder.join(name));
        }
        self.process = ServerProcess::start(command, self.port);
        self.process.is_some()
    }

    /// Ends it as a crash would, once it has the names of its quorum queues on the disk: RabbitMQ 3.10 writes those half
    /// a second late, and a queue without one never comes back.
    pub fn kill(&mut self) {
        let names = self.folder.path().join("data/decom@localhost/quorum/decom@localhost/names.dets");
        until("RabbitMQ writes down its queue", || {
            let names = std::fs::read(&names).unwrap_or_default();
            // The queue, and its dead-letter queue.
            names.windows(QUEUE.len()).filter(|window| *window == QUEUE).count() >= 2
        });
        self.process = None;
    }

    /// Starts it again, on its ports and its folder.
    pub fn restart(&mut self) {
        until("RabbitMQ starts again", || self.run());
    }

    pub fn process(&self) -> &ServerProcess {
        self.process.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a queue.
    pub fn address(&self, queue: &str) -> String {
        format!("amqp://127.0.0.1:{}/?queue={queue}", self.port)
    }

    /// A channel for what decom does not do, and the connection that carries it.
    pub async fn channel(&self) -> (Connection, Channel) {
        let address = format!("amqp://127.0.0.1:{}/%2f", self.port);
        let connection = Connection::connect(&address, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }
}

/// The beginning of the names of its queue `decom`, and of the dead-letter queue of that, in RabbitMQ's files.
const QUEUE: &[u8] = b"%2F_decom";

/// Behind Debian's own `rabbitmq-server`, which insists on being root.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

impl super::draining::Broker for RabbitServer {
    fn address(&self) -> String {
        RabbitServer::address(self, "decom")
    }

    fn kill(&mut self) {
        RabbitServer::kill(self);
    }

    fn restart(&mut self) {
        RabbitServer::restart(self);
    }

    async fn length(&self) -> u64 {
        let (_connection, channel) = self.channel().await;
        // Nobody is connected any more, so all that is there waits.
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel
            .queue_declare("decom".into(), options, lapin::types::FieldTable::default())
            .await
            .unwrap();
        queue.message_count().into()
    }

    async fn dead_letters(&self) -> Vec<String> {
        let (_connection, channel) = self.channel().await;
        let options = lapin::options::BasicGetOptions { no_ack: true };
        let mut bodies = Vec::new();
        while let Some(message) = channel.basic_get("decom.dead".into(), options).await.unwrap() {
            bodies.push(String::from_utf8_lossy(&message.delivery.data).into_owned());
        }
        bodies
    }
}
