//! An emulator of the Databrain API on a loopback port.
//!
//! It is what `decom rehearse` runs against, and what tests and benchmarks put in the place of the
//! real API: the documented endpoints, the fixed-window rate limit in any header generation, and
//! faults that are drawn from a seed, so that the same run goes wrong in the same way again.
//!
//! The emulator has a thread and a runtime of its own, so that it neither shares one with the client
//! that it serves nor needs one to be started. A request takes the way `server` (connections) →
//! `service` (limit, authentication, endpoint, fault) → `estate` (what exists) → `answers`.

mod answers;
mod estate;
mod faults;
mod limiter;
mod lots;
mod request_log;
mod server;
mod service;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use faults::{FaultKind, Faults, FaultsError};
pub use limiter::{HeaderGeneration, HeaderGenerationError, WindowLimit};

use server::Server;
use service::Service;

/// What an [`Emulator`] is to be like.
pub struct EmulatorOptions {
    /// The service token that clients must present.
    pub token: String,
    /// The names of the datasources that exist. Read once, at the start; equal names are one.
    pub datasources: Box<dyn Iterator<Item = String> + Send>,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// What all chance is drawn from: equal seeds (and names) meet equal faults, whatever the order
    /// and concurrency of the requests.
    pub seed: u64,
    /// How long each answer takes, at least. A slow answer takes 20 times that longer, and not less
    /// than 200 ms.
    pub latency: Duration,
    /// The rate limit over all endpoints together; without one no rate-limit headers are sent either.
    pub limit: Option<WindowLimit>,
    /// How the rate limit is told to the client.
    pub header_generation: HeaderGeneration,
    /// A file that gets a line of JSON for every DELETE request, written before its answer goes out:
    /// `at` (microseconds of Unix time), `request_id` (the `X-Request-Id`), `name`, `did` (`deleted`
    /// or `nothing`) and `status` (`null` where the connection was dropped). A request that cannot
    /// be logged gets no answer.
    pub request_log: Option<PathBuf>,
}

impl EmulatorOptions {
    /// An API with `datasources` that is as quick as it can be, never errs and knows no limit.
    pub fn new<N>(token: impl Into<String>, datasources: N) -> Self
    where
        N: IntoIterator<Item = String>,
        N::IntoIter: Send + 'static,
    {
        Self {
            token: token.into(),
            datasources: Box::new(datasources.into_iter()),
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
    /// Reads the names, binds a free port of 127.0.0.1 and serves on a thread of its own. Connections
    /// are accepted on return. Blocks for about a second per million names.
    ///
    /// # Errors
    /// Where the request log cannot be opened, or the port, the runtime or the thread cannot be had.
    pub fn start(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        let service = Arc::new(Service::new(options)?);
        let server = Server::start(Arc::clone(&service))?;
        Ok(Self { base_url: format!("http://{}", server.address), service, server })
    }

    /// Where the API is, such as `http://127.0.0.1:40123`: no path, no slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What has happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.service.state.lock().tally.clone()
    }

    /// Closes the port and all connections, and returns when the thread has ended.
    pub fn shutdown(self) {
        drop(self.server);
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// What an emulator has seen and done, in requests unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// All requests, to whatever endpoint, and however they ended.
    pub requests: u64,
    /// Datasources deleted, whatever the client came to know of it.
    pub deletions: u64,
    /// Requests that the rate limit refused. Spurious 429s are among the faults instead.
    pub throttled: u64,
    /// Faults injected, by kind; a kind that has not occurred is not in here. `in-use` and `missing`
    /// count requests that found their name so, and not names.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// No port on the loopback interface.
    #[error("the emulator could not open a port on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// No runtime.
    #[error("the emulator could not set up its runtime")]
    Runtime(#[source] io::Error),
    /// No thread.
    #[error("the emulator could not start its thread")]
    Thread(#[source] io::Error),
    /// No request log.
    #[error("the emulator could not open its request log {}", path.display())]
    RequestLog {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
