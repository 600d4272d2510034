//! decom deletes Databrain datasources in bulk and can prove afterwards what it did.
//!
//! A name travels from an input through a plan into a run, and what happens to it goes through the audit log into a
//! report. The stages do not import each other: `run` and `commands` compose them. In this order:
//!
//! - [`input`] reads names from a CSV file or standard input, and refuses what is ambiguous.
//! - [`plan`] decides which names a run would delete: duplicates, protection, guards, saved plans and their approval.
//! - [`queue`] is where `decom work` takes names from instead, and `decom enqueue` puts them.
//! - [`run`] delivers each target in one loop, decides when to stop, and settles what is in doubt.
//! - [`ratelimit`] lets each request of a run leave in its turn.
//! - [`api`] sends one deletion, classifies its reply, and reads the listings; [`emulator`] is one to rehearse with.
//! - [`audit`] makes every attempt and outcome durable in SQLite, and reads, verifies, merges and rotates logs.
//! - [`report`] shows a run as a table, CSV, JSON, Markdown, OCSF or an HTML certificate.
//!
//! Below them, [`domain`] holds the types that all share, and [`sshsig`] makes and checks signatures. Above them,
//! [`telemetry`] and [`terminal`] watch a run, [`config`] resolves the settings, [`commands`] carries out each command,
//! and [`cli`] parses the command line. `ARCHITECTURE.md` says who is responsible for what.
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
