//! A line that a tool left in a file, and what to do about it.
//!
//! A value in quotes is taken as written: that is the way in for a name that looks like one of these.

use std::fmt;

use super::sniff;
use super::wording::shown;

const IN_QUOTES: &str = "or put it in quotes if it is a name";

/// A line, or a cell in the place of a name, that a tool has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLine {
    pub(super) kind: Kind,
    /// The line or the cell, or the beginning of it.
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sep=;` for Excel, with the separator if it is another than the one that is used.
    Separator(Option<u8>),
    /// `#TYPE …` by PowerShell's `Export-Csv`.
    Type,
    Comment,
    /// The header, further down.
    Header,
    /// The name of a column, in a list that has no header.
    HeaderInList,
    /// Dashes below the header.
    Rule,
    /// `(2 rows affected)`.
    RowCount,
    /// `#REF!`.
    SpreadsheetError,
    /// `=A1`.
    Reference,
    /// `[text]`: a second header, of units or types.
    Units,
    /// `<<<<<<< HEAD`.
    Conflict,
}

impl ToolLine {
    /// Returns true if it is the name that is not one, and not the whole line.
    pub(super) const fn is_cell(&self) -> bool {
        matches!(self.kind, Kind::SpreadsheetError | Kind::Reference)
    }
}

impl fmt::Display for ToolLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = shown(&self.text);
        match self.kind {
            Kind::Separator(None) => write!(f, "a line for Excel that names the separator; delete it"),
            Kind::Separator(Some(other)) => write!(
                f,
                "a line for Excel that names the separator; delete it, and pass {}",
                sniff::delimiter_flag(other)
            ),
            Kind::Type => write!(
                f,
                "a line that PowerShell's Export-Csv writes; delete it, or export with -NoTypeInformation"
            ),
            Kind::Comment => {
                write!(
                    f,
                    "{text} looks like a comment, which CSV does not have; delete the line, {IN_QUOTES}"
                )
            }
            Kind::Header => write!(
                f,
                "the header again, left from joining two files; delete the line (if a datasource is named like this, rename the column)"
            ),
            Kind::HeaderInList => write!(
                f,
                "{text} looks like a header, left from joining two files; delete the line, {IN_QUOTES}"
            ),
            Kind::Rule => write!(
                f,
                "a line drawn by a database client; delete it, or let the client write CSV, {IN_QUOTES}"
            ),
            Kind::RowCount => {
                write!(f, "{text} is the row count of a database client; delete the line, {IN_QUOTES}")
            }
            Kind::SpreadsheetError => write!(
                f,
                "{text} is an error of the spreadsheet; correct the cell and export again, {IN_QUOTES}"
            ),
            Kind::Reference => {
                write!(f, "{text} is a reference to a cell; export values instead of formulas, {IN_QUOTES}")
            }
            Kind::Conflict => write!(
                f,
                "a line that Git leaves where it could not merge two versions of the file; resolve the conflict"
            ),
            Kind::Units => write!(
                f,
                "{text} looks like a second header, of units or types; delete the line, {IN_QUOTES}"
            ),
        }
    }
}
