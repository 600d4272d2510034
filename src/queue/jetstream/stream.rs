//! The streams and the consumer of a queue, and whether existing ones are suitable.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, RequestErrorKind};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};

use super::errors::JetStreamErrors;
use crate::queue::QueueError;

/// The name of the consumer that all workers share.
pub(super) const CONSUMER: &str = "decom";

const ACTION: &str = "be opened";

/// No limit of deliveries and of unsettled messages.
const UNLIMITED: i64 = -1;

/// The queue's stream. A message goes to one consumer, and is removed when it is acknowledged.
pub(super) fn queue(name: &str) -> Config {
    Config { retention: RetentionPolicy::WorkQueue, ..dead(name) }
}

/// The stream of malformed messages, which keeps everything.
pub(super) fn dead(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![name.to_owned()],
        storage: StorageType::File,
        num_replicas: 1,
        max_messages: UNLIMITED,
        max_bytes: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Looks up the stream, and creates it if it does not exist.
pub(super) async fn provide(
    context: &Context,
    wanted: Config,
    errors: &JetStreamErrors,
) -> Result<(), QueueError> {
    let found = match context.get_stream(&wanted.name).await {
        Ok(found) => found.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.code() == 404 => {
                return create(context, wanted, errors).await;
            }
            GetStreamErrorKind::JetStream(error) => return Err(errors.of_jetstream(ACTION, &error)),
            _ if has_no_responders(&error) => return Err(errors.without_jetstream(ACTION)),
            _ => return Err(errors.of(ACTION, &error)),
        },
    };
    let name = &wanted.name;
    let why = if wanted.retention == RetentionPolicy::WorkQueue && found.retention != wanted.retention {
        format!(
            "the stream {name} is not a work queue, so acknowledged messages would be delivered again; \
             delete it if it is not needed, or name another queue"
        )
    } else if !found.subjects.iter().any(|subject| subject == name || subject.contains(['*', '>'])) {
        format!(
            "the stream {name} does not listen to the subject {name}; add it with `nats stream edit {name}`"
        )
    } else if found.no_ack {
        format!(
            "the stream {name} does not confirm what it stores; change that with `nats stream edit {name} --ack`"
        )
    } else {
        return Ok(());
    };
    Err(errors.context.refused(ACTION, why))
}

async fn create(context: &Context, wanted: Config, errors: &JetStreamErrors) -> Result<(), QueueError> {
    match context.create_stream(wanted).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(error) => errors.of_jetstream(ACTION, &error),
            _ => errors.of(ACTION, &error),
        }),
    }
}

/// Looks up the consumer, and creates it if it does not exist.
pub(super) async fn consumer(
    context: &Context,
    stream: &str,
    lease: Duration,
    errors: &JetStreamErrors,
) -> Result<PullConsumer, QueueError> {
    let found = context.get_consumer_from_stream::<pull::Config, _, _>(CONSUMER, stream).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(error) if error.code() == 404 => {
                let wanted = pull::Config {
                    durable_name: Some(CONSUMER.to_owned()),
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: lease,
                    max_deliver: UNLIMITED,
                    max_ack_pending: UNLIMITED,
                    ..pull::Config::default()
                };
                let created = context.create_consumer_on_stream(wanted, stream).await;
                return created.map_err(|error| match error.kind() {
                    ConsumerErrorKind::JetStream(error) => errors.of_jetstream(ACTION, &error),
                    _ => errors.of(ACTION, &error),
                });
            }
            ConsumerErrorKind::JetStream(error) => return Err(errors.of_jetstream(ACTION, &error)),
            ConsumerErrorKind::InvalidConsumerType => {
                return Err(errors.context.refused(ACTION, unsuitable(stream, "pushes its messages")));
            }
            _ => return Err(errors.of(ACTION, &error)),
        },
    };
    let config = &found.cached_info().config;
    let why = if config.ack_policy != AckPolicy::Explicit {
        "does not require an acknowledgement of each message"
    } else if config.max_deliver > 0 {
        "limits the deliveries of a message"
    } else if config.headers_only {
        "delivers messages without their bodies"
    } else {
        return Ok(found);
    };
    Err(errors.context.refused(ACTION, unsuitable(stream, why)))
}

fn unsuitable(stream: &str, why: &str) -> String {
    format!(
        "the consumer {CONSUMER} of the stream {stream} {why}; delete it with \
         `nats consumer rm {stream} {CONSUMER}`, and decom creates a suitable one"
    )
}

/// How long a message stays with its worker, by the actual configuration of the consumer.
pub(super) fn lease(consumer: &consumer::Config) -> Duration {
    consumer.backoff.iter().copied().chain([consumer.ack_wait]).min().unwrap_or_default()
}

/// Returns true if no JetStream responded.
fn has_no_responders(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<jetstream::context::RequestError>() {
            return error.kind() == RequestErrorKind::NoResponders;
        }
        cause = error.source();
    }
    false
}
