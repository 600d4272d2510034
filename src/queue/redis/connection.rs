//! A connection that reconnects after it broke, and commands with a timeout.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    ProtocolVersion, RedisError, RedisResult, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::domain::install_tls_provider;
use crate::queue::error_context::ErrorContext;
use crate::queue::{Address, QueueError};

/// Transient errors: the server starts, fails over, is full, or is busy.
const TRANSIENT: &[&str] = &[
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
];

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) error: QueueError,
}

/// The failures that a caller handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The stream or the group does not exist.
    NoGroup,
    GroupExists,
    Other,
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// A connection to Redis, which connects when it is needed.
pub(super) struct Connection {
    client: Client,
    pub(super) errors: ErrorContext,
    /// Removed from error messages, which may repeat a command.
    password: Option<String>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a command that finds one broken does not drop its successor.
    number: u64,
}

impl Connection {
    /// Checks the address. The first command connects.
    pub(super) fn new(address: &Address) -> Result<Self, QueueError> {
        install_tls_provider();
        let errors = ErrorContext::of(address);
        let malformed = |error: RedisError| errors.address(error.to_string());
        let authority = authority(address).map_err(|why| errors.address(why))?;
        let info = address.url().as_str().into_connection_info().map_err(malformed)?;
        // `entry` reads replies of this version.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        let password = settings.password().filter(|password| !password.is_empty()).map(str::to_owned);
        let info = info.set_redis_settings(settings);
        let client = if let Some(pem) = authority {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem) })
        } else {
            Client::open(info)
        };
        let client = client.map_err(malformed)?;
        Ok(Self { client, errors, password, current: Mutex::default() })
    }

    /// Runs a command within a timeout that includes connecting.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        action: &'static str,
        limit: Duration,
        command: &Cmd,
    ) -> Result<T, Failure> {
        let mut number = 0;
        let reply = async {
            let (mut connection, current) = self.connect().await?;
            number = current;
            command.query_async(&mut connection).await
        };
        let reply = timeout(limit, reply).await;
        self.check(reply, action, limit, number).await
    }

    /// Runs commands together within a timeout.
    pub(super) async fn execute(
        &self,
        action: &'static str,
        limit: Duration,
        commands: &Pipeline,
    ) -> Result<(), Failure> {
        let mut number = 0;
        let reply = async {
            let (mut connection, current) = self.connect().await?;
            number = current;
            commands.exec_async(&mut connection).await
        };
        let reply = timeout(limit, reply).await;
        self.check(reply, action, limit, number).await
    }

    async fn connect(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        // `query` and `execute` have their own timeout.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((connection, current.number))
    }

    /// Turns a reply into a result. Drops a connection that broke or timed out.
    async fn check<T>(
        &self,
        reply: Result<RedisResult<T>, tokio::time::error::Elapsed>,
        action: &'static str,
        limit: Duration,
        number: u64,
    ) -> Result<T, Failure> {
        let error = match reply {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => {
                self.disconnect(number).await;
                let why = format!("no reply within {} s", limit.as_secs());
                return Err(Failure { kind: FailureKind::Other, error: self.errors.unreachable(why) });
            }
        };
        if error.is_unrecoverable_error() || is_transient(&error) {
            self.disconnect(number).await;
        }
        Err(self.failure(&error, action))
    }

    /// Drops the connection with that number; the next command connects again.
    async fn disconnect(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }

    fn failure(&self, error: &RedisError, action: &'static str) -> Failure {
        let mut why = error.to_string();
        if let Some(password) = &self.password {
            why = why.replace(password, "***");
        }
        let kind = if error.code() == Some("BUSYGROUP") {
            FailureKind::GroupExists
        } else if why.contains("NOGROUP") {
            // In a script, Redis 6 has no separate code for it.
            FailureKind::NoGroup
        } else {
            FailureKind::Other
        };
        let error =
            if is_transient(error) { self.errors.unreachable(why) } else { self.errors.refused(action, why) };
        Failure { kind, error }
    }
}

/// The certificates of the file that the address names. They replace the public authorities.
fn authority(address: &Address) -> Result<Option<Vec<u8>>, String> {
    let mut pem = None;
    for (key, value) in address.url().query_pairs() {
        if key != "ca_file" {
            return Err(format!("unknown parameter `{key}`; known are queue, ca_file"));
        }
        let read = fs::read(&*value).map_err(|error| format!("ca_file {value}: {error}"))?;
        if CertificateDer::from_pem_slice(&read).is_err() {
            return Err(format!("ca_file {value} holds no PEM certificate"));
        }
        pem = Some(read);
    }
    if pem.is_some() && address.url().scheme() != "rediss" {
        return Err("`ca_file` is for rediss://".to_owned());
    }
    Ok(pem)
}

/// Returns true if the same command may succeed later.
fn is_transient(error: &RedisError) -> bool {
    match error.kind() {
        // An untrusted certificate, or a server without TLS, will not change.
        ErrorKind::Io => !is_invalid_data(error),
        _ => {
            error.code().is_some_and(|code| TRANSIENT.contains(&code))
                || error.detail().is_some_and(|detail| detail.contains("max number of clients"))
        }
    }
}

/// Returns true if rustls rejected what the server sent.
fn is_invalid_data(error: &RedisError) -> bool {
    // The source is an `Arc` of the cause.
    let cause = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}
