//! The cost of single steps of a deletion: `cargo bench`, or `cargo bench -- WORD` for the steps with that word in
//! their names. `benches/table` measures whole runs.
//!
//! All steps are in one program, as linking one for each takes longer than running it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "a benchmark")]

mod chain;
mod classify;
mod intake;
mod pace;
mod writer;

use criterion::{criterion_group, criterion_main};

criterion_group!(steps, classify::bench, chain::bench, intake::bench, pace::bench, writer::bench);
criterion_main!(steps);
