//! Workers that are killed, brokers that are restarted, messages that come twice or make no sense: with each
//! broker everything agrees in the end.

use crate::support::draining::{Drain, drain};
use crate::support::nats::NatsServer;
use crate::support::rabbit::RabbitServer;
use crate::support::redis::RedisServer;

#[test]
fn redis_is_drained_through_kills_and_restarts() {
    let Some(mut redis) = RedisServer::start("redis_is_drained_through_kills_and_restarts") else { return };
    drain(&mut redis, &Drain::usual());
}

#[test]
fn rabbitmq_is_drained_through_kills_and_restarts() {
    let Some(mut rabbit) = RabbitServer::start("rabbitmq_is_drained_through_kills_and_restarts") else {
        return;
    };
    drain(&mut rabbit, &Drain::usual());
}

#[test]
fn jetstream_is_drained_through_kills_and_restarts() {
    let Some(mut nats) = NatsServer::start("jetstream_is_drained_through_kills_and_restarts") else { return };
    drain(&mut nats, &Drain::usual());
}

/// moto is slow, and forgets all that it holds when it ends.
#[cfg(feature = "sqs")]
#[test]
fn sqs_is_drained_through_kills() {
    use crate::support::moto::MotoServer;
    let Some(mut moto) = MotoServer::start("sqs_is_drained_through_kills") else { return };
    let usual = Drain::usual();
    let (messages, kills) = (usual.messages / 20, usual.kills / 2);
    drain(&mut moto, &Drain { messages, duplicates: messages / 20, kills, restarts: 0, ..usual });
}
