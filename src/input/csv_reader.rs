//! Reads a CSV row by row: a checked name each, with its reason and its ticket.

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;
use std::num::NonZeroU64;
use std::str;

use crate::domain::{CustomerRequest, DatasourceName, RequestTime};

use super::Input;
use super::columns::{self, Columns};
use super::digest::HashingReader;
use super::error::{InputError, Position};
use super::layout::{CsvOptions, MAX_CELL_CHARS, NAME_COLUMNS};
use super::records::{Record, Records, SplitError, SplitErrorKind};
use super::sniff::{self, SEPARATORS};
use super::tool_lines;

/// How many records above the header are taken for titles.
const MOST_TITLES: usize = 10;

/// One row of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The physical line on which the row begins, from 1.
    pub line: u64,
    /// The name, exactly as written.
    pub name: DatasourceName,
    /// What the column `reason` says, if there is one and it says anything; up to [`MAX_CELL_CHARS`].
    pub reason: Option<String>,
    /// What the column `ticket` says, if there is one and it says anything; up to [`MAX_CELL_CHARS`].
    pub ticket: Option<String>,
    /// What the columns `customer` and `requested_at` say.
    pub request: CustomerRequest,
}

/// What is known of an input once all of it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFacts {
    /// The path as given, or `standard input`.
    pub label: String,
    /// SHA-256 over all raw bytes, a byte-order mark included: what `sha256sum` says of the file.
    pub sha256: String,
    /// The length in bytes.
    pub bytes: u64,
    /// How many rows were read, without the header and empty ones; equal names are counted each.
    pub rows: u64,
    /// How many rows held nothing but separators, and were skipped.
    pub empty_rows: u64,
    /// The last row ended with the input, and not with a line break: it may have been cut off.
    pub is_open_ended: bool,
}

/// An iterator over the rows of a CSV, which holds no more than one of them in memory.
///
/// A row that is refused does not end the iteration, so that a caller can gather a few errors and show them
/// together; trouble that puts the rows after it in doubt (quoting, encoding, a failed read) does.
pub struct CsvReader {
    label: String,
    delimiter: u8,
    records: Records<HashingReader<Box<dyn Read + Send>>>,
    record: Record,
    columns: Columns,
    /// The record is a row that has been read ahead.
    pending: bool,
    done: bool,
    rows: u64,
    empty_rows: u64,
    errors: u64,
}

impl CsvReader {
    /// Opens an input and reads its header.
    ///
    /// # Errors
    /// If it cannot be opened, is empty or is not UTF-8 text, if the options contradict each other or the header, or if
    /// the name column is not beyond doubt.
    pub fn open(input: &Input, options: &CsvOptions) -> Result<Self, InputError> {
        check(options)?;
        Self::from_reader(input.open()?, input.to_string(), options)
    }

