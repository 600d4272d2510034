//! Any bytes and any options into the CSV reader: it never panics, the rows that it accepts obey the rules of names,
//! and the `csv` crate reads the same names.
//!
//! Input: one byte of flags; depending on them a column, ended by a NUL, and a delimiter; then the file.
#![no_main]

use std::io::{self, Cursor, Read};

use csv::ReaderBuilder;
use decom::input::{CsvOptions, CsvReader, InputFacts, MAX_CELL_CHARS, NAME_COLUMNS, Row, InputError};
use decom::domain::MAX_NAME_BYTES;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const NO_HEADER: u8 = 1;
const COLUMN: u8 = 2;
const DELIMITER: u8 = 4;
const IN_SMALL_PIECES: u8 = 8;

fuzz_target!(|input: &[u8]| {
    let Some((&flags, rest)) = input.split_first() else { return };
    let (options, file) = options(flags, rest);
    let read = read_all(Cursor::new(file.to_vec()), &options);
    if flags & IN_SMALL_PIECES != 0 {
        let trickled = read_all(Trickle(Cursor::new(file.to_vec())), &options);
        assert_eq!(shown(&read), shown(&trickled), "how the bytes arrive must not matter");
    }
    if let Ok((rows, facts)) = read {
        assert_eq!(facts.bytes, file.len() as u64);
        assert_eq!(facts.rows, rows.len() as u64);
        assert_eq!(facts.sha256, format!("{:x}", Sha256::digest(file)));
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, names_by_csv_crate(file, &options));
    }
});

fn options(flags: u8, mut rest: &[u8]) -> (CsvOptions, &[u8]) {
    let mut options = CsvOptions { no_header: flags & NO_HEADER != 0, ..CsvOptions::default() };
    if flags & COLUMN != 0 {
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        options.column = Some(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if flags & DELIMITER != 0
        && let Some((&delimiter, after)) = rest.split_first()
    {
        options.delimiter = Some(delimiter);
        rest = after;
    }
    (options, rest)
}

/// Reads everything, and holds every row to the rules, those before an error, too.
fn read_all(
    reader: impl Read + Send + 'static,
    options: &CsvOptions,
) -> Result<(Vec<Row>, InputFacts), InputError> {
    let mut reader = CsvReader::from_reader(reader, "fuzzed".to_owned(), options).inspect_err(check_error)?;
    let mut rows = Vec::new();
    let mut last_line = 0;
    for row in reader.by_ref() {
        match row {
            Ok(row) => {
                assert!(row.line > last_line, "rows are in order");
                last_line = row.line;
                check(&row);
                rows.push(row);
            }
            Err(error) => check_error(&error),
        }
    }
    assert!(reader.next().is_none(), "the end is the end");
    reader.finish().map(|facts| (rows, facts))
}

fn check(row: &Row) {
    let name = row.name.as_str();
    assert!(!name.trim().is_empty() && name.len() <= MAX_NAME_BYTES);
    assert!(!name.chars().any(char::is_control) && !name.starts_with('\u{FEFF}'));
    for cell in [&row.reason, &row.ticket].into_iter().flatten() {
        assert!(!cell.is_empty() && cell.chars().count() <= MAX_CELL_CHARS);
        assert!(!cell.chars().any(|c| c.is_control() && c != '\t'));
    }
}

fn check_error(error: &InputError) {
    let message = error.to_string();
    assert!(!message.chars().any(char::is_control), "a message fit for a terminal: {message:?}");
}

fn shown(read: &Result<(Vec<Row>, InputFacts), InputError>) -> String {
    match read {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    }
}

/// The names as a lenient reader finds them, in a file that the strict one has accepted.
fn names_by_csv_crate(file: &[u8], options: &CsvOptions) -> Vec<String> {
    let mut records = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(options.delimiter.unwrap_or(b','))
        .from_reader(file)
        .into_records()
        .map(|record| record.expect("what is accepted is readable"))
        // Rows of nothing but separators are skipped.
        .filter(|record| record.len() == 1 || record.iter().any(|cell| !cell.is_empty()));
    let mut column = 0;
    if !options.no_header {
        let header = records.next().expect("what is accepted has a header");
        column = header
            .iter()
            .position(|found| match &options.column {
                Some(asked) => found == asked,
                None => NAME_COLUMNS.contains(&found),
            })
            .expect("what is accepted has a name column");
    }
    records.map(|record| record[column].to_owned()).collect()
}

/// Hands out three bytes at a time.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(3);
        self.0.read(&mut buffer[..length])
    }
}
