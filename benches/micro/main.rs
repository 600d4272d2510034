//! What single steps of a deletion cost, each by itself: `cargo bench`, or `cargo bench -- WORD` for those
//! with the word in their names. What whole runs cost is measured by `benches/table`.
//!
//! One program for all of them, as each would be linked by itself otherwise, which takes longer than to run it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod chain;
mod classify;
mod intake;
mod pace;
mod writer;

use criterion::{criterion_group, criterion_main};

criterion_group!(steps, classify::bench, chain::bench, intake::bench, pace::bench, writer::bench);
criterion_main!(steps);