    /// Reads from `reader`, which messages call `label`. Otherwise like [`CsvReader::open`], also in its errors.
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        label: String,
        options: &CsvOptions,
    ) -> Result<Self, InputError> {
        check(options)?;
        let delimiter = options.separator();
        let mut reader = Self {
            label,
            delimiter,
            records: Records::new(HashingReader::new(Box::new(reader)), delimiter),
            record: Record::default(),
            columns: Columns::bare_list(),
            pending: false,
            done: false,
            rows: 0,
            empty_rows: 0,
            errors: 0,
        };
        reader.skip_mark()?;
        reader.read_first_record(options)?;
        Ok(reader)
    }

    /// What is known of the input as a whole. Reads and checks what is left of it, so that the facts are
    /// always those of the whole.
    ///
    /// # Errors
    /// [`InputError::Refused`] if a row was refused before, and the error of any row that is left.
    pub fn finish(mut self) -> Result<InputFacts, InputError> {
        for row in self.by_ref() {
            row?;
        }
        if self.errors > 0 {
            return Err(InputError::Refused { input: self.label, errors: self.errors });
        }
        let is_open_ended = self.records.is_open_ended;
        let (sha256, bytes) = self.records.into_inner().facts();
        let (rows, empty_rows) = (self.rows, self.empty_rows);
        Ok(InputFacts { label: self.label, sha256, bytes, rows, empty_rows, is_open_ended })
    }

    fn skip_mark(&mut self) -> Result<(), InputError> {
        let mark = sniff::opening(self.records.opening())
            .map_err(|format| InputError::Foreign { input: self.label.clone(), format })?;
        self.records.skip(mark);
        Ok(())
    }

    fn read_first_record(&mut self, options: &CsvOptions) -> Result<(), InputError> {
        let found = match self.records.read(&mut self.record) {
            // In `"name";"reason"`, what looks like text after a quote is the separator.
            Err(SplitError { line, kind: SplitErrorKind::TextAfterQuote { found, .. }, .. })
                if !options.no_header && SEPARATORS.contains(&found) =>
            {
                let at = self.position_of(line, None);
                return Err(InputError::WrongSeparator { at, found, expected: self.delimiter });
            }
            found => found.map_err(|fault| self.explain(fault))?,
        };
        if !found {
            let bytes = self.records.get_ref().bytes();
            return Err(InputError::Empty { input: self.label.clone(), bytes });
        }
        let at = self.position_of(self.record.line, None);
        if let Some(line) = tool_lines::of_first(&self.record, self.delimiter) {
            return Err(InputError::ToolLine { at, line });
        }
        if options.no_header {
            let first = self.text(0)?;
            if self.record.len() == 1 && columns::is_like_a_header(first) {
                return Err(InputError::HeaderInBareList { at, found: first.to_owned() });
            }
            if self.record.len() == 1 && options.delimiter.is_none() && first.contains(';') {
                return Err(InputError::SemicolonInBareList { at, found: first.to_owned() });
            }
            self.pending = true;
            return Ok(());
        }
        let headers = (0..self.record.len()).map(|index| self.text(index).map(str::to_owned));
        self.columns = match Columns::find(headers.collect::<Result<_, _>>()?, options, at) {
            Err(InputError::NoNameColumn { at, header, nearest: None, separator, .. }) => {
                let below = self.header_below();
                return Err(InputError::NoNameColumn { at, header, nearest: None, separator, below });
            }
            found => found?,
        };
        Ok(())
    }

    /// The line of a header below titles and the like.
    fn header_below(&mut self) -> Option<NonZeroU64> {
        for _ in 0..MOST_TITLES {
            if !self.records.read(&mut self.record).ok()? {
                return None;
            }
            if self.record.texts().any(|cell| NAME_COLUMNS.contains(&cell)) {
                return NonZeroU64::new(self.record.line);
            }
        }
        None
    }

    fn advance(&mut self) -> Result<Option<Row>, InputError> {
        while std::mem::take(&mut self.pending)
            || self.records.read(&mut self.record).map_err(|fault| self.explain(fault))?
        {
            if !self.record.is_empty() {
                return self.row().map(Some);
            }
            self.empty_rows += 1;
        }
        if self.rows == 0 && self.errors == 0 {
            return Err(InputError::HeaderOnly { input: self.label.clone() });
        }
        Ok(None)
    }

    /// Makes a row of the record.
    fn row(&self) -> Result<Row, InputError> {
        let (expected, found) = (self.columns.count(), self.record.len());
        // Columns that are not used are checked too: bytes that are not UTF-8 put the whole file in doubt.
        for index in 0..found {
            self.text(index)?;
        }
        let is_first = self.rows + self.errors == 0;
        if let Some(line) = tool_lines::of_row(&self.record, &self.columns, is_first) {
            let column = line.is_cell().then_some(self.columns.name);
            return Err(InputError::ToolLine { at: self.position_of(self.record.line, column), line });
        }
        if found == 1 && expected > 1 && self.text(0)?.trim().is_empty() {
            return Err(InputError::BlankName { at: self.position_of(self.record.line, None) });
        }
        if found != expected {
            let (at, delimiter) = (self.position_of(self.record.line, None), self.delimiter);
            let ends_empty = match found.cmp(&expected) {
                Ordering::Greater => found == expected + 1 && self.text(expected)?.is_empty(),
                _ => found + 1 == expected && self.columns.ends_empty(),
            };
            return Err(if self.columns.is_bare_list() {
                InputError::BareListColumns { at, found, ends_empty, delimiter }
            } else {
                InputError::Ragged { at, expected, found, ends_empty, delimiter }
            });
        }
        Ok(Row {
            line: self.record.line,
            name: self.name()?,
            reason: self.cell(self.columns.reason)?,
            ticket: self.cell(self.columns.ticket)?,
            request: CustomerRequest {
                customer: self.cell(self.columns.customer)?,
                requested_at: self.request_time()?,
            },
        })
    }

    fn name(&self) -> Result<DatasourceName, InputError> {
        let index = self.columns.name;
        let text = self.text(index)?;
        let name = DatasourceName::new(text)
            .map_err(|problem| InputError::Name { at: self.position_in_cell(index, 0), problem })?;
        if text.trim().is_empty() {
            return Err(InputError::BlankName { at: self.position_in_cell(index, 0) });
        }
        if text.starts_with('\u{FEFF}') {
            return Err(InputError::MarkInValue { at: self.position_in_cell(index, 0) });
        }
        Ok(name)
    }

    fn cell(&self, column: Option<usize>) -> Result<Option<String>, InputError> {
        let Some(index) = column else { return Ok(None) };
        let text = self.text(index)?;
        if let Some((position, (offset, found))) =
            text.char_indices().enumerate().find(|(_, (_, c))| c.is_control() && *c != '\t')
        {
            let at = self.position_in_cell(index, offset);
            return Err(InputError::CellControl { at, found, position: position + 1 });
        }
        // More bytes than characters only makes it worth counting.
        if text.len() > MAX_CELL_CHARS {
            let chars = text.chars().count();
            if chars > MAX_CELL_CHARS {
                return Err(InputError::CellTooLong { at: self.position_in_cell(index, 0), chars });
            }
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// When the customer asked for it: a text from which days can be counted.
    fn request_time(&self) -> Result<Option<String>, InputError> {
        let Some(text) = self.cell(self.columns.requested_at)? else { return Ok(None) };
        match text.parse::<RequestTime>() {
            Ok(_) => Ok(Some(text)),
            Err(problem) => {
                let index = self.columns.requested_at.unwrap_or_default();
                Err(InputError::RequestTime { at: self.position_in_cell(index, 0), problem })
            }
        }
    }

    /// A field of the record as text.
    fn text(&self, index: usize) -> Result<&str, InputError> {
        let bytes = self.record.field(index);
        str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let value = bytes.get(offset).copied().unwrap_or_default();
            InputError::NotUtf8 { at: self.position_in_cell(index, offset), byte: offset + 1, value }
        })
    }

    /// The place of the byte at `offset` of a field of the record.
    fn position_in_cell(&self, index: usize, offset: usize) -> Position {
        self.position_of(self.record.line_of(index, offset), Some(index))
    }

    fn position_of(&self, line: u64, field: Option<usize>) -> Position {
        Position {
            input: self.label.clone(),
            line,
            column: field.map(|index| Box::new(self.columns.column(index))),
        }
    }

    fn explain(&self, fault: SplitError) -> InputError {
        let at = self.position_of(fault.line, fault.field);
        match fault.kind {
            SplitErrorKind::StrayQuote
                if fault.field.is_some_and(|field| self.record.text(field) == "\u{FEFF}") =>
            {
                InputError::MarkInValue { at }
            }
            SplitErrorKind::StrayQuote => InputError::StrayQuote { at },
            SplitErrorKind::TextAfterQuote { opened, .. } => InputError::TextAfterQuote { at, opened },
            SplitErrorKind::UnclosedQuote => InputError::UnclosedQuote { at },
            SplitErrorKind::BareReturn => InputError::BareReturn { at },
            SplitErrorKind::TooLong { open_quote } => InputError::TooLong { at, open_quote },
            SplitErrorKind::Read(source) => InputError::Interrupted { at, source },
        }
    }
}

impl Iterator for CsvReader {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.advance().transpose();
        match &row {
            Some(Ok(_)) => self.rows += 1,
            Some(Err(error)) => {
                self.errors += 1;
                self.done = !error.is_of_one_row();
            }
            None => self.done = true,
        }
        row
    }
}

impl fmt::Debug for CsvReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvReader")
            .field("label", &self.label)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn check(options: &CsvOptions) -> Result<(), InputError> {
    match (&options.column, options.delimiter) {
        (Some(column), _) if options.no_header => {
            Err(InputError::ColumnWithoutHeader { column: column.clone() })
        }
        (_, Some(byte)) if !sniff::is_delimiter(byte) => {
            Err(InputError::BadDelimiter { given: char::from(byte).to_string() })
        }
        _ => Ok(()),
    }
}
