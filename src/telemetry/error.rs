//! Why a run cannot be reported to other systems. No message holds a secret address.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("cannot serve metrics at {address} (--metrics-addr): {source}; choose another address or port")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the thread for metrics: {0}")]
    Thread(io::Error),
    #[error("{}: cannot write metrics here (--metrics-file): {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot set up the client for the push gateway and the webhook: {why}")]
    Client { why: String },
    #[error("{to}: {why}")]
    Delivery { to: &'static str, why: String },
}
