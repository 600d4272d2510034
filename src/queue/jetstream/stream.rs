//! The streams and the consumer that a queue is made of, and whether those that are there will do.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, RequestErrorKind};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};

use super::refusal::Told;
use crate::queue::QueueError;

/// What the consumer is called: all workers share it.
pub(super) const CONSUMER: &str = "decom";

/// What is asked for here.
const ACTION: &str = "be opened";

/// How often a message may be given out, and how many may be out: as often and as many as it takes.
const UNLIMITED: i64 = -1;

/// The queue's stream: each message goes to one consumer, and leaves when it is acknowledged.
pub(super) fn queue(name: &str) -> Config {
    Config { retention: RetentionPolicy::WorkQueue, ..dead(name) }
}

/// The stream for what makes no sense: everything stays until somebody removes it.
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

/// Looks for the stream, and makes it where it is missing.
pub(super) async fn provide(context: &Context, wanted: Config, told: &Told) -> Result<(), QueueError> {
    let there = match context.get_stream(&wanted.name).await {
        Ok(there) => there.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(answer) if answer.code() == 404 => {
                return create(context, wanted, told).await;
            }
            GetStreamErrorKind::JetStream(answer) => return Err(told.of_answer(ACTION, &answer)),
            _ if is_unheard(&error) => return Err(told.without_jetstream(ACTION)),
            _ => return Err(told.of(ACTION, &error)),
        },
    };
    let name = &wanted.name;
    let why = if wanted.retention == RetentionPolicy::WorkQueue && there.retention != wanted.retention {
        format!(
            "the stream {name} is no work queue, so what is done would be given out again some day; \
             remove it where it is not needed, or name another queue"
        )
    } else if !there.subjects.iter().any(|subject| subject == name || subject.contains(['*', '>'])) {
        format!(
            "the stream {name} does not listen to the subject {name}; add it with `nats stream edit {name}`"
        )
    } else if there.no_ack {
        format!(
            "the stream {name} does not say what it has stored; allow that with `nats stream edit {name} --ack`"
        )
    } else {
        return Ok(());
    };
    Err(told.refused(ACTION, why))
}

async fn create(context: &Context, wanted: Config, told: &Told) -> Result<(), QueueError> {
    match context.create_stream(wanted).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(answer) => told.of_answer(ACTION, &answer),
            _ => told.of(ACTION, &error),
        }),
    }
}

/// Looks for the consumer, and makes it where it is missing.
pub(super) async fn consumer(
    context: &Context,
    stream: &str,
    hold: Duration,
    told: &Told,
) -> Result<PullConsumer, QueueError> {
    let there = context.get_consumer_from_stream::<pull::Config, _, _>(CONSUMER, stream).await;
    let there = match there {
        Ok(there) => there,
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(answer) if answer.code() == 404 => {
                let wanted = pull::Config {
                    durable_name: Some(CONSUMER.to_owned()),
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: hold,
                    max_deliver: UNLIMITED,
                    max_ack_pending: UNLIMITED,
                    ..pull::Config::default()
                };
                let made = context.create_consumer_on_stream(wanted, stream).await;
                return made.map_err(|error| match error.kind() {
                    ConsumerErrorKind::JetStream(answer) => told.of_answer(ACTION, &answer),
                    _ => told.of(ACTION, &error),
                });
            }
            ConsumerErrorKind::JetStream(answer) => return Err(told.of_answer(ACTION, &answer)),
            ConsumerErrorKind::InvalidConsumerType => {
                return Err(told.refused(ACTION, unfit(stream, "pushes its messages")));
            }
            _ => return Err(told.of(ACTION, &error)),
        },
    };
    let config = &there.cached_info().config;
    let why = if config.ack_policy != AckPolicy::Explicit {
        "takes no acknowledgement of each message"
    } else if config.max_deliver > 0 {
        "gives a message out only so many times, and then never again"
    } else if config.headers_only {
        "leaves out what messages say"
    } else {
        return Ok(there);
    };
    Err(told.refused(ACTION, unfit(stream, why)))
}

fn unfit(stream: &str, why: &str) -> String {
    format!(
        "the consumer {CONSUMER} of the stream {stream} {why}; remove it with \
         `nats consumer rm {stream} {CONSUMER}`, and decom makes one that will do"
    )
}

/// How long a message stays with whoever took it, by what the consumer really is like.
pub(super) fn hold(consumer: &consumer::Config) -> Duration {
    consumer.backoff.iter().copied().chain([consumer.ack_wait]).min().unwrap_or_default()
}

/// Whether nobody listens where JetStream would.
fn is_unheard(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<jetstream::context::RequestError>() {
            return error.kind() == RequestErrorKind::NoResponders;
        }
        cause = error.source();
    }
    false
}
