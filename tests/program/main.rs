//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod fail_closed;
mod refused_logs;
mod resuming;
mod settling;
mod support;
mod wal_order;
