//! Every refusal with its exact message, and the properties of what is read.

mod accepted;
mod example;
mod properties;
mod refused_files;
mod refused_headers;
mod refused_rows;
mod tool_lines;

use std::io::{self, Cursor, Read};

use super::{CsvOptions, CsvReader, InputError, InputFacts, Row};

/// Hands out its bytes a few at a time, as a pipe might.
struct Trickle<R>(R, usize);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.1);
        self.0.read(&mut buffer[..count])
    }
}

fn read_all(
    reader: impl Read + Send + 'static,
    options: &CsvOptions,
) -> Result<(Vec<Row>, InputFacts), InputError> {
    let mut reader = CsvReader::from_reader(reader, "customers.csv".to_owned(), options)?;
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((rows, reader.finish()?))
}

fn read(bytes: impl AsRef<[u8]>, options: &CsvOptions) -> Result<(Vec<Row>, InputFacts), InputError> {
    read_all(Cursor::new(bytes.as_ref().to_vec()), options)
}

fn names(bytes: impl AsRef<[u8]>, options: &CsvOptions) -> Vec<String> {
    read(bytes, options).unwrap().0.iter().map(|row| row.name.to_string()).collect()
}

/// The message with which an input is refused, however its bytes arrive.
fn refusal(bytes: impl AsRef<[u8]>, options: &CsvOptions) -> String {
    let whole = read(bytes.as_ref(), options).unwrap_err().to_string();
    let trickle = Trickle(Cursor::new(bytes.as_ref().to_vec()), 1);
    assert_eq!(read_all(trickle, options).unwrap_err().to_string(), whole);
    whole
}

fn with_header() -> CsvOptions {
    CsvOptions::default()
}

fn bare_list() -> CsvOptions {
    CsvOptions { no_header: true, ..CsvOptions::default() }
}

fn with_column(column: &str) -> CsvOptions {
    CsvOptions { column: Some(column.to_owned()), ..CsvOptions::default() }
}

fn delimited(delimiter: u8) -> CsvOptions {
    CsvOptions { delimiter: Some(delimiter), ..CsvOptions::default() }
}
