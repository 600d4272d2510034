//! The log for other programs: its records as lines that can be checked without SQLite, and its
//! requests as events.

mod lines;
mod requests;
