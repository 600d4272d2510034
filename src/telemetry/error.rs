//! Why nobody can be told of a run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why nobody can be told of a run. An address that is a secret is in none of them.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The address for metrics cannot be used.
    #[error("cannot serve metrics at {address} (--metrics-addr): {source}; choose another address or port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There can be no thread for it.
    #[error("cannot start to watch the run: {0}")]
    Thread(io::Error),
    /// The file for metrics cannot be written.
    #[error("{}: cannot write metrics here (--metrics-file): {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There can be no client.
    #[error("cannot set up a client for what is told at the end: {why}")]
    Client {
        /// What is wrong.
        why: String,
    },
    /// Nobody answered, or not as wanted.
    #[error("{to}: {why}")]
    Unheard {
        /// Who it was.
        to: &'static str,
        /// What went wrong.
        why: String,
    },
}
