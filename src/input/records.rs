//! Splits bytes into records by the strict rules of RFC 4180, one at a time, in bounded memory.
//!
//! This is a splitter of its own because the `csv` crate is lenient by design: it accepts a stray quote, text
//! after a closing quote and an end of file within quotes, buffers a field of any length, and its line numbers
//! drift after blank lines. Here each of those could be the wrong name. Whatever this splitter
//! accepts, the `csv` crate reads the same way; a property test holds the two together.

use std::io::{self, Read};

use super::sniff::OPENING_BYTES;

/// The longest record that is accepted, in raw bytes of the input: 1 MiB. It bounds the memory that a broken
/// or malicious input can take.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

const CHUNK_BYTES: usize = 64 * 1024;

/// One record, its quoting undone. Reused from record to record, so that nothing is allocated for each.
#[derive(Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`, and whether it was in quotes.
    fields: Vec<(usize, bool)>,
    /// The field that is being read is in quotes.
    in_quotes: bool,
    /// The physical line on which the record begins, from 1.
    pub(super) line: u64,
}

impl Record {
    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The bytes of a field, counted from 0; empty if there is no such field.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        let end = self.fields.get(index).map_or(self.bytes.len(), |(end, _)| *end);
        &self.bytes[self.start(index)..end]
    }

    /// A field as text; empty if it is not UTF-8.
    pub(super) fn text(&self, index: usize) -> &str {
        str::from_utf8(self.field(index)).unwrap_or_default()
    }

    /// All fields as texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.text(index))
    }

    /// Returns true if a field was in quotes.
    pub(super) fn is_quoted(&self, index: usize) -> bool {
        self.fields.get(index).is_some_and(|(_, in_quotes)| *in_quotes)
    }

    /// Returns true if there is nothing but separators.
    pub(super) fn is_empty(&self) -> bool {
        self.len() > 1 && self.bytes.is_empty()
    }

    /// The physical line, from 1, of the byte at `offset` of a field: quoted fields may hold line breaks.
    pub(super) fn line_of(&self, index: usize, offset: usize) -> u64 {
        let before = &self.bytes[..self.start(index) + offset];
        self.line + before.iter().filter(|&&byte| byte == b'\n').map(|_| 1).sum::<u64>()
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|before| self.fields.get(before)).map_or(0, |(end, _)| *end)
    }

    fn begin(&mut self, line: u64) {
        self.bytes.clear();
        self.fields.clear();
        self.in_quotes = false;
        self.line = line;
    }

    fn end_field(&mut self) {
        self.fields.push((self.bytes.len(), std::mem::take(&mut self.in_quotes)));
    }
}

/// Why splitting cannot continue, and at which line.
pub(super) struct SplitError {
    /// The physical line, from 1.
    pub(super) line: u64,
    /// The field that is to blame, from 0, if it is one alone.
    pub(super) field: Option<usize>,
    pub(super) kind: SplitErrorKind,
}

pub(super) enum SplitErrorKind {
    /// A quote within a field that did not begin with one.
    StrayQuote,
    /// Something other than a separator or a line end after a closing quote.
    TextAfterQuote { opened: u64, found: u8 },
    /// The end of the input within quotes; the fault's line is that of the opening quote.
    UnclosedQuote,
    /// A carriage return without a line feed.
    BareReturn,
    /// More than [`MAX_RECORD_BYTES`]; with the line of the quote that is still open.
    TooLong { open_quote: Option<u64> },
    /// The input could not be read further.
    Read(io::Error),
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing of the record has been seen.
    RecordStart,
    /// After a separator.
    FieldStart,
    Plain,
    /// Within quotes, since the line given.
    Quoted(u64),
    /// After a quote within quotes: the closing one, or the first of a doubled one.
    QuoteSeen(u64),
    /// After a carriage return outside of quotes, which must be followed by a line feed.
    Return {
        blank: bool,
    },
}

/// What one byte brings about.
enum Step {
    To(State),
    EndOfRecord,
}

impl Step {
    fn end(record: &mut Record) -> Self {
        record.end_field();
        Self::EndOfRecord
    }
}

