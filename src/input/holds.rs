//! Reads a file of holds: CSV with the header `name,reason,until`. An emptied or damaged file is refused, so that it
//! releases nothing.

use std::path::{Path, PathBuf};
use std::str;

use super::MAX_CELL_CHARS;
use super::records::{Record, Records, SplitErrorKind};
use super::sniff::{self, ForeignFormat};
use crate::domain::DatasourceName;

/// The header of a file of holds.
const HEADER: [&str; 3] = ["name", "reason", "until"];

/// A row of a file of holds, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The physical line on which it begins, from 1.
    pub line: u64,
    pub name: String,
    pub reason: Option<String>,
    pub until: Option<String>,
}

/// Why a file of holds is refused.
#[derive(Debug, thiserror::Error)]
pub enum HoldFileError {
    #[error(
        "{}: a file of holds begins with the header `name,reason,until`, and this one is empty; restore it, or leave the header if nothing is on hold",
        path.display()
    )]
    Empty { path: PathBuf },
    #[error("{}: this is {format}, not UTF-8 text; save the holds as CSV in UTF-8", path.display())]
    Foreign { path: PathBuf, format: ForeignFormat },
    #[error(
        "{}, line {line}: a file of holds begins with the header `name,reason,until`, and this one with `{}`; write the header above the holds",
        path.display(), found.escape_debug()
    )]
    Header { path: PathBuf, line: u64, found: String },
    #[error("{}, line {line}: {why}", path.display())]
    Row { path: PathBuf, line: u64, why: String },
}

/// Reads the rows of the file at `path`, whose content is `bytes`.
///
/// # Errors
/// If the header is missing, or a row is malformed.
pub fn read_holds(path: &Path, bytes: &[u8]) -> Result<Vec<HoldRow>, HoldFileError> {
    let mut records = Records::new(bytes, b',');
    let mark = sniff::opening(records.opening())
        .map_err(|format| HoldFileError::Foreign { path: path.to_owned(), format })?;
    records.skip(mark);
    let (mut record, mut rows, mut has_header) = (Record::default(), Vec::new(), false);
    loop {
        let refused = |line, why: String| HoldFileError::Row { path: path.to_owned(), line, why };
        match records.read(&mut record) {
            Ok(false) if has_header => return Ok(rows),
            Ok(false) => return Err(HoldFileError::Empty { path: path.to_owned() }),
            Err(fault) => return Err(refused(fault.line, in_words(&fault.kind))),
            Ok(true) if has_header => {
                rows.push(row(&record).map_err(|why| refused(record.line, why))?);
            }
            Ok(true) => {
                let header: Vec<_> = record.texts().map(str::trim).collect();
                if header != HEADER {
                    let (line, found) = (record.line, header.join(","));
                    return Err(HoldFileError::Header { path: path.to_owned(), line, found });
                }
                has_header = true;
            }
        }
    }
}

/// The hold in a record; otherwise what is wrong with it.
fn row(record: &Record) -> Result<HoldRow, String> {
    if record.len() != HEADER.len() {
        let found = record.len();
        let fields = if found == 1 { "field" } else { "fields" };
        return Err(format!(
            "{found} {fields} instead of the 3 of `name,reason,until`; put a text that holds a comma in quotes"
        ));
    }
    let [name, reason, until] = [cell(record, 0)?, cell(record, 1)?, cell(record, 2)?];
    if name.trim().is_empty() {
        return Err("the name is blank; give it a name, or delete the line".to_owned());
    }
    DatasourceName::new(name).map_err(|problem| format!("{problem}, which no name may; correct it"))?;
    let optional = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(HoldRow { line: record.line, name: name.to_owned(), reason: optional(reason), until: optional(until) })
}

