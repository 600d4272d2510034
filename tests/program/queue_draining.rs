//! Workers that are killed, brokers that are restarted, messages that come twice or make no sense: with each
//! broker everything agrees in the end.

use crate::support::draining::{Drain, drain};
use crate::support::redis::RedisServer;

#[test]
fn redis_is_drained_through_kills_and_restarts() {
    let Some(mut redis) = RedisServer::start("redis_is_drained_through_kills_and_restarts") else { return };
    drain(&mut redis, &Drain::usual());
}
