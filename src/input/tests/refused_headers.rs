//! Headers that do not say beyond doubt which column holds the names.

use insta::assert_snapshot;

use super::super::parse_delimiter;
use super::{bare_list, delimited, names, refusal, with_column, with_header};

#[test]
fn rejects_an_unknown_header() {
    assert_snapshot!(refusal("id,title\n1,acme\n", &with_header()), @r#"customers.csv, line 1: none of the columns "id", "title" is named datasource_name, datasourceName, datasource or name; say which column holds the names with --column NAME"#);
}

#[test]
fn suggests_no_header_for_an_unknown_header_of_one_column() {
    assert_snapshot!(refusal("acme-prod\nglobex\n", &with_header()), @r#"customers.csv, line 1: the only column, "acme-prod", is not named datasource_name, datasourceName, datasource or name; pass --no-header if this is a bare list of names, or say which column holds the names with --column NAME"#);
}

#[test]
fn suggests_the_name_that_a_header_nearly_has() {
    assert_snapshot!(refusal("id,Datasource Name\n1,acme\n", &with_header()), @r#"customers.csv, line 1: none of the columns "id", "Datasource Name" is named datasource_name, datasourceName, datasource or name; rename "Datasource Name" to datasource_name, or pass --column 'Datasource Name'"#);
    assert_snapshot!(refusal("id,NAME\n1,acme\n", &with_header()), @r#"customers.csv, line 1: none of the columns "id", "NAME" is named datasource_name, datasourceName, datasource or name; rename "NAME" to name, or pass --column NAME"#);
    assert_snapshot!(refusal("id, name\n1,acme\n", &with_header()), @r#"customers.csv, line 1: none of the columns "id", " name" is named datasource_name, datasourceName, datasource or name; rename " name" to name, or pass --column ' name'"#);
    assert_snapshot!(refusal("datasuorce_name\nacme\n", &with_header()), @r#"customers.csv, line 1: the only column, "datasuorce_name", is not named datasource_name, datasourceName, datasource or name; rename "datasuorce_name" to datasource_name, or pass --column datasuorce_name, or pass --no-header if this is a bare list of names"#);
}

#[test]
fn cuts_a_long_header() {
    let header =
        format!("id,{},{}\n1,acme\n", "x".repeat(100), (0..20).map(|_| "c").collect::<Vec<_>>().join(","));
    assert_snapshot!(refusal(header, &with_header()), @r#"customers.csv, line 1: none of the columns "id", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…", "c", "c", "c", "c", "c", "c" and 14 more is named datasource_name, datasourceName, datasource or name; say which column holds the names with --column NAME"#);
}

#[test]
fn escapes_what_a_terminal_would_interpret() {
    assert_snapshot!(refusal("\x1b[2Jid,b\n1,acme\n", &with_header()), @r#"customers.csv, line 1: none of the columns "\u{1b}[2Jid", "b" is named datasource_name, datasourceName, datasource or name; say which column holds the names with --column NAME"#);
}

#[test]
fn rejects_more_than_one_name_column() {
    assert_snapshot!(refusal("name,id,datasource_name\na,1,b\n", &with_header()), @r#"customers.csv, line 1: more than one column may hold the datasource names ("name", "datasource_name"); say which of them with --column"#);
    assert_eq!(names("name,id,datasource_name\na,1,b\n", &with_column("datasource_name")), ["b"]);
}

#[test]
fn rejects_a_name_column_beside_one_that_differs_in_case() {
    assert_snapshot!(refusal("Datasource Name,name\na,b\n", &with_header()), @r#"customers.csv, line 1: more than one column may hold the datasource names ("Datasource Name", "name"); say which of them with --column"#);
}

#[test]
fn rejects_the_same_column_twice() {
    assert_snapshot!(refusal("name,id,name\na,1,b\n", &with_header()), @r#"customers.csv, line 1: the column "name" is there twice (columns 1 and 3); rename or remove one of them"#);
    assert_snapshot!(refusal("key,key\na,b\n", &with_column("key")), @r#"customers.csv, line 1: the column "key" is there twice (columns 1 and 2); rename or remove one of them"#);
    assert_snapshot!(refusal("name,reason,reason\na,b,c\n", &with_header()), @r#"customers.csv, line 1: the column "reason" is there twice (columns 2 and 3); rename or remove one of them"#);
    assert_snapshot!(refusal("ticket,name,ticket\na,b,c\n", &with_header()), @r#"customers.csv, line 1: the column "ticket" is there twice (columns 1 and 3); rename or remove one of them"#);
}

#[test]
fn rejects_a_column_that_is_not_there() {
    assert_snapshot!(refusal("id,customer\n1,acme\n", &with_column("Customer")), @r#"customers.csv, line 1: there is no column "Customer" among "id", "customer"; did you mean --column customer?"#);
    assert_snapshot!(refusal("id,customer\n1,acme\n", &with_column("database")), @r#"customers.csv, line 1: there is no column "database" among "id", "customer"; pass one of these as --column"#);
}

#[test]
fn suggests_the_separator_that_a_header_shows() {
    assert_snapshot!(refusal("name;reason\nacme;old\n", &with_header()), @"customers.csv, line 1: the columns are separated by semicolons, not by commas; pass --delimiter ';'");
    assert_snapshot!(refusal("id\tdatasource_name\n1\tacme\n", &with_header()), @"customers.csv, line 1: the columns are separated by tabs, not by commas; pass --delimiter tab");
    assert_snapshot!(refusal("\"name\";\"reason\"\n\"acme\";\"old\"\n", &with_header()), @"customers.csv, line 1: the columns are separated by semicolons, not by commas; pass --delimiter ';'");
    assert_snapshot!(refusal("kunde|grund\nacme|alt\n", &with_column("kunde")), @"customers.csv, line 1: the columns are separated by vertical bars, not by commas; pass --delimiter '|'");
    assert_snapshot!(refusal("name,reason\nacme,old\n", &delimited(b';')), @"customers.csv, line 1: the columns are separated by commas, not by semicolons; pass --delimiter ','");
}

#[test]
fn suggests_a_separator_that_may_be_in_use() {
    assert_snapshot!(refusal("kunde;grund\nacme;alt\n", &with_header()), @r#"customers.csv, line 1: the only column, "kunde;grund", is not named datasource_name, datasourceName, datasource or name; pass --delimiter ';' if semicolons separate the columns, or pass --no-header if this is a bare list of names, or say which column holds the names with --column NAME"#);
}

#[test]
fn rejects_invalid_delimiters() {
    assert_snapshot!(parse_delimiter("\"").unwrap_err(), @r#""\"" cannot separate columns; pass one punctuation character such as ';' as --delimiter, or the word tab"#);
    for text in ["", "x", " ", "\n", ";;", "é", "TAB"] {
        assert!(parse_delimiter(text).is_err(), "{text:?}");
    }
    for (text, byte) in [(";", b';'), ("|", b'|'), (",", b','), ("tab", b'\t'), ("\\t", b'\t'), ("\t", b'\t')]
    {
        assert_eq!(parse_delimiter(text).unwrap(), byte);
    }
    assert_snapshot!(refusal("name\nacme\n", &delimited(b'\n')), @r#""\n" cannot separate columns; pass one punctuation character such as ';' as --delimiter, or the word tab"#);
}

#[test]
fn rejects_a_header_in_a_bare_list() {
    assert_snapshot!(refusal("datasource_name\nacme\n", &bare_list()), @r#"customers.csv, line 1: "datasource_name" looks like a header, and --no-header says that there is none; leave out --no-header (and if it is a datasource, put a header above it)"#);
    assert_snapshot!(refusal("Name\nacme\n", &bare_list()), @r#"customers.csv, line 1: "Name" looks like a header, and --no-header says that there is none; leave out --no-header (and if it is a datasource, put a header above it)"#);
}

#[test]
fn rejects_a_bare_list_of_several_columns() {
    assert_snapshot!(refusal("acme,old\nglobex,new\n", &bare_list()), @"customers.csv, line 1: 2 columns, and a bare list (--no-header) has one name a line; put a name that holds a comma in quotes, or give the file a header and leave out --no-header");
    assert_snapshot!(refusal("acme\nGlobex, Inc.\n", &bare_list()), @"customers.csv, line 2: 2 columns, and a bare list (--no-header) has one name a line; put a name that holds a comma in quotes, or give the file a header and leave out --no-header");
}
