//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod emulated;
mod fail_closed;
mod layers;
mod refused_logs;
mod reports;
mod resuming;
mod settling;
mod support;
mod wal_order;
