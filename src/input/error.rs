//! Everything that can be wrong with an input, each with what happened, where, and what to do next.
//!
//! Messages keep one form: `<file>, line <n>, column <c> ("<header>"): <what>; <what to do>`.

use std::fmt;
use std::io;
use std::num::NonZeroU64;

use crate::domain::{NameError, RequestTimeError};

use super::layout::MAX_CELL_CHARS;
use super::records::MAX_RECORD_BYTES;
use super::sniff::{self, ForeignFormat};
use super::tool_line::ToolLine;
use super::wording;

/// A column, as a reader of the file would point at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// From 1.
    pub number: usize,
    /// Its name, if there is a header.
    pub header: Option<String>,
}

/// A position in an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The label of the input: its path, or `standard input`.
    pub input: String,
    /// The physical line, from 1.
    pub line: u64,
    /// The column that is to blame, if it is one alone.
    pub column: Option<Box<Column>>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.input, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {}", column.number)?;
            if let Some(header) = &column.header {
                write!(f, " ({})", wording::shown(header))?;
            }
        }
        Ok(())
    }
}

/// Why an input is refused, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// There is nothing at the path.
    #[error("{input}: no such file; check the path, or pass - to read standard input")]
    NotFound { input: String },
    /// The path is a directory.
    #[error("{input}: this is a directory; name the CSV file in it")]
    Directory { input: String },
    /// The file is there, but cannot be opened.
    #[error("{input}: the file cannot be opened: {source}; check who may read it")]
    Unreadable { input: String, source: io::Error },
    /// Reading failed midway: nothing of the input can be trusted to be whole.
    #[error("{at}: reading failed here: {source}; nothing of it is used, try again")]
    Interrupted { at: Position, source: io::Error },
    /// Not a single record.
    #[error("{input}: {}; check that whatever wrote it succeeded", wording::emptiness(*.bytes))]
    Empty {
        input: String,
        /// There may be a byte-order mark or blank lines.
        bytes: u64,
    },
    /// A header and nothing below.
    #[error("{input}: there are no rows below the header; add the names, or check that the export succeeded")]
    HeaderOnly { input: String },
    /// Not UTF-8 text, but something else that was recognised.
    #[error("{input}: this is {format}, not UTF-8 text; {}", .format.remedy())]
    Foreign { input: String, format: ForeignFormat },
    /// A byte sequence that is not UTF-8, most often Latin-1 or Windows-1252.
    #[error(
        "{at}: byte {byte} of the value (0x{value:02X}) is not UTF-8; if the file is in Windows-1252 or Latin-1, \
         convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`"
    )]
    NotUtf8 {
        at: Position,
        /// The position in the column's value, in bytes from 1.
        byte: usize,
        value: u8,
    },
    /// `--column` together with `--no-header`.
    #[error(
        "--column {} needs a header, and --no-header says that there is none; leave out one of the two",
        wording::flag_value(column)
    )]
    ColumnWithoutHeader { column: String },
    /// A delimiter that could be a part of a name or of the CSV format itself.
    #[error(
        "{} cannot separate columns; pass one punctuation character such as ';' as --delimiter, or the word tab",
        wording::shown(given)
    )]
    BadDelimiter { given: String },
    /// The columns seem to be separated by another character.
    #[error(
        "{at}: the columns are separated by {}, not by {}; pass {}",
        sniff::separator_name(*.found), sniff::separator_name(*.expected), sniff::delimiter_flag(*.found)
    )]
    WrongSeparator { at: Position, found: u8, expected: u8 },
    /// No column has a name that says that it holds datasource names.
    #[error(
        "{at}: {} named {}; {}",
        wording::none_of(header), wording::known_names(),
        wording::header_fix(header, nearest.as_ref(), *.separator, *.below)
    )]
    NoNameColumn {
        at: Position,
        header: Vec<String>,
        nearest: Option<(String, &'static str)>,
        separator: Option<u8>,
        /// The line of what looks like the header, if there are other lines above it.
        below: Option<NonZeroU64>,
    },
    /// Several columns may hold the names.
    #[error(
        "{at}: more than one column may hold the datasource names ({}); say which of them with --column",
        wording::listed(columns)
    )]
    AmbiguousNameColumn { at: Position, columns: Vec<String> },
    /// A column that is used is there twice.
    #[error(
        "{at}: the column {} is there twice (columns {first} and {second}); rename or remove one of them",
        wording::shown(column)
    )]
    DoubledColumn {
        at: Position,
        column: String,
        /// The number of the first, from 1.
        first: usize,
        /// The number of the second, from 1.
        second: usize,
    },
    /// The column given as `--column` is not there.
    #[error("{at}: there is no column {} among {}; {}", wording::shown(column), wording::listed(header), wording::column_fix(nearest.as_ref()))]
    UnknownColumn { at: Position, column: String, header: Vec<String>, nearest: Option<String> },
    /// With `--no-header`, but the first line is the name of a column.
    #[error(
        "{at}: {} looks like a header, and --no-header says that there is none; leave out --no-header (and if it \
         is a datasource, put a header above it)",
        wording::shown(found)
    )]
    HeaderInBareList { at: Position, found: String },
    /// With `--no-header` and no `--delimiter`, a first name that looks like columns.
    #[error(
        "{at}: {} holds a semicolon, which may separate columns; if it does, give the file a header, leave out \
         --no-header and pass --delimiter ';'; if it is a part of the name, pass --delimiter ','",
        wording::shown(found)
    )]
    SemicolonInBareList { at: Position, found: String },
    /// With `--no-header`, a line of several columns.
    #[error(
        "{at}: {found} columns, and a bare list (--no-header) has one name a line; {}",
        wording::list_fix(*.ends_empty, *.delimiter)
    )]
    BareListColumns {
        at: Position,
        found: usize,
        /// The line is a name and a separator.
        ends_empty: bool,
        delimiter: u8,
    },
    /// A row with more or fewer columns than the header.
    #[error(
        "{at}: the row has {found} {}, the header has {expected}; {}",
        wording::columns_word(*.found), wording::ragged_fix(*.expected, *.found, *.ends_empty, *.delimiter)
    )]
    Ragged {
        at: Position,
        expected: usize,
        found: usize,
        /// The longer of the two ends with a separator.
        ends_empty: bool,
        delimiter: u8,
    },
    /// The value in the name column cannot be a name.
    #[error("{at}: {problem}; {}", wording::name_fix(problem))]
    Name { at: Position, problem: NameError },
    /// A line or a name that a tool has left in the file.
    #[error("{at}: {line}")]
    ToolLine { at: Position, line: ToolLine },
    /// A name, or a whole line, of nothing but white space.
    #[error("{at}: the name is blank, nothing but white space; give it a name or delete the line")]
    BlankName { at: Position },
    /// A value that begins with an invisible U+FEFF, which joining two files leaves between them.
    #[error("{at}: the value begins with a byte-order mark (U+FEFF), left from joining two files; delete it")]
    MarkInValue { at: Position },
    /// A control character other than a tab in a reason or a ticket.
    #[error(
        "{at}: the value holds the control character U+{:04X} at character {position}; delete it, only tabs are accepted here",
        u32::from(*.found)
    )]
    CellControl {
        at: Position,
        found: char,
        /// In characters, from 1.
        position: usize,
    },
    /// A reason or a ticket that is too long.
    #[error(
        "{at}: the value is {chars} characters long, the longest accepted is {MAX_CELL_CHARS}; shorten it"
    )]
    CellTooLong { at: Position, chars: usize },
    /// A time of a request from which no days can be counted.
    #[error("{at}: {problem}, or give the column another name if it holds something else")]
    RequestTime { at: Position, problem: RequestTimeError },
    /// A quote within a value that is not quoted.
    #[error(
        "{at}: a quote within an unquoted value; double it and put the whole value in quotes (5\" disk becomes \
         \"5\"\" disk\"), or delete the space before an opening quote"
    )]
    StrayQuote { at: Position },
    /// Text between a closing quote and the next separator.
    #[error("{at}: text after a closing quote; {}", wording::quote_fix(at.line, *.opened))]
    TextAfterQuote {
        at: Position,
        /// The line of the opening quote, from 1.
        opened: u64,
    },
    /// The input ends within quotes.
    #[error("{at}: the quote opened here is never closed; close it, and check that the file is whole")]
    UnclosedQuote { at: Position },
    /// A carriage return that no line feed follows: line ends of old Macs, or a stray one.
    #[error(
        "{at}: a carriage return without a line feed; if all lines end like this, convert the file with \
         `tr '\\r' '\\n' < FILE > unix.csv`, otherwise delete it"
    )]
    BareReturn { at: Position },
    /// A record longer than [`MAX_RECORD_BYTES`].
    #[error("{at}: the row is longer than 1 MiB ({MAX_RECORD_BYTES} bytes); {}", wording::length_fix(*.open_quote))]
    TooLong {
        at: Position,
        /// The line of a quote that is still open at the limit, from 1.
        open_quote: Option<u64>,
    },
    /// The facts of an input were asked for after rows of it had been refused.
    #[error("{input}: refused because of {errors} bad {}; correct the input and try again", wording::lines_word(*.errors))]
    Refused {
        input: String,
        /// How many errors had been handed out, at least 1.
        errors: u64,
    },
}

impl InputError {
    /// Returns true if only one row is wrong, so that the rows after it can still be read.
    pub(super) fn is_of_one_row(&self) -> bool {
        matches!(
            self,
            Self::BareListColumns { .. }
                | Self::Ragged { .. }
                | Self::Name { .. }
                | Self::BlankName { .. }
                | Self::MarkInValue { .. }
                | Self::ToolLine { .. }
                | Self::CellControl { .. }
                | Self::CellTooLong { .. }
                | Self::RequestTime { .. }
        )
    }
}
