//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod configuration;
mod emulated;
mod fail_closed;
mod guards;
mod layers;
mod refused_logs;
mod rehearsal;
mod reports;
mod resuming;
mod settling;
mod support;
mod wal_order;
