//! A connection that is made anew once it broke, and commands that never wait for long.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    ProtocolVersion, RedisError, RedisResult, TlsCertificates,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::domain::install_tls_provider;
use crate::queue::{Address, QueueError};

/// Answers that mean "later": the server starts, fails over, is full, or is kept busy.
const LATER: &[&str] = &[
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

/// Why a command was in vain.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: What,
    pub(super) error: QueueError,
}

/// What a caller may have an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// There is no such stream or group (any more).
    NoGroup,
    /// The group is there already.
    GroupExists,
    /// Anything else.
    Other,
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// A connection to Redis, which is made when it is needed.
pub(super) struct Link {
    client: Client,
    /// As people may see it.
    queue: String,
    /// What must not be seen, should an answer repeat what was sent.
    password: Option<String>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Which one it is, so that who finds it broken does not throw away its successor.
    number: u64,
}

impl Link {
    /// Nothing is connected yet.
    pub(super) fn new(address: &Address) -> Result<Self, QueueError> {
        install_tls_provider();
        let queue = address.to_string();
        let refused = |why: String| QueueError::Address { given: queue.clone(), why };
        let not_usable = |error: RedisError| refused(error.to_string());
        let authority = authority(address).map_err(refused)?;
        let info = address.url().as_str().into_connection_info().map_err(not_usable)?;
        // The answers are read as this version writes them.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        let password = settings.password().filter(|password| !password.is_empty()).map(str::to_owned);
        let info = info.set_redis_settings(settings);
        let client = if let Some(pem) = authority {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem) })
        } else {
            Client::open(info)
        };
        let client = client.map_err(not_usable)?;
        Ok(Self { client, queue, password, current: Mutex::default() })
    }

    /// The queue, as people may see it.
    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    /// Sends a command, and waits `within` for its answer, the making of a connection included.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        action: &'static str,
        within: Duration,
        command: &Cmd,
    ) -> Result<T, Failure> {
        let mut number = 0;
        let asked = async {
            let (mut connection, current) = self.connected().await?;
            number = current;
            command.query_async(&mut connection).await
        };
        let answer = timeout(within, asked).await;
        self.judged(answer, action, within, number).await
    }

    /// Sends commands together, and waits `within` until all are answered.
    pub(super) async fn ask_all(
        &self,
        action: &'static str,
        within: Duration,
        commands: &Pipeline,
    ) -> Result<(), Failure> {
        let mut number = 0;
        let asked = async {
            let (mut connection, current) = self.connected().await?;
            number = current;
            commands.exec_async(&mut connection).await
        };
        let answer = timeout(within, asked).await;
        self.judged(answer, action, within, number).await
    }

    async fn connected(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        // What a command may take is counted here, so the client does not count too.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((connection, current.number))
    }

    /// What the answer means. A connection that broke, or from which nothing came in time, is left.
    async fn judged<T>(
        &self,
        answer: Result<RedisResult<T>, tokio::time::error::Elapsed>,
        action: &'static str,
        within: Duration,
        number: u64,
    ) -> Result<T, Failure> {
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => {
                self.leave(number).await;
                let why = format!("no answer within {} s", within.as_secs());
                return Err(Failure {
                    what: What::Other,
                    error: QueueError::Away { queue: self.queue.clone(), why },
                });
            }
        };
        if error.is_unrecoverable_error() || may_pass(&error) {
            self.leave(number).await;
        }
        Err(self.failure(&error, action))
    }

    /// Leaves the connection of that number; the next command makes another.
    async fn leave(&self, number: u64) {
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
        let queue = self.queue.clone();
        let what = if error.code() == Some("BUSYGROUP") {
            What::GroupExists
        } else if why.contains("NOGROUP") {
            // Within a script, Redis 6 gives it no code of its own.
            What::NoGroup
        } else {
            What::Other
        };
        let error = if may_pass(error) {
            QueueError::Away { queue, why }
        } else {
            QueueError::Refused { queue, action, why }
        };
        Failure { what, error }
    }
}

/// The certificates of the file that the address names, which are trusted in place of the public ones.
fn authority(address: &Address) -> Result<Option<Vec<u8>>, String> {
    let mut pem = None;
    for (key, value) in address.url().query_pairs() {
        if key != "ca_file" {
            return Err(format!("`{key}` is not known; beside `queue`, only `ca_file` is"));
        }
        pem = Some(fs::read(&*value).map_err(|error| format!("ca_file {value}: {error}"))?);
    }
    if pem.is_some() && address.url().scheme() != "rediss" {
        return Err("`ca_file` is for rediss://".to_owned());
    }
    Ok(pem)
}

/// Whether the same command may succeed later.
fn may_pass(error: &RedisError) -> bool {
    match error.kind() {
        // A certificate that is not trusted, or a server that speaks no TLS, stays that way.
        ErrorKind::Io => !is_invalid_data(error),
        _ => {
            error.code().is_some_and(|code| LATER.contains(&code))
                || error.detail().is_some_and(|detail| detail.contains("max number of clients"))
        }
    }
}

/// Whether what came cannot be what was asked for, as rustls says of all that it does not like.
fn is_invalid_data(error: &RedisError) -> bool {
    // The cause is behind a pointer, and the pointer itself poses as the cause.
    let cause = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}
