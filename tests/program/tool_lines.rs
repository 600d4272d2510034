//! Lines that spreadsheets, database clients and shells leave in a file: refused before anything is sent, with a
//! remedy that leads to success when it is followed.

use crate::support::Estate;

/// A file that is refused with a message that ends like this, and what became of it by following that.
struct Case {
    file: &'static str,
    refused: &'static str,
    repaired: &'static str,
    flags: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        file: "sep=;\ndatasource_name;reason\nacme;left\n",
        refused: "line 1: a line for Excel that names the separator; delete it, and pass --delimiter ';'",
        repaired: "datasource_name;reason\nacme;left\n",
        flags: &["--delimiter", ";"],
    },
    Case {
        file: "\u{feff}sep=,\ndatasource_name,reason\nacme,left\n",
        refused: "line 1: a line for Excel that names the separator; delete it",
        repaired: "datasource_name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "#TYPE Selected.System.Object\r\n\"name\"\r\n\"acme\"\r\n",
        refused: "line 1: a line that PowerShell's Export-Csv writes; delete it, or export with -NoTypeInformation",
        repaired: "\"name\"\r\n\"acme\"\r\n",
        flags: &[],
    },
    Case {
        file: "Customers to delete,\n,\nname,reason\nacme,left\n",
        refused: "line 3 looks like the header, so delete the lines above it",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\nacme,left\nname,reason\n",
        refused: "line 3: the header again, left from joining two files; delete the line (if a datasource is named like this, rename the column)",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\n[text],[text]\nacme,left\n",
        refused: "line 2: \"[text]\" looks like a second header, of units or types; delete the line, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\nacme,left,\n",
        refused: "line 2: the row has 3 columns, the header has 2; delete the comma at its end, or add one to the header if all rows end with one",
        repaired: "name,reason,\nacme,left,\n",
        flags: &[],
    },
    Case {
        file: "name,reason\n----,------\nacme,left\n",
        refused: "line 2: a line drawn by a database client; delete it, or let the client write CSV, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\nacme,left\n\n(1 rows affected)\n",
        refused: "line 4: \"(1 rows affected)\" is the row count of a database client; delete the line, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\n#REF!,left\n",
        refused: "line 2, column 1 (\"name\"): \"#REF!\" is an error of the spreadsheet; correct the cell and export again, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\n<<<<<<< HEAD\nacme,left\n=======\n>>>>>>> other\n",
        refused: "line 2: a line that Git leaves where it could not merge two versions of the file; resolve the conflict",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\nacme,left\n1 Row(s) produced. Time Elapsed: 0.1s,\n",
        refused: "line 3: \"1 Row(s) produced. Time Elapsed: 0.1s\" is the row count of a database client; delete the line, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name,reason\n=A1,left\n",
        refused: "line 2, column 1 (\"name\"): \"=A1\" is a reference to a cell; export values instead of formulas, or put it in quotes if it is a name",
        repaired: "name,reason\nacme,left\n",
        flags: &[],
    },
    Case {
        file: "name\n# those who left\nacme\n",
        refused: "line 2: \"# those who left\" looks like a comment, which CSV does not have; delete the line, or put it in quotes if it is a name",
        repaired: "name\nacme\n",
        flags: &[],
    },
];

/// Reported of other tools: PowerShell/PowerShell#7776 and rap2hpoutre/fast-excel#327 (`sep=;`), whitfin/s3-concat#3 and
/// ckan/datapusher#74 (a header repeated by joining files).
#[test]
fn lines_of_tools_are_refused_with_a_remedy_that_works() {
    for case in CASES {
        let estate = Estate::of(&["acme", "other"]);
        let input = estate.sandbox.file("names.csv", case.file);
        let refused = estate.decom(&["run", "names.csv", "--yes"]).run();
        assert_eq!(refused.code, 2, "{:?}: {refused:?}", case.file);
        assert!(refused.message().ends_with(case.refused), "{}", refused.message());
        assert_eq!(estate.emulator.tally().requests, 0, "something was sent");
        assert!(!estate.sandbox.log().exists());

        std::fs::write(input, case.repaired).unwrap();
        let repaired = estate.decom(&["run", "names.csv", "--yes"]).args(case.flags).run();
        assert_eq!(repaired.code, 0, "{:?}: {repaired:?}", case.repaired);
        assert_eq!(estate.deletes(), [("acme".to_owned(), true)]);
    }
}

#[test]
fn a_name_in_quotes_is_taken_as_written() {
    let names = ["#REF!", "=A1", "<<<<<<< HEAD", "# those who left", "(1 row)", "---", "[text]"];
    let estate = Estate::of(&names);
    estate.sandbox.file("names.csv", format!("name\n\"{}\"\n", names.join("\"\n\"")));
    let run = estate.decom(&["run", "names.csv", "--yes", "--max-share", "100"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(estate.deletes().len(), names.len());
}

#[test]
fn rows_of_nothing_but_separators_are_skipped_and_counted() {
    let estate = Estate::of(&["acme", "globex", "other", "more"]);
    estate.sandbox.file("names.csv", "name,reason\nacme,left\n,\nglobex,\n,\n,,\n");
    let run = estate.decom(&["run", "names.csv", "--yes", "--log-format", "text"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("names.csv: skipped 3 rows of nothing but separators"), "{}", run.stderr);
    assert_eq!(estate.deletes().len(), 2);
}
