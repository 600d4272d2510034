//! The log for other programs: its records as lines that can be checked without SQLite, and its
//! requests as events.

mod lines;
mod requests;

use std::fmt::Write;

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
