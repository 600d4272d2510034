//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod approvals;
mod bad_input;
mod confirmation;
mod emulated;
mod guard_table;
mod layers;
mod plan_runs;
mod plans;
mod reports;
mod support;
