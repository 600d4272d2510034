//! Inputs that are refused as a whole: not there, not readable, not text, not bounded.

use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use insta::assert_snapshot;

use super::super::{CsvReader, Input, InputError};
use super::{bare_list, read_all, refusal, with_column, with_header};

fn open(path: &str) -> String {
    CsvReader::open(&Input::File(PathBuf::from(path)), &with_header()).unwrap_err().to_string()
}

#[test]
fn rejects_a_file_that_does_not_exist() {
    assert_snapshot!(open("no/such/customers.csv"), @"no/such/customers.csv: no such file; check the path, or pass - to read standard input");
}

#[test]
fn rejects_a_directory() {
    assert_snapshot!(open("src"), @"src: this is a directory; name the CSV file in it");
}

#[test]
fn rejects_a_directory_that_only_reading_reveals() {
    let error = io::Error::from(io::ErrorKind::IsADirectory);
    assert_snapshot!(Input::File("exports".into()).refusal(error), @"exports: this is a directory; name the CSV file in it");
}

#[test]
fn rejects_a_file_without_permission_to_read_it() {
    let error = io::Error::from(io::ErrorKind::PermissionDenied);
    assert_snapshot!(Input::File("customers.csv".into()).refusal(error), @"customers.csv: the file cannot be opened: permission denied; check who may read it");
}

#[test]
fn rejects_an_empty_input() {
    assert_snapshot!(refusal("", &with_header()), @"customers.csv: the input is empty; check that whatever wrote it succeeded");
    assert_eq!(refusal("", &bare_list()), refusal("", &with_header()));
}

#[test]
fn rejects_nothing_but_a_mark_or_blank_lines() {
    assert_snapshot!(refusal("\u{FEFF}", &with_header()), @"customers.csv: the input holds nothing but a byte-order mark or blank lines (3 bytes); check that whatever wrote it succeeded");
    assert_snapshot!(refusal("\r\n\n\r\n", &bare_list()), @"customers.csv: the input holds nothing but a byte-order mark or blank lines (5 bytes); check that whatever wrote it succeeded");
}

#[test]
fn rejects_nothing_but_a_header() {
    assert_snapshot!(refusal("name,reason\n", &with_header()), @"customers.csv: there are no rows below the header; add the names, or check that the export succeeded");
    assert_eq!(refusal("name,reason\r\n\r\n", &with_header()), refusal("name,reason", &with_header()));
}

#[test]
fn rejects_utf_16_with_and_without_a_mark() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    assert_snapshot!(refusal(little("\u{FEFF}name\nacme\n"), &with_header()), @"customers.csv: this is UTF-16 (little-endian), not UTF-8 text; convert it with `iconv -f UTF-16LE -t UTF-8 FILE > utf8.csv`");
    assert_snapshot!(refusal(big("\u{FEFF}name\nacme\n"), &with_header()), @"customers.csv: this is UTF-16 (big-endian), not UTF-8 text; convert it with `iconv -f UTF-16BE -t UTF-8 FILE > utf8.csv`");
    let marked = refusal(little("\u{FEFF}name"), &with_header());
    assert_eq!(refusal(little("name\nCafé am Fluß\n"), &with_header()), marked);
    assert_eq!(refusal(little("acme\n"), &bare_list()), marked);
    assert_eq!(
        refusal(big("name\nCafé am Fluß\n"), &with_header()),
        refusal(big("\u{FEFF}name"), &with_header())
    );
}

