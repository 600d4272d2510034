//! decom deletes Databrain datasources in bulk and can prove afterwards what it did.
pub mod api;
pub mod audit;
pub mod cli;
pub mod commands;
pub mod config;
pub mod domain;
pub mod emulator;
pub mod input;
pub mod plan;
pub mod queue;
pub mod ratelimit;
pub mod report;
pub mod run;
pub mod sshsig;
pub mod telemetry;
pub mod terminal;
