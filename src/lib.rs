//! decom deletes Databrain datasources in bulk and can prove afterwards what it did.
pub mod api;
pub mod audit;
pub mod cli;
pub mod commands;
pub mod config;
pub mod emulator;
pub mod pace;
pub mod plan;
pub mod queue;
pub mod report;
pub mod run;
pub mod signature;
pub mod source;
pub mod terminal;
pub mod vocabulary;
pub mod watch;