/// A stream of records over raw bytes.
pub(super) struct Records<R> {
    input: R,
    chunk: Box<[u8]>,
    /// What of `chunk` is still to be split.
    from: usize,
    to: usize,
    /// The physical line of the next byte, from 1.
    line: u64,
    delimiter: u8,
    /// What went wrong while the opening was read: returned after the bytes before it are split.
    failure: Option<io::Error>,
    /// The last record ended with the input, and not with a line break.
    pub(super) is_open_ended: bool,
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R, delimiter: u8) -> Self {
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        Self { input, chunk, from: 0, to: 0, line: 1, delimiter, failure: None, is_open_ended: false }
    }

    /// The first bytes, without taking them: [`OPENING_BYTES`] or more, or all that can be read.
    pub(super) fn opening(&mut self) -> &[u8] {
        while self.to < OPENING_BYTES {
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        &self.chunk[..self.to]
    }

    /// Leaves out the first `count` bytes of the opening.
    pub(super) fn skip(&mut self, count: usize) {
        self.from = self.to.min(self.from + count);
    }

    /// The reader below, to ask it about what it has read.
    pub(super) fn get_ref(&self) -> &R {
        &self.input
    }

    /// The reader below.
    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// Reads the next record into `record`; returns false at the end of the input, after every byte.
    ///
    /// Wholly empty lines are not records. After an error, splitting must not be continued.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, SplitError> {
        record.begin(self.line);
        let mut state = State::RecordStart;
        let mut length = 0;
        loop {
            if self.from == self.to {
                self.from = 0;
                self.to = 0;
                if !self.read_more().map_err(|error| self.fault(None, SplitErrorKind::Read(error)))? {
                    return self.end_of_input(state, record);
                }
            }
            length += self.take_run(state, record);
            if let Some(&byte) = self.chunk[..self.to].get(self.from) {
                let step = self.step(state, byte, record)?;
                self.from += 1;
                length += 1;
                self.line += u64::from(byte == b'\n');
                state = match step {
                    Step::EndOfRecord => return Ok(true),
                    Step::To(next) => next,
                };
                if let State::RecordStart = state {
                    record.begin(self.line);
                    length = 0;
                }
            }
            if length > MAX_RECORD_BYTES {
                let open_quote = if let State::Quoted(opened) = state { Some(opened) } else { None };
                let kind = SplitErrorKind::TooLong { open_quote };
                return Err(SplitError { line: record.line, field: None, kind });
            }
        }
    }

    /// Takes the bytes that merely continue a value, all at once because most bytes do; returns how many.
    fn take_run(&mut self, state: State, record: &mut Record) -> usize {
        let rest = &self.chunk[self.from..self.to];
        let end = match state {
            State::Plain => {
                rest.iter().position(|&byte| matches!(byte, b'"' | b'\n' | b'\r') || byte == self.delimiter)
            }
            State::Quoted(_) => rest.iter().position(|&byte| matches!(byte, b'"' | b'\n')),
            _ => Some(0),
        };
        let run = end.unwrap_or(rest.len());
        record.bytes.extend_from_slice(&rest[..run]);
        self.from += run;
        run
    }

    /// What a byte brings about, and what it adds to the record.
    fn step(&self, state: State, byte: u8, record: &mut Record) -> Result<Step, SplitError> {
        let next = match state {
            State::Quoted(opened) if byte == b'"' => State::QuoteSeen(opened),
            State::Quoted(opened) => {
                record.bytes.push(byte);
                State::Quoted(opened)
            }
            State::QuoteSeen(opened) if byte == b'"' => {
                record.bytes.push(byte);
                State::Quoted(opened)
            }
            State::Return { blank: true } | State::RecordStart if byte == b'\n' => State::RecordStart,
            State::Return { .. } if byte == b'\n' => return Ok(Step::end(record)),
            State::Return { .. } => return Err(self.fault(None, SplitErrorKind::BareReturn)),
            State::RecordStart | State::FieldStart | State::Plain | State::QuoteSeen(_) => match byte {
                b'\n' => return Ok(Step::end(record)),
                b'\r' => State::Return { blank: matches!(state, State::RecordStart) },
                byte if byte == self.delimiter => {
                    record.end_field();
                    State::FieldStart
                }
                found => match state {
                    State::QuoteSeen(opened) => {
                        let kind = SplitErrorKind::TextAfterQuote { opened, found };
                        return Err(self.fault(Some(record.len()), kind));
                    }
                    State::Plain if found == b'"' => {
                        return Err(self.fault(Some(record.len()), SplitErrorKind::StrayQuote));
                    }
                    _ if found == b'"' => {
                        record.in_quotes = true;
                        State::Quoted(self.line)
                    }
                    _ => {
                        record.bytes.push(found);
                        State::Plain
                    }
                },
            },
        };
        Ok(Step::To(next))
    }

    fn end_of_input(&mut self, state: State, record: &mut Record) -> Result<bool, SplitError> {
        match state {
            State::RecordStart => Ok(false),
            State::Quoted(opened) => Err(SplitError {
                line: opened,
                field: Some(record.len()),
                kind: SplitErrorKind::UnclosedQuote,
            }),
            State::Return { .. } => Err(self.fault(None, SplitErrorKind::BareReturn)),
            State::FieldStart | State::Plain | State::QuoteSeen(_) => {
                record.end_field();
                self.is_open_ended = true;
                Ok(true)
            }
        }
    }

    /// Reads once more, after what is there; returns false at the end of the input.
    fn read_more(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        loop {
            match self.input.read(&mut self.chunk[self.to..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    let count = outcome?;
                    self.to += count;
                    return Ok(count > 0);
                }
            }
        }
    }

    fn fault(&self, field: Option<usize>, kind: SplitErrorKind) -> SplitError {
        SplitError { line: self.line, field, kind }
    }
}
