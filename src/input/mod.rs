//! Reads the datasource names of a CSV file or of standard input, exactly as written.
//!
//! What is read here is going to be deleted for good, so this module never guesses. Whatever could be
//! understood in two ways (a stray quote, two columns that may hold the name, an encoding other than
//! UTF-8, a row that is too short) is refused with the file, the line, the column and the fix.
//!
//! The input is streamed: one record at a time, in bounded memory, hashed while it passes by.
//!
//! How it reads from the bottom up: [`Input`] opens the bytes, `digest` counts and hashes them, `sniff`
//! looks at the first few for foreign encodings, `records` splits them into records by the strict rules of
//! RFC 4180, `columns` finds the name in the header, and [`CsvReader`] makes a [`Row`] of each record.

mod columns;
mod csv_reader;
mod digest;
mod error;
mod holds;
mod layout;
mod origin;
mod records;
mod sniff;
mod tool_line;
mod tool_lines;
mod wording;

#[cfg(test)]
mod tests;

pub use csv_reader::{CsvReader, InputFacts, Row};
pub use error::{Column, InputError, Position};
pub use holds::{HoldFileError, HoldRow, read_holds};
pub use layout::{CsvOptions, MAX_CELL_CHARS, NAME_COLUMNS};
pub use origin::Input;
pub use records::MAX_RECORD_BYTES;
pub use sniff::{ForeignFormat, parse_delimiter};
pub use tool_line::ToolLine;
