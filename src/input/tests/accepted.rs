//! What is read, and that it is read exactly.

use std::io::{Cursor, Write as _};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::super::{CsvReader, Input, NAME_COLUMNS};
use super::{bare_list, delimited, names, read, with_column, with_header};

#[test]
fn reads_names_under_every_known_header() {
    for column in NAME_COLUMNS {
        assert_eq!(names(format!("id,{column}\n1,acme\n"), &with_header()), ["acme"], "{column}");
    }
    assert_eq!(names("id,Kunde\n1,acme\n", &with_column("Kunde")), ["acme"]);
}

#[test]
fn reads_reasons_and_tickets() {
    let (rows, facts) = read(
        "ticket,name,owner,reason\nOFF-1,acme,kim,\"moved, at last\"\n,globex,,\nOFF-3,initech,,\n",
        &with_header(),
    )
    .unwrap();
    let rows = rows
        .iter()
        .map(|row| (row.line, row.name.as_str(), row.reason.as_deref(), row.ticket.as_deref()))
        .collect::<Vec<_>>();
    assert_eq!(
        rows,
        [
            (2, "acme", Some("moved, at last"), Some("OFF-1")),
            (3, "globex", None, None),
            (4, "initech", None, Some("OFF-3")),
        ]
    );
    assert_eq!(facts.rows, 3);
}

#[test]
fn reads_a_list_without_a_header() {
    assert_eq!(
        names("acme\n\n\"Globex, Inc.\"\r\n\r\ninitech", &bare_list()),
        ["acme", "Globex, Inc.", "initech"]
    );
    assert_eq!(names("a\nb;c\nd | e\n", &bare_list()), ["a", "b;c", "d | e"]);
}

#[test]
fn skips_and_counts_rows_of_nothing_but_separators() {
    let (rows, facts) = read("name,reason\nacme,old\n,\nglobex,\n,,,\n\"\",\n", &with_header()).unwrap();
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
    assert_eq!((facts.rows, facts.empty_rows), (2, 3));
}

#[test]
fn takes_a_value_in_quotes_for_a_name_whatever_it_looks_like() {
    let text = "name,reason\n\"#N/A\",x\n\"=A1\",x\n\"# old\",x\n\"(2 rows)\",\n";
    assert_eq!(names(text, &with_header()), ["#N/A", "=A1", "# old", "(2 rows)"]);
    assert_eq!(names("acme\n\"name\"\n\"---\"\n", &bare_list()), ["acme", "name", "---"]);
}

#[test]
fn reads_columns_with_another_delimiter() {
    assert_eq!(names("id;name\n1;Globex, Inc.\n", &delimited(b';')), ["Globex, Inc."]);
    assert_eq!(names("name\tid\nacme\t1\n", &delimited(b'\t')), ["acme"]);
}

#[test]
fn keeps_names_as_they_are() {
    let exact =
        [" leading", "trailing ", "Acme", "acme", "Café", "Cafe\u{301}", "100% Organic", "a\u{200B}b", "\\n"];
    let text = exact.iter().fold("name\n".to_owned(), |text, name| text + name + "\n");
    let (rows, _) = read(text, &with_header()).unwrap();
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), exact);
    let outer = rows.iter().filter(|row| row.name.has_outer_space()).map(|row| row.line).collect::<Vec<_>>();
    assert_eq!(outer, [2, 3]);
}

#[test]
fn reads_a_quoted_header_after_a_byte_order_mark() {
    assert_eq!(
        names("\u{FEFF}\"name\"\n\"the \"\"best\"\" one\"\n\"\"\"\"\n", &with_header()),
        ["the \"best\" one", "\""]
    );
}

#[test]
fn reads_past_a_long_value_in_a_column_that_is_not_used() {
    let text = format!("name,note\nacme,\"{}\"\n", "line\n".repeat(100_000));
    assert_eq!(names(text, &with_header()), ["acme"]);
}

#[test]
fn hashes_and_counts_the_raw_bytes() {
    let text = format!("\u{FEFF}name\r\n{}\r\n\r\n", "acme\r\n".repeat(50_000));
    let (rows, facts) = read(&text, &with_header()).unwrap();
    assert_eq!((rows.len(), facts.rows), (50_000, 50_000));
    assert_eq!(facts.bytes, text.len() as u64);
    assert_eq!(facts.sha256, format!("{:x}", Sha256::digest(&text)));
    assert_eq!(facts.label, "customers.csv");
}

#[test]
fn hashes_the_whole_input_even_if_its_rows_were_not_read() {
    let text = "name\nacme\nglobex\n";
    let reader =
        CsvReader::from_reader(Cursor::new(text.as_bytes()), "a".to_owned(), &with_header()).unwrap();
    let facts = reader.finish().unwrap();
    assert_eq!((facts.rows, facts.sha256), (2, format!("{:x}", Sha256::digest(text))));
}

#[test]
fn labels_a_file_by_its_path() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"name\nacme\n").unwrap();
    let input = Input::File(file.path().to_owned());
    let facts = CsvReader::open(&input, &with_header()).unwrap().finish().unwrap();
    assert_eq!((facts.label, facts.rows), (file.path().display().to_string(), 1));
}

#[test]
fn takes_a_dash_for_standard_input() {
    assert_eq!(Input::from_str("-").unwrap(), Input::Stdin);
    assert_eq!(Input::from_str("./-").unwrap(), Input::File("./-".into()));
    assert_eq!(Input::Stdin.to_string(), "standard input");
    assert_eq!(Input::File("a/b.csv".into()).to_string(), "a/b.csv");
}
