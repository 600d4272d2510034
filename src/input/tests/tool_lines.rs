//! Lines that tools leave in a file: refused, with a remedy that leads to success.

use insta::assert_snapshot;

use super::{bare_list, delimited, names, refusal, with_header};

#[test]
fn rejects_a_line_that_names_the_separator() {
    let text = "sep=;\nname;reason\nacme;left\n";
    assert_snapshot!(refusal(text, &with_header()), @"customers.csv, line 1: a line for Excel that names the separator; delete it, and pass --delimiter ';'");
    assert_snapshot!(refusal(text, &delimited(b';')), @"customers.csv, line 1: a line for Excel that names the separator; delete it");
    assert_snapshot!(refusal("\u{FEFF}sep=,\nname,reason\nacme,left\n", &with_header()), @"customers.csv, line 1: a line for Excel that names the separator; delete it");
    assert_snapshot!(refusal("\"SEP=\t\"\nname\treason\nacme\tleft\n", &with_header()), @"customers.csv, line 1: a line for Excel that names the separator; delete it, and pass --delimiter tab");
    assert_eq!(names("name;reason\nacme;left\n", &delimited(b';')), ["acme"], "the remedy");
}

#[test]
fn rejects_lines_above_the_header() {
    assert_snapshot!(refusal("#TYPE Selected.System.Object\n\"name\"\n\"acme\"\n", &with_header()), @"customers.csv, line 1: a line that PowerShell's Export-Csv writes; delete it, or export with -NoTypeInformation");
    assert_snapshot!(refusal("# as of today\nname\nacme\n", &with_header()), @r##"customers.csv, line 1: "# as of today" looks like a comment, which CSV does not have; delete the line, or put it in quotes if it is a name"##);
    assert_snapshot!(refusal("Customers,\nas of today,\nname,reason\nacme,\n", &with_header()), @r#"customers.csv, line 1: none of the columns "Customers", "" is named datasource_name, datasourceName, datasource or name; line 3 looks like the header, so delete the lines above it"#);
    assert_snapshot!(refusal("+------+\n| name |\n+------+\n| acme |\n", &with_header()), @"customers.csv, line 1: a line drawn by a database client; delete it, or let the client write CSV, or put it in quotes if it is a name");
}

/// Reported of other tools: whitfin/s3-concat#3, ckan/datapusher#74.
#[test]
fn rejects_the_header_again() {
    assert_snapshot!(refusal("name,reason\nacme,x\nname,reason\nglobex,y\n", &with_header()), @"customers.csv, line 3: the header again, left from joining two files; delete the line (if a datasource is named like this, rename the column)");
    assert_snapshot!(refusal("name,reason\nacme,x\n\u{FEFF}\"name\",\"reason\"\nglobex,y\n", &with_header()), @r#"customers.csv, line 3, column 1 ("name"): the value begins with a byte-order mark (U+FEFF), left from joining two files; delete it"#);
    let again = refusal("name,reason\nacme,x\nname,reason\nglobex,y\n", &with_header());
    for other in ["name,owner", "Name,reason,ticket", "ticket,name,owner", "name"] {
        let text = format!("name,reason\nacme,x\n{other}\nglobex,y\n");
        assert_eq!(refusal(text, &with_header()), again, "{other}");
    }
    assert_snapshot!(refusal("acme\ndatasource_name\nglobex\n", &bare_list()), @r#"customers.csv, line 2: "datasource_name" looks like a header, left from joining two files; delete the line, or put it in quotes if it is a name"#);
    assert_eq!(
        names("datasource,reason\nacme,x\nname,reason\n", &with_header()),
        ["acme", "name"],
        "the remedy"
    );
}

#[test]
fn rejects_separators_at_the_end() {
    assert_snapshot!(refusal("name,reason\nacme,x,\n", &with_header()), @"customers.csv, line 2: the row has 3 columns, the header has 2; delete the comma at its end, or add one to the header if all rows end with one");
    assert_snapshot!(refusal("name,reason,\nacme,x\n", &with_header()), @"customers.csv, line 2: the row has 2 columns, the header has 3; delete the comma at the end of the header, or add one to the row");
    assert_snapshot!(refusal("acme,\n", &bare_list()), @"customers.csv, line 1: 2 columns, and a bare list (--no-header) has one name a line; delete the comma at its end, or put a name that ends with one in quotes");
    assert_eq!(names("name,reason,\nacme,x,\n", &with_header()), ["acme"], "the remedy");
}

#[test]
fn rejects_what_database_clients_add() {
    assert_snapshot!(refusal("name,reason\n----,------\nacme,x\n", &with_header()), @"customers.csv, line 2: a line drawn by a database client; delete it, or let the client write CSV, or put it in quotes if it is a name");
    assert_snapshot!(refusal("name|reason\n----+------\nacme|x\n", &delimited(b'|')), @"customers.csv, line 2: a line drawn by a database client; delete it, or let the client write CSV, or put it in quotes if it is a name");
    assert_snapshot!(refusal("name,reason\nacme,x\n\n(1 rows affected)\n", &with_header()), @r#"customers.csv, line 4: "(1 rows affected)" is the row count of a database client; delete the line, or put it in quotes if it is a name"#);
    assert_snapshot!(refusal("acme\n(1 row)\n", &bare_list()), @r#"customers.csv, line 2: "(1 row)" is the row count of a database client; delete the line, or put it in quotes if it is a name"#);
    assert_snapshot!(refusal("name,reason\n[text],[text]\nacme,x\n", &with_header()), @r#"customers.csv, line 2: "[text]" looks like a second header, of units or types; delete the line, or put it in quotes if it is a name"#);
    assert_eq!(names("name\nacme\n[text]\n", &with_header()), ["acme", "[text]"], "only below the header");
}

#[test]
fn rejects_what_spreadsheets_leave_in_cells() {
    assert_snapshot!(refusal("id,name\n1,acme\n2,#REF!\n", &with_header()), @r##"customers.csv, line 3, column 2 ("name"): "#REF!" is an error of the spreadsheet; correct the cell and export again, or put it in quotes if it is a name"##);
    assert_snapshot!(refusal("id,name\n1,acme\n2,#N/A\n", &with_header()), @r##"customers.csv, line 3, column 2 ("name"): "#N/A" is an error of the spreadsheet; correct the cell and export again, or put it in quotes if it is a name"##);
    assert_snapshot!(refusal("id,name\n1,acme\n2,=A1\n", &with_header()), @r#"customers.csv, line 3, column 2 ("name"): "=A1" is a reference to a cell; export values instead of formulas, or put it in quotes if it is a name"#);
    assert_eq!(names("name,note\nacme,#REF!\n=sum,=A1\n", &with_header()), ["acme", "=sum"]);
}

#[test]
fn rejects_comments() {
    assert_snapshot!(refusal("name\n# the old ones\nacme\n", &with_header()), @r##"customers.csv, line 2: "# the old ones" looks like a comment, which CSV does not have; delete the line, or put it in quotes if it is a name"##);
    assert_snapshot!(refusal("name,reason\n#old\nacme,x\n", &with_header()), @r##"customers.csv, line 2: "#old" looks like a comment, which CSV does not have; delete the line, or put it in quotes if it is a name"##);
    assert_snapshot!(refusal("acme\n-- the old ones\n", &bare_list()), @r#"customers.csv, line 2: "-- the old ones" looks like a comment, which CSV does not have; delete the line, or put it in quotes if it is a name"#);
    assert_eq!(names("name\n#1-eu\n", &with_header()), ["#1-eu"]);
}