fn cell(record: &Record, index: usize) -> Result<&str, String> {
    let column = HEADER[index];
    let text = str::from_utf8(record.field(index))
        .map_err(|_| format!("`{column}` is not UTF-8; save the file in UTF-8"))?;
    if index > 0 && text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("`{column}` holds a control character, such as a line break; delete it"));
    }
    let chars = text.chars().count();
    if chars > MAX_CELL_CHARS {
        return Err(format!(
            "`{column}` is {chars} characters long, and the longest accepted is {MAX_CELL_CHARS}; shorten it"
        ));
    }
    Ok(text)
}

fn in_words(kind: &SplitErrorKind) -> String {
    match kind {
        SplitErrorKind::StrayQuote => "a quote within an unquoted value; double it and quote the whole value",
        SplitErrorKind::TextAfterQuote { .. } => "text after a closing quote; check the quotes of this line",
        SplitErrorKind::UnclosedQuote => {
            "the quote opened here is never closed; close it, and check that the file is whole"
        }
        SplitErrorKind::BareReturn => "a carriage return without a line feed; save the file with line feeds",
        SplitErrorKind::TooLong { .. } => "the row is longer than 1 MiB; check its quotes",
        SplitErrorKind::Read(source) => return format!("reading failed here: {source}; try again"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Vec<(u64, String, String, String)>, String> {
        let rows = read_holds(Path::new("holds.csv"), text.as_ref()).map_err(|error| error.to_string())?;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        Ok(rows
            .into_iter()
            .map(|row| (row.line, row.name, or_none(row.reason), or_none(row.until)))
            .collect())
    }

    fn refusal(text: impl AsRef<[u8]>) -> String {
        read(text).unwrap_err()
    }

    #[test]
    fn reads_names_globs_reasons_and_last_days() {
        let text = "\u{FEFF}name,reason,until\r\nacme,\"court, 4 O 12/26\",2026-12-31\r\n\r\nglobex-*,,\r\n Ω , audit ,\n";
        let row = |line, name: &str, reason: &str, until: &str| {
            (line, name.to_owned(), reason.to_owned(), until.to_owned())
        };
        assert_eq!(
            read(text).unwrap(),
            [
                row(2, "acme", "court, 4 O 12/26", "2026-12-31"),
                row(4, "globex-*", "-", "-"),
                row(5, " Ω ", "audit", "-")
            ]
        );
        assert_eq!(read("name,reason,until\n").unwrap(), [], "nothing is on hold");
    }

    #[test]
    fn an_emptied_file_releases_nothing() {
        for text in ["", "\n\n", "\u{FEFF}"] {
            let refusal = refusal(text);
            assert!(refusal.starts_with("holds.csv: a file of holds begins with the header"), "{refusal}");
        }
        for text in [
            "acme,court,2026-12-31\n",
            "name\nacme\n",
            "name;reason;until\n",
            "name,until,reason\n",
            "Name,reason,until\n",
        ] {
            let refusal = refusal(text);
            assert!(
                refusal.starts_with("holds.csv, line 1: a file of holds begins with the header"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn names_the_line_of_a_malformed_row() {
        for (rows, line, why) in [
            (&b"acme\n"[..], 2, "1 field instead of the 3"),
            (b"acme,court, or so,2026-12-31\n", 2, "4 fields instead of the 3"),
            (b"acme,,\n,court,\n", 3, "the name is blank"),
            (b"acme,,\n\"a\nb\",court,\n", 3, "control character U+000A"),
            (b"acme,\"a\nb\",\n", 2, "`reason` holds a control character"),
            (b"acme,\xFF,\n", 2, "`reason` is not UTF-8"),
            (b"acme,\"court,\n", 2, "is never closed"),
            (b"acme,a\"b,\n", 2, "a quote within an unquoted value"),
        ] {
            let refusal = refusal([b"name,reason,until\n", rows].concat());
            let begins = format!("holds.csv, line {line}: ");
            assert!(refusal.starts_with(&begins) && refusal.contains(why), "{refusal}");
        }
    }
}
