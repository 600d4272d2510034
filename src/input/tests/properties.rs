//! What holds for every input: round trips, agreement with the `csv` crate, and no panic.

use std::io::Cursor;

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::records::{Record, Records};
use super::super::{CsvOptions, CsvReader};
use super::{Trickle, read_all};

/// Any name that is accepted, with those characters often that mean something to CSV.
fn a_name() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('a', 'f'),
        3 => prop::sample::select(vec!['"', ',', ';', '|', ' ', '\'', '\\', '#', '%', 'é', '\u{301}', '🦀', '名']),
        1 => any::<char>().prop_filter("control", |c| !c.is_control()),
    ];
    vec(character, 1..20)
        .prop_map(String::from_iter)
        .prop_filter("blank or marked", |name| !name.trim().is_empty() && !name.starts_with('\u{FEFF}'))
}

fn a_style() -> impl Strategy<Value = (QuoteStyle, Terminator, u8, bool, usize)> {
    (
        prop_oneof![Just(QuoteStyle::Necessary), Just(QuoteStyle::Always), Just(QuoteStyle::NonNumeric)],
        prop_oneof![Just(Terminator::CRLF), Just(Terminator::Any(b'\n'))],
        prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
        any::<bool>(),
        1_usize..50,
    )
}

/// Bytes among which those that mean something are frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"\"\",,\n\n\r;ab \xEF\xBB\xBF\0".to_vec()),
        1 => any::<u8>(),
    ];
    prop_oneof![
        vec(byte.clone(), 0..60),
        vec(byte, 0..60).prop_map(|rest| [b"name,reason\n", rest.as_slice()].concat()),
    ]
}

/// What the splitter makes of bytes; nothing where it refuses them.
fn split(bytes: &[u8], chunk: usize) -> Option<Vec<Vec<Vec<u8>>>> {
    let mut records = Records::new(Trickle(Cursor::new(bytes), chunk), b',');
    let mut record = Record::default();
    let mut all = Vec::new();
    while records.read(&mut record).ok()? {
        all.push((0..record.len()).map(|index| record.field(index).to_vec()).collect());
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn reads_back_what_a_csv_writer_writes(
        rows in vec((a_name(), "[a-z,\" ]{0,8}"), 1..30),
        (quotes, terminator, delimiter, mark, chunk) in a_style(),
    ) {
        let mut text = if mark { "\u{FEFF}".as_bytes().to_vec() } else { Vec::new() };
        let mut writer = WriterBuilder::new()
            .quote_style(quotes)
            .terminator(terminator)
            .delimiter(delimiter)
            .from_writer(&mut text);
        writer.write_record(["reason", "name"]).unwrap();
        for (name, reason) in &rows {
            writer.write_record([reason, name]).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);

        let options = CsvOptions { delimiter: Some(delimiter), ..CsvOptions::default() };
        let (read, facts) = read_all(Trickle(Cursor::new(text.clone()), chunk), &options).unwrap();
        prop_assert_eq!(read.len(), rows.len());
        for (index, (row, (name, reason))) in read.iter().zip(&rows).enumerate() {
            prop_assert_eq!(row.name.as_str(), name);
            prop_assert_eq!(row.reason.as_deref().unwrap_or_default(), reason);
            prop_assert_eq!(row.line, index as u64 + 2);
        }
        prop_assert_eq!(facts.bytes, text.len() as u64);
        prop_assert_eq!(facts.sha256, format!("{:x}", Sha256::digest(&text)));
    }

    #[test]
    fn reads_what_it_accepts_as_the_csv_crate_does(bytes in bytes(), chunk in 1_usize..10) {
        // The mark is left out by the caller of the splitter, and by the csv crate itself.
        let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(&bytes);
        let ours = split(bytes, chunk);
        prop_assert_eq!(&ours, &split(bytes, usize::MAX), "however the bytes arrive");
        if let Some(ours) = ours.filter(|_| !bytes.starts_with("\u{FEFF}".as_bytes())) {
            let theirs = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes)
                .into_byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
                .collect::<Vec<_>>();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn ends_without_a_panic_whatever_the_bytes(
        bytes in bytes(),
        no_header: bool,
        column in prop::option::of("[a-z,\"]{0,4}"),
        delimiter in prop::option::of(any::<u8>()),
    ) {
        let options = CsvOptions { column, no_header, delimiter };
        if let Ok(mut reader) = CsvReader::from_reader(Cursor::new(bytes.clone()), "a".to_owned(), &options) {
            for row in reader.by_ref().take(1000) {
                if let Err(error) = row {
                    prop_assert!(error.to_string().contains("; "), "no advice: {}", error);
                }
            }
            prop_assert!(reader.next().is_none());
            if let Ok(facts) = reader.finish() {
                prop_assert_eq!(facts.bytes, bytes.len() as u64);
                prop_assert_eq!(facts.sha256, format!("{:x}", Sha256::digest(&bytes)));
            }
        }
    }
}
