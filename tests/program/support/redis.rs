//! A real Redis on a loopback port, in a folder of its own, until it is dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

use redis::{Client, Commands, Connection};
use tempfile::TempDir;

use super::servers::{ServerProcess, free_port, until};
use super::tls::Authority;
use super::{fast_folder, skipped};

/// A password that must never be seen anywhere.
pub const PASSWORD: &str = "r3dis-c4n4ry";

pub struct RedisServer {
    folder: TempDir,
    port: u16,
    flags: Vec<String>,
    process: Option<ServerProcess>,
}

impl RedisServer {
    /// `None`, said where nobody can miss it, where this machine has no Redis.
    pub fn start(test: &str) -> Option<Self> {
        Self::begin(test, |_| Vec::new())
    }

    /// One that asks for [`PASSWORD`].
    pub fn with_password(test: &str) -> Option<Self> {
        Self::begin(test, |_| ["--requirepass", PASSWORD].map(str::to_owned).into())
    }

    /// One that speaks TLS only, with a certificate of `authority` for `localhost`.
    pub fn with_tls(test: &str, authority: &Authority) -> Option<Self> {
        Self::begin(test, |folder| {
            let (certificate, key) = authority.server_files("localhost");
            let files = [("cert", certificate), ("key", key), ("ca-cert", authority.pem())];
            let mut flags = ["--tls-auth-clients", "no"].map(str::to_owned).to_vec();
            for (name, content) in files {
                let path = folder.join(name);
                std::fs::write(&path, content).unwrap();
                flags.extend([format!("--tls-{name}-file"), path.to_str().unwrap().to_owned()]);
            }
            flags
        })
    }

    fn begin(test: &str, flags: impl Fn(&Path) -> Vec<String>) -> Option<Self> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            skipped(test, "there is no redis-server");
            return None;
        }
        // Whoever takes a port between the look and the start is not seen twice in a row.
        for _ in 0..5 {
            let folder = TempDir::new_in(fast_folder()).unwrap();
            let flags = flags(folder.path());
            let mut server = Self { folder, port: free_port(), flags, process: None };
            if server.run() {
                return Some(server);
            }
        }
        panic!("redis-server does not start");
    }

    /// What is written is on the disk before it is answered, so that a crash loses nothing.
    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        // The one port that there is, with TLS or without.
        if self.flags.iter().any(|flag| flag.starts_with("--tls-")) {
            command.args(["--port", "0", "--tls-port", &port]);
        } else {
            command.args(["--port", &port]);
        }
        command.args(&self.flags).args(["--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder.path());
        self.process = ServerProcess::start(command, self.port);
        self.process.is_some()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, on its port and its folder.
    pub fn restart(&mut self) {
        until("Redis starts again", || self.run());
    }

    pub fn process(&self) -> &ServerProcess {
        self.process.as_ref().unwrap()
    }

    /// The address of its queue `decom`.
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The same, with a password.
    pub fn address_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }

    /// The same over TLS.
    pub fn address_tls(&self, options: &str) -> String {
        format!("rediss://localhost:{}{options}", self.port)
    }

    /// The certificate of the authority, as a file.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca-cert")
    }

    /// A connection for what decom does not do.
    pub fn connection(&self) -> Connection {
        let mut connection = Client::open(self.address()).unwrap().get_connection().unwrap();
        // After a start it answers before it has read its file.
        until("Redis has read its file", || redis::cmd("PING").query::<String>(&mut connection).is_ok());
        connection
    }

    /// How many entries the stream has.
    pub fn length(&self, stream: &str) -> usize {
        self.connection().xlen(stream).unwrap()
    }

    /// The names of those who read by decom's group.
    pub fn consumers(&self) -> Vec<String> {
        let reply: redis::streams::StreamInfoConsumersReply =
            self.connection().xinfo_consumers("decom", "decom").unwrap();
        reply.consumers.into_iter().map(|consumer| consumer.name).collect()
    }
}

impl super::draining::Broker for RedisServer {
    fn address(&self) -> String {
        RedisServer::address(self)
    }

    fn kill(&mut self) {
        RedisServer::kill(self);
    }

    fn restart(&mut self) {
        RedisServer::restart(self);
    }

    async fn length(&self) -> u64 {
        RedisServer::length(self, "decom") as u64
    }

    async fn dead_letters(&self) -> Vec<String> {
        let reply: redis::streams::StreamRangeReply = self.connection().xrange_all("decom.dead").unwrap();
        // One without a body is put there with an empty one.
        let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
        reply.ids.iter().map(|entry| text(entry.get("body").unwrap_or_default())).collect()
    }
}
