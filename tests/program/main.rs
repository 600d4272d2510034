//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod doubt;
mod emulated;
mod layers;
mod pace;
mod records;
mod reports;
mod secrets;
mod signals;
mod support;
mod tls;
mod verdict_table;
mod verdicts;
