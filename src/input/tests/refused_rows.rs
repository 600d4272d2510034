//! Rows that are refused: names that cannot be, and text whose meaning is in doubt.

use std::io::Cursor;

use insta::assert_snapshot;

use super::super::CsvReader;
use super::{bare_list, delimited, refusal, with_header};

#[test]
fn rejects_an_empty_name() {
    assert_snapshot!(refusal("id,name\n1,acme\n2,\n", &with_header()), @r#"customers.csv, line 3, column 2 ("name"): the name is empty; give it a name or delete the line"#);
    assert_snapshot!(refusal("acme\n\"\"\n", &bare_list()), @"customers.csv, line 2, column 1: the name is empty; give it a name or delete the line");
}

#[test]
fn rejects_a_blank_name() {
    assert_snapshot!(refusal("id,name\n1,acme\n2,  \n", &with_header()), @r#"customers.csv, line 3, column 2 ("name"): the name is blank, nothing but white space; give it a name or delete the line"#);
    assert_snapshot!(refusal("acme\n   \nglobex\n", &bare_list()), @"customers.csv, line 2, column 1: the name is blank, nothing but white space; give it a name or delete the line");
    assert_snapshot!(refusal("id,name\n1,acme\n \t \n", &with_header()), @"customers.csv, line 3: the name is blank, nothing but white space; give it a name or delete the line");
    assert_snapshot!(refusal("name\n\u{A0}\u{3000}\n", &with_header()), @r#"customers.csv, line 2, column 1 ("name"): the name is blank, nothing but white space; give it a name or delete the line"#);
}

#[test]
fn rejects_control_characters_in_a_name() {
    assert_snapshot!(refusal("name\nac\0me\n", &with_header()), @r#"customers.csv, line 2, column 1 ("name"): the name holds the control character U+0000 at character 3; delete it, no datasource can be named like this"#);
    assert_snapshot!(refusal("name\nacme\tprod\n", &with_header()), @r#"customers.csv, line 2, column 1 ("name"): the name holds the control character U+0009 at character 5; delete it, no datasource can be named like this"#);
    assert_snapshot!(refusal("acme\x7F\n", &bare_list()), @"customers.csv, line 1, column 1: the name holds the control character U+007F at character 5; delete it, no datasource can be named like this");
    assert_snapshot!(refusal("id,name\r\n1,\"acme\r\nprod\"\r\n", &with_header()), @r#"customers.csv, line 2, column 2 ("name"): the name holds the control character U+000D at character 5; delete it, no datasource can be named like this"#);
}

#[test]
fn rejects_a_long_name() {
    let longest = "ä".repeat(512);
    assert_eq!(super::names(format!("name\n{longest}\n"), &with_header()), std::slice::from_ref(&longest));
    assert_snapshot!(refusal(format!("name\n{longest}x\n"), &with_header()), @r#"customers.csv, line 2, column 1 ("name"): the name is 1025 bytes long; the longest accepted is 1024; check whether a line break or a separator is missing"#);
}

#[test]
fn rejects_a_mark_left_from_joining_files() {
    assert_snapshot!(refusal("acme\n\u{FEFF}globex\n", &bare_list()), @"customers.csv, line 2, column 1: the value begins with a byte-order mark (U+FEFF), left from joining two files; delete it");
}

#[test]
fn rejects_ragged_rows() {
    assert_snapshot!(refusal("name,reason\nacme,old\nGlobex, Inc.,old\n", &with_header()), @"customers.csv, line 3: the row has 3 columns, the header has 2; put a value that holds a comma in quotes");
    assert_snapshot!(refusal("name,reason,ticket\nacme\n", &with_header()), @"customers.csv, line 2: the row has 1 column, the header has 3; add the missing ones, which may be empty");
    assert_snapshot!(refusal("name;reason\nacme;old;\n", &delimited(b';')), @"customers.csv, line 2: the row has 3 columns, the header has 2; delete the semicolon at its end, or add one to the header if all rows end with one");
}

#[test]
fn rejects_an_unclosed_quote() {
    assert_snapshot!(refusal("id,name\n1,acme\n2,\"globex\n3,initech\n", &with_header()), @r#"customers.csv, line 3, column 2 ("name"): the quote opened here is never closed; close it, and check that the file is whole"#);
    assert_snapshot!(refusal("\"acme", &bare_list()), @"customers.csv, line 1, column 1: the quote opened here is never closed; close it, and check that the file is whole");
    assert_snapshot!(refusal("acme\n\"globex\"\"\n", &bare_list()), @"customers.csv, line 2, column 1: the quote opened here is never closed; close it, and check that the file is whole");
}

#[test]
fn rejects_a_stray_quote() {
    assert_snapshot!(refusal("id,name\n1,5\" disk\n", &with_header()), @r#"customers.csv, line 2, column 2 ("name"): a quote within an unquoted value; double it and put the whole value in quotes (5" disk becomes "5"" disk"), or delete the space before an opening quote"#);
    assert_snapshot!(refusal("acme\nab\"c\"\n", &bare_list()), @r#"customers.csv, line 2, column 1: a quote within an unquoted value; double it and put the whole value in quotes (5" disk becomes "5"" disk"), or delete the space before an opening quote"#);
    assert_snapshot!(refusal("id,name\n1, \"acme\"\n", &with_header()), @r#"customers.csv, line 2, column 2 ("name"): a quote within an unquoted value; double it and put the whole value in quotes (5" disk becomes "5"" disk"), or delete the space before an opening quote"#);
}

#[test]
fn rejects_text_after_a_closing_quote() {
    assert_snapshot!(refusal("id,name\n1,\"acme\" prod\n", &with_header()), @r#"customers.csv, line 2, column 2 ("name"): text after a closing quote; double the quotes that belong to the value, or delete what follows the closing one"#);
    assert_snapshot!(refusal("acme\n\"the \"best\" one\"\n", &bare_list()), @"customers.csv, line 2, column 1: text after a closing quote; double the quotes that belong to the value, or delete what follows the closing one");
    // An unclosed quote is most often found like this: the next quoted value closes it.
    assert_snapshot!(refusal("name,reason\n\"acme,old\n\"globex\",old\n", &with_header()), @r#"customers.csv, line 3, column 1 ("name"): text after a closing quote; close the value opened on line 2 where it should end"#);
}

#[test]
fn rejects_control_characters_in_a_reason_or_ticket() {
    assert_snapshot!(refusal("name,reason\nacme,old\x07\n", &with_header()), @r#"customers.csv, line 2, column 2 ("reason"): the value holds the control character U+0007 at character 4; delete it, only tabs are accepted here"#);
    assert_snapshot!(refusal("name,ticket\nacme,\"OFF-1\nOFF-2\"\n", &with_header()), @r#"customers.csv, line 2, column 2 ("ticket"): the value holds the control character U+000A at character 6; delete it, only tabs are accepted here"#);
    let (rows, _) = super::read("name,reason\nacme,old\tand dear\n", &with_header()).unwrap();
    assert_eq!(rows[0].reason.as_deref(), Some("old\tand dear"));
}

#[test]
fn rejects_a_long_reason() {
    let longest = "ä".repeat(1000);
    let (rows, _) = super::read(format!("name,reason\nacme,{longest}\n"), &with_header()).unwrap();
    assert_eq!(rows[0].reason.as_deref(), Some(longest.as_str()));
    assert_snapshot!(refusal(format!("name,reason\nacme,{longest}x\n"), &with_header()), @r#"customers.csv, line 2, column 2 ("reason"): the value is 1001 characters long, the longest accepted is 1000; shorten it"#);
}

#[test]
fn counts_physical_lines() {
    for text in [
        "name,note\r\n\r\nacme,\"one\r\ntwo\"\r\n\r\n,three\r\n",
        "name,note\n\nacme,\"one\ntwo\"\n\n,three\n",
        "\u{FEFF}name,note\r\n\nacme,\"one\ntwo\"\r\n\r\n,three",
    ] {
        assert_eq!(
            refusal(text, &with_header()),
            "customers.csv, line 6, column 1 (\"name\"): the name is empty; give it a name or delete the line"
        );
    }
    // The second column of a record that began two lines above.
    assert_snapshot!(refusal("note,name\n\"one\ntwo\n\",\n", &with_header()), @r#"customers.csv, line 4, column 2 ("name"): the name is empty; give it a name or delete the line"#);
}

#[test]
fn continues_after_a_bad_row() {
    let text = b"name,reason\n,old\nacme,old\nglobex\n  ,\ninitech,\n".to_vec();
    let mut reader =
        CsvReader::from_reader(Cursor::new(text), "customers.csv".to_owned(), &with_header()).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = reader.by_ref().partition(Result::is_ok);
    let lines = good.into_iter().map(|row| row.unwrap().line).collect::<Vec<_>>();
    assert_eq!(lines, [3, 6]);
    assert_eq!(bad.len(), 3);
    assert_snapshot!(reader.finish().unwrap_err(), @"customers.csv: refused because of 3 bad lines; correct the input and try again");
}