#[test]
fn rejects_other_formats() {
    assert_snapshot!(refusal(b"\xFF\xFE\0\0n\0\0\0", &with_header()), @"customers.csv: this is UTF-32, not UTF-8 text; convert it with `iconv -f UTF-32 -t UTF-8 FILE > utf8.csv`");
    assert_snapshot!(refusal(b"PK\x03\x04\x14\0\x06\0", &with_header()), @r#"customers.csv: this is a zip archive or an Excel workbook, not UTF-8 text; if it is a workbook, save it as "CSV UTF-8""#);
    assert_snapshot!(refusal(b"\x1F\x8B\x08\0", &bare_list()), @"customers.csv: this is a gzip archive, not UTF-8 text; unpack it first: `gunzip -c FILE | decom … -`");
}

#[test]
fn rejects_latin_1() {
    assert_snapshot!(refusal(b"id,name\n1,acme\n2,Caf\xE9\n", &with_header()), @r#"customers.csv, line 3, column 2 ("name"): byte 4 of the value (0xE9) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`"#);
    assert_snapshot!(refusal(b"Gesch\xE4ft,name\n1,acme\n", &with_header()), @"customers.csv, line 1, column 1: byte 6 of the value (0xE4) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`");
    assert_snapshot!(refusal(b"acme\nM\xFCller\n", &bare_list()), @"customers.csv, line 2, column 1: byte 2 of the value (0xFC) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`");
}

#[test]
fn rejects_a_character_split_over_two_columns() {
    // 0xC3 ends one column and 0xA9 begins the next: together they would be an é.
    assert_snapshot!(refusal(b"name,id\nCaf\xC3,\xA9\n", &with_header()), @r#"customers.csv, line 2, column 1 ("name"): byte 4 of the value (0xC3) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`"#);
}

#[test]
fn reports_the_line_of_latin_1_within_a_value() {
    assert_snapshot!(refusal(b"name,note\nacme,\"one\ntwo\nthr\xE9e\"\n", &with_header()), @r#"customers.csv, line 4, column 2 ("note"): byte 12 of the value (0xE9) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`"#);
}

#[test]
fn rejects_carriage_returns_alone() {
    assert_snapshot!(refusal("name\racme\rglobex\r", &with_header()), @r#"customers.csv, line 1: a carriage return without a line feed; if all lines end like this, convert the file with `tr '\r' '\n' < FILE > unix.csv`, otherwise delete it"#);
    assert_snapshot!(refusal("acme\nglobex\rinitech\n", &bare_list()), @r#"customers.csv, line 2: a carriage return without a line feed; if all lines end like this, convert the file with `tr '\r' '\n' < FILE > unix.csv`, otherwise delete it"#);
    assert_snapshot!(refusal("acme\r", &bare_list()), @r#"customers.csv, line 1: a carriage return without a line feed; if all lines end like this, convert the file with `tr '\r' '\n' < FILE > unix.csv`, otherwise delete it"#);
}

#[test]
fn rejects_contradicting_options() {
    let mut options = with_column("customer name");
    options.no_header = true;
    assert_snapshot!(refusal("acme\n", &options), @"--column 'customer name' needs a header, and --no-header says that there is none; leave out one of the two");
    let missing = Input::File("no/such/customers.csv".into());
    let error = CsvReader::open(&missing, &options).unwrap_err();
    assert!(matches!(error, InputError::ColumnWithoutHeader { .. }), "before the file is looked for");
}

/// Endless bytes, counted as they are taken.
struct Endless(Cursor<Vec<u8>>, Arc<AtomicUsize>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.0.read(buffer)?;
        if count == 0 {
            buffer.fill(b'a');
            count = buffer.len();
        }
        self.1.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

fn endless(begin: &str) -> String {
    let taken = Arc::new(AtomicUsize::new(0));
    let reader = Endless(Cursor::new(begin.as_bytes().to_vec()), Arc::clone(&taken));
    let message = read_all(reader, &with_header()).unwrap_err().to_string();
    assert!(taken.load(Ordering::Relaxed) < 1_300_000, "read on: {taken:?}");
    message
}

#[test]
fn rejects_a_line_without_an_end_in_bounded_memory() {
    assert_snapshot!(endless("name\nacme\n"), @"customers.csv, line 3: the row is longer than 1 MiB (1048576 bytes); check whether the line breaks are missing, and whether this is a CSV file");
    assert_snapshot!(endless(""), @"customers.csv, line 1: the row is longer than 1 MiB (1048576 bytes); check whether the line breaks are missing, and whether this is a CSV file");
    assert_snapshot!(endless("name,note\nacme,\nglobex,\"\n"), @"customers.csv, line 3: the row is longer than 1 MiB (1048576 bytes); close the quote opened on line 3");
}

/// Fails once its bytes have been read.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the device went away")),
            count => Ok(count),
        }
    }
}

#[test]
fn reports_a_read_that_fails_midway() {
    let failing = Failing(Cursor::new(b"name\nacme\nglobex\niniti".to_vec()));
    let mut reader = CsvReader::from_reader(failing, "customers.csv".to_owned(), &with_header()).unwrap();
    assert_eq!(reader.by_ref().take(2).filter_map(Result::ok).count(), 2, "what came before is read");
    assert_snapshot!(reader.next().unwrap().unwrap_err(), @"customers.csv, line 4: reading failed here: the device went away; nothing of it is used, try again");
    assert!(reader.next().is_none());
    assert_snapshot!(reader.finish().unwrap_err(), @"customers.csv: refused because of 1 bad line; correct the input and try again");
}

#[test]
fn reports_a_read_that_fails_at_once() {
    let failing = Failing(Cursor::new(Vec::new()));
    assert_snapshot!(read_all(failing, &with_header()).unwrap_err(), @"customers.csv, line 1: reading failed here: the device went away; nothing of it is used, try again");
}
