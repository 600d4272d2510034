//! An emulator of the Databrain API on a loopback port, for `decom rehearse`, tests and benchmarks.
//!
//! It has the documented endpoints, the fixed-window rate limit with any generation of headers, and faults that are
//! drawn from a seed, so that the same run meets the same faults again.
//!
//! The emulator has its own thread and runtime, so it needs no runtime to be started and shares none with its
//! client. A request passes through `server` (connections) → `service` (limit, authentication, endpoint, fault) →
//! `inventory` (what exists) → `replies`.

mod bits;
mod chance;
mod creation;
mod datamarts;
mod faults;
mod inventory;
mod limiter;
mod query;
mod replies;
mod request_log;
mod server;
mod service;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use faults::{FaultKind, Faults, FaultsError};
pub use limiter::{HeaderGeneration, HeaderGenerationError, WindowLimit};

use crate::domain::lock;
use server::Server;
use service::Service;

/// The settings of an [`Emulator`].
pub struct EmulatorOptions {
    /// The service token that clients must present.
    pub token: String,
    /// The names of the datasources that exist. Read once, at the start; equal names are one.
    pub datasources: Box<dyn Iterator<Item = String> + Send>,
    /// The datasources that a workspace uses: they cannot be deleted, and no listing shows why.
    pub in_workspaces: HashSet<String>,
    /// How many datamarts read each datasource at most. Their number is drawn from the seed; where it is 0, only
    /// datasources with the faults `in-use` and `shared` have any.
    pub datamarts: u8,
    /// Which faults are injected, and how often.
    pub faults: Faults,
    /// Equal seeds and names meet equal faults, whatever the order and concurrency of the requests.
    pub seed: u64,
    /// How long each reply takes at least. A slow reply takes 20 times as long more, and at least 200 ms more.
    pub latency: Duration,
    /// The rate limit over all endpoints together. Without one no rate-limit headers are sent.
    pub limit: Option<WindowLimit>,
    /// The headers that announce the rate limit.
    pub header_generation: HeaderGeneration,
    /// A file that gets a line of JSON for every DELETE request before its reply is sent: `at` (microseconds of
    /// Unix time), `request_id` (the `X-Request-Id`), `kind`, `name`, `did` (`deleted` or `nothing`) and `status` (`null`
    /// if the connection was cut). A request that cannot be logged gets no reply.
    pub request_log: Option<PathBuf>,
}

impl EmulatorOptions {
    /// An API with `datasources` and without latency, faults and limit.
    pub fn new<N>(token: impl Into<String>, datasources: N) -> Self
    where
        N: IntoIterator<Item = String>,
        N::IntoIter: Send + 'static,
    {
        Self {
            token: token.into(),
            datasources: Box::new(datasources.into_iter()),
            in_workspaces: HashSet::new(),
            datamarts: 0,
            faults: Faults::none(),
            seed: 0,
            latency: Duration::ZERO,
            limit: None,
            header_generation: HeaderGeneration::default(),
            request_log: None,
        }
    }
}

/// Without the token, and without reading the names.
impl fmt::Debug for EmulatorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorOptions")
            .field("in_workspaces", &self.in_workspaces)
            .field("datamarts", &self.datamarts)
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .field("latency", &self.latency)
            .field("limit", &self.limit)
            .field("header_generation", &self.header_generation)
            .field("request_log", &self.request_log)
            .finish_non_exhaustive()
    }
}

/// A running emulator. It stops when it is dropped.
pub struct Emulator {
    base_url: String,
    service: Arc<Service>,
    server: Server,
}

impl Emulator {
    /// Reads the names, binds a free port of 127.0.0.1 and serves on its own thread. Connections are accepted on
    /// return. Blocks for about a second per million names.
    pub fn start(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        let service = Arc::new(Service::new(options)?);
        let server = Server::start(Arc::clone(&service))?;
        Ok(Self { base_url: format!("http://{}", server.address), service, server })
    }

    /// The base URL of the API, such as `http://127.0.0.1:40123`, without path and trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The counts so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        lock(&self.service.state).tally.clone()
    }

    /// Closes the port and all connections, and waits for the end of the thread.
    pub fn shutdown(self) {
        drop(self.server);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// What an emulator received and did, counted in requests unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// All requests to any endpoint, however they ended.
    pub requests: u64,
    /// Datasources deleted, whatever the reply was.
    pub deletions: u64,
    /// Datamarts deleted, whatever the reply was.
    pub datamart_deletions: u64,
    /// Requests that the rate limit refused. Spurious 429s are among the faults instead.
    pub throttled: u64,
    /// Faults injected, by kind; kinds that did not occur are left out. Those of names count requests for
    /// such names.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    #[error("the emulator could not open a port on 127.0.0.1")]
    Bind(#[source] io::Error),
    #[error("the emulator could not set up its runtime")]
    Runtime(#[source] io::Error),
    #[error("the emulator could not start its thread")]
    Thread(#[source] io::Error),
    #[error("the emulator could not open its request log {}", path.display())]
    RequestLog { path: PathBuf, source: io::Error },
}
