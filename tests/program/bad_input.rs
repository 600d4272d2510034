//! Bad input: exit code 2, one message that says what is wrong and where, nothing sent and no run
//! begun.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::support::{Decom, Estate, TOKEN, column, files_in};

/// What `decom run INPUT` says of this input, which must be refused before anything happens.
fn refused_bytes(content: impl AsRef<[u8]>, flags: &[&str]) -> String {
    let estate = Estate::of(&["acme"]);
    estate.sandbox.file("names.csv", content);
    refused(&estate, &[&["run", "names.csv"], flags].concat(), |command| command)
}

/// What `decom` says of these flags beside an input that is right.
fn refused_flags(flags: &[&str]) -> String {
    refused_bytes("name\nacme\n", flags)
}

/// Runs `decom` with `arguments` after `prepare`, and holds it to all that bad input must not do.
fn refused(estate: &Estate, arguments: &[&str], prepare: impl FnOnce(&mut Decom) -> &mut Decom) -> String {
    let before = files_in(&estate.sandbox.path(""));
    let mut command = estate.sandbox.decom(arguments);
    if !arguments.contains(&"--base-url") {
        command.args(["--base-url", estate.emulator.base_url()]);
    }
    let said = prepare(command.arg("--yes")).run();
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(said.stdout, "", "nothing was done that has a result");
    assert_eq!(estate.emulator.tally().requests, 0, "something was sent");
    assert_eq!(files_in(&estate.sandbox.path("")), before, "a run was begun");
    // What is wrong with a flag's value, the parser of the command line says in its own form.
    let message = said.stderr.trim_end().trim_end_matches("\n\nFor more information, try '--help'.");
    let message = message.replace("\n  [possible values", " [possible values");
    assert_eq!(message.lines().count(), 1, "one message on one line: {}", said.stderr);
    message.trim_start_matches("decom: ").to_owned()
}

#[test]
fn an_input_that_is_not_there() {
    let estate = Estate::of(&[]);
    let refused = |input| refused(&estate, &["run", input], |command| command);
    assert_snapshot!(refused("no/names.csv"), @"no/names.csv: no such file; check the path, or pass - to read standard input");
    std::fs::create_dir(estate.sandbox.path("exports")).unwrap();
    assert_snapshot!(refused("exports"), @"exports: this is a directory; name the CSV file in it");
}

#[test]
fn an_input_that_nobody_may_read() {
    let estate = Estate::of(&[]);
    // Opening a folder's child through a file fails for everybody, also for root.
    estate.sandbox.file("file", "name\n");
    assert_snapshot!(refused(&estate, &["run", "file/names.csv"], |command| command), @"file/names.csv: the file cannot be opened: Not a directory (os error 20); check who may read it");
}

#[test]
fn an_input_without_rows() {
    assert_snapshot!(refused_bytes("", &[]), @"names.csv: the input is empty; check that whatever wrote it succeeded");
    assert_snapshot!(refused_bytes("\n\n", &[]), @"names.csv: the input holds nothing but a byte-order mark or blank lines (2 bytes); check that whatever wrote it succeeded");
    assert_snapshot!(refused_bytes("datasource_name,reason\n", &[]), @"names.csv: there are no rows below the header; add the names, or check that the export succeeded");
}

#[test]
fn a_header_that_names_no_column_of_names() {
    assert_snapshot!(refused_bytes("id,owner\n1,ann\n", &[]), @r#"names.csv, line 1: none of the columns "id", "owner" is named datasource_name, datasourceName, datasource or name; say which column holds the names with --column NAME"#);
    assert_snapshot!(refused_bytes("acme\nglobex\n", &[]), @r#"names.csv, line 1: the only column, "acme", is not named datasource_name, datasourceName, datasource or name; pass --no-header if this is a bare list of names, or say which column holds the names with --column NAME"#);
    assert_snapshot!(refused_bytes("Datasource Name,reason\nacme,x\n", &[]), @r#"names.csv, line 1: none of the columns "Datasource Name", "reason" is named datasource_name, datasourceName, datasource or name; rename "Datasource Name" to datasource_name, or pass --column 'Datasource Name'"#);
    assert_snapshot!(refused_bytes("name,reason\nacme,x\n", &["--column", "nmae"]), @r#"names.csv, line 1: there is no column "nmae" among "name", "reason"; did you mean --column name?"#);
    assert_snapshot!(refused_bytes("name,reason\nacme,x\n", &["--column", "customer"]), @r#"names.csv, line 1: there is no column "customer" among "name", "reason"; pass one of these as --column"#);
}

#[test]
fn a_header_that_names_more_than_one() {
    assert_snapshot!(refused_bytes("name,reason,name\nacme,x,globex\n", &[]), @r#"names.csv, line 1: the column "name" is there twice (columns 1 and 3); rename or remove one of them"#);
    assert_snapshot!(refused_bytes("name,datasource\nacme,globex\n", &[]), @r#"names.csv, line 1: more than one column may hold the datasource names ("name", "datasource"); say which of them with --column"#);
    assert_snapshot!(refused_bytes("name,reason,reason\nacme,x,y\n", &[]), @r#"names.csv, line 1: the column "reason" is there twice (columns 2 and 3); rename or remove one of them"#);
}

#[test]
fn a_header_where_there_is_said_to_be_none() {
    assert_snapshot!(refused_bytes("acme;old\nglobex;new\n", &["--no-header"]), @r#"names.csv, line 1: "acme;old" holds a semicolon, which may separate columns; if it does, give the file a header, leave out --no-header and pass --delimiter ';'; if it is a part of the name, pass --delimiter ','"#);
    assert_snapshot!(refused_bytes("name\nacme\n", &["--no-header"]), @r#"names.csv, line 1: "name" looks like a header, and --no-header says that there is none; leave out --no-header (and if it is a datasource, put a header above it)"#);
    assert_snapshot!(refused_bytes("acme\n", &["--no-header", "--column", "name"]), @"--column name needs a header, and --no-header says that there is none; leave out one of the two");
}

#[test]
fn a_ragged_row() {
    assert_snapshot!(refused_bytes("name,reason\nacme,x\nglobex\n", &[]), @"names.csv, line 3: the row has 1 column, the header has 2; add the missing ones, which may be empty");
    assert_snapshot!(refused_bytes("name,reason\nacme,moved, then closed\n", &[]), @"names.csv, line 2: the row has 3 columns, the header has 2; put a value that holds a comma in quotes");
    assert_snapshot!(refused_bytes("acme\nglobex, inc\n", &["--no-header"]), @"names.csv, line 2: 2 columns, and a bare list (--no-header) has one name a line; put a name that holds a comma in quotes, or give the file a header and leave out --no-header");
}

#[test]
fn quotes_that_do_not_match() {
    assert_snapshot!(refused_bytes("name\nacme\n\"globex\nhooli\n", &[]), @r#"names.csv, line 3, column 1 ("name"): the quote opened here is never closed; close it, and check that the file is whole"#);
    assert_snapshot!(refused_bytes("name\nacme \"old\"\n", &[]), @r#"names.csv, line 2, column 1 ("name"): a quote within an unquoted value; double it and put the whole value in quotes (5" disk becomes "5"" disk"), or delete the space before an opening quote"#);
    assert_snapshot!(refused_bytes("name\n\"acme\" old\n", &[]), @r#"names.csv, line 2, column 1 ("name"): text after a closing quote; double the quotes that belong to the value, or delete what follows the closing one"#);
}

#[test]
fn another_encoding() {
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| "\u{feff}name\nacme\n".encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    assert_snapshot!(refused_bytes(utf16(u16::to_le_bytes), &[]), @"names.csv: this is UTF-16 (little-endian), not UTF-8 text; convert it with `iconv -f UTF-16LE -t UTF-8 FILE > utf8.csv`");
    assert_snapshot!(refused_bytes(utf16(u16::to_be_bytes), &[]), @"names.csv: this is UTF-16 (big-endian), not UTF-8 text; convert it with `iconv -f UTF-16BE -t UTF-8 FILE > utf8.csv`");
    assert_snapshot!(refused_bytes(b"name,reason\nacme,x\ncaf\xe9,y\n", &[]), @r#"names.csv, line 3, column 1 ("name"): byte 4 of the value (0xE9) is not UTF-8; if the file is in Windows-1252 or Latin-1, convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8.csv`"#);
    assert_snapshot!(refused_bytes(b"PK\x03\x04rest of a workbook", &[]), @r#"names.csv: this is a zip archive or an Excel workbook, not UTF-8 text; if it is a workbook, save it as "CSV UTF-8""#);
    assert_snapshot!(refused_bytes(b"\x1f\x8brest of an archive", &[]), @"names.csv: this is a gzip archive, not UTF-8 text; unpack it first: `gunzip -c FILE | decom … -`");
    assert_snapshot!(refused_bytes("name\racme\rglobex\r", &[]), @r#"names.csv, line 1: a carriage return without a line feed; if all lines end like this, convert the file with `tr '\r' '\n' < FILE > unix.csv`, otherwise delete it"#);
}

#[test]
fn characters_that_no_name_has() {
    assert_snapshot!(refused_bytes("name,reason\nacme,x\nglo\0bex,y\n", &[]), @r#"names.csv, line 3, column 1 ("name"): the name holds the control character U+0000 at character 4; delete it, no datasource can be named like this"#);
    assert_snapshot!(refused_bytes("name\nacme\ttab\n", &[]), @r#"names.csv, line 2, column 1 ("name"): the name holds the control character U+0009 at character 5; delete it, no datasource can be named like this"#);
    assert_snapshot!(refused_bytes("name\n\"acme\nnext line\"\n", &[]), @r#"names.csv, line 2, column 1 ("name"): the name holds the control character U+000A at character 5; delete it, no datasource can be named like this"#);
    assert_snapshot!(refused_bytes("name\nred\u{1b}[31m\n", &[]), @r#"names.csv, line 2, column 1 ("name"): the name holds the control character U+001B at character 4; delete it, no datasource can be named like this"#);
    assert_snapshot!(refused_bytes("name\nacme\n\u{feff}globex\n", &[]), @r#"names.csv, line 3, column 1 ("name"): the value begins with a byte-order mark (U+FEFF), left from joining two files; delete it"#);
    assert_snapshot!(refused_bytes("name,ticket\nacme,OFF\u{7}1\n", &[]), @r#"names.csv, line 2, column 2 ("ticket"): the value holds the control character U+0007 at character 4; delete it, only tabs are accepted here"#);
}

#[test]
fn names_that_are_empty_or_endless() {
    assert_snapshot!(refused_bytes("name,reason\nacme,x\n,y\n", &[]), @r#"names.csv, line 3, column 1 ("name"): the name is empty; give it a name or delete the line"#);
    assert_snapshot!(refused_bytes("name,reason\nacme,x\n  ,y\n", &[]), @r#"names.csv, line 3, column 1 ("name"): the name is blank, nothing but white space; give it a name or delete the line"#);
    assert_snapshot!(refused_bytes(format!("name\nacme\n{}\n", "x".repeat(1025)), &[]), @r#"names.csv, line 3, column 1 ("name"): the name is 1025 bytes long; the longest accepted is 1024; check whether a line break or a separator is missing"#);
    // Bytes count, not characters.
    assert_snapshot!(refused_bytes(format!("name\n{}\n", "é".repeat(513)), &[]), @r#"names.csv, line 2, column 1 ("name"): the name is 1026 bytes long; the longest accepted is 1024; check whether a line break or a separator is missing"#);
    assert_snapshot!(refused_bytes(format!("name,reason\nacme,{}\n", "x".repeat(1001)), &[]), @r#"names.csv, line 2, column 2 ("reason"): the value is 1001 characters long, the longest accepted is 1000; shorten it"#);
}

#[test]
fn a_name_of_the_greatest_length_is_accepted() {
    let longest = "x".repeat(1024);
    let estate = Estate::of(&[&longest, "other"]);
    estate.sandbox.file("names.csv", format!("name\n{longest}\n"));
    let said = estate.decom(&["run", "names.csv", "--yes"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(estate.deletes(), [(longest, true)]);
}

#[test]
fn another_separator_is_named_and_can_be_accepted() {
    assert_snapshot!(refused_bytes("name;reason\nacme;x\n", &[]), @"names.csv, line 1: the columns are separated by semicolons, not by commas; pass --delimiter ';'");
    assert_snapshot!(refused_bytes("name\treason\nacme\tx\n", &[]), @"names.csv, line 1: the columns are separated by tabs, not by commas; pass --delimiter tab");
    assert_snapshot!(refused_bytes("\"name\"|\"reason\"\n\"acme\"|\"x\"\n", &[]), @"names.csv, line 1: the columns are separated by vertical bars, not by commas; pass --delimiter '|'");
    assert_snapshot!(refused_flags(&["--delimiter", "and"]), @r#""and" cannot separate columns; pass one punctuation character such as ';' as --delimiter, or the word tab"#);
    assert_snapshot!(refused_flags(&["--delimiter", "\""]), @r#""\"" cannot separate columns; pass one punctuation character such as ';' as --delimiter, or the word tab"#);

    for (content, delimiter) in [("name;reason\nacme;x,y\n", ";"), ("name\treason\nacme\tx,y\n", "tab")] {
        let estate = Estate::of(&["acme", "other"]);
        estate.sandbox.file("names.csv", content);
        let said = estate.decom(&["run", "names.csv", "--yes", "--delimiter", delimiter]).run();
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(estate.deletes(), [("acme".to_owned(), true)]);
        assert_eq!(column(&estate.sandbox.log(), "SELECT reason FROM record WHERE kind = 'target'"), ["x,y"]);
    }
}

#[test]
fn a_pace_that_is_none() {
    assert_snapshot!(refused_flags(&["--rate", "480"]), @r#"error: invalid value '480' for '--rate <RATE>': "480" is not a rate; write requests per window, such as 480/2m, or auto, or unlimited"#);
    assert_snapshot!(refused_flags(&["--rate", "0/2m"]), @r#"error: invalid value '0/2m' for '--rate <RATE>': in the rate "0/2m", "0" is not a number of requests from 1 to 4294967295; an example is 480/2m"#);
    assert_snapshot!(refused_flags(&["--rate", "480/2"]), @r#"error: invalid value '480/2' for '--rate <RATE>': in the rate "480/2", "2" is not a window with a unit (ms, s, m, h); an example is 480/2m"#);
    assert_snapshot!(refused_flags(&["--rate", "480 / 2m"]), @r#"error: invalid value '480 / 2m' for '--rate <RATE>': the rate "480 / 2m" holds white space; write it as one word, such as 480/2m"#);
    assert_snapshot!(refused_flags(&["--rate", "480/2y"]), @r#"error: invalid value '480/2y' for '--rate <RATE>': the window of the rate "480/2y" is not between 1ms and 24h; an example is 480/2m"#);
    assert_snapshot!(refused_flags(&["--rate", "fast"]), @r#"error: invalid value 'fast' for '--rate <RATE>': "fast" is not a rate; write requests per window, such as 480/2m, or auto, or unlimited"#);
    assert_snapshot!(refused_flags(&["--concurrency", "0"]), @"--concurrency: pace.concurrency must be a whole number from 1 to 1024, not 0");
    assert_snapshot!(refused_flags(&["--concurrency", "1025"]), @"--concurrency: pace.concurrency must be a whole number from 1 to 1024, not 1025");
    assert_snapshot!(refused_flags(&["--concurrency", "many"]), @"error: invalid value 'many' for '--concurrency <N>': invalid digit found in string");
    assert_snapshot!(refused_flags(&["--max-attempts", "0"]), @"--max-attempts: retry.max_attempts must be a whole number from 1 to 20, not 0");
    assert_snapshot!(refused_flags(&["--grace", "soon"]), @"error: invalid value 'soon' for '--grace <TIME>': expected number at 0");
    assert_snapshot!(refused_flags(&["--grace", "10"]), @"error: invalid value '10' for '--grace <TIME>': time unit needed, for example 10sec or 10ms");
}

#[test]
fn limits_that_are_none() {
    assert_snapshot!(refused_flags(&["--max-deletes", "-1"]), @"--max-deletes: safety.max_deletes must be a whole number, 0 or more, not -1");
    assert_snapshot!(refused_flags(&["--max-share", "0"]), @"error: invalid value '0' for '--max-share <PERCENT>': it must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits)");
    assert_snapshot!(refused_flags(&["--max-share", "101"]), @"error: invalid value '101' for '--max-share <PERCENT>': it must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits)");
    assert_snapshot!(refused_flags(&["--max-share", "NaN"]), @"error: invalid value 'NaN' for '--max-share <PERCENT>': it must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits)");
    // What is rounded to 100 would switch the guard off.
    for share in ["99.9999999999999999", "100.00000000000000001", "1e2.", "0.1e3x"] {
        let refused = refused_flags(&["--max-share", share]);
        assert!(refused.contains("at most 15 digits"), "{share}: {refused}");
    }
    assert_snapshot!(refused_flags(&["--max-share", "99.9999999999999999"]), @"error: invalid value '99.9999999999999999' for '--max-share <PERCENT>': it must be a percentage such as 50 or 50% (above 0, up to 100, at most 15 digits)");
    assert_snapshot!(refused_flags(&["--protect", "prod-["]), @"protection pattern `prod-[`: a `[` without its `]`; `[[]` is the bracket itself; write a glob such as `prod-*`, and `[*]` for a star itself");
    assert_snapshot!(refused_flags(&["--protect", ""]), @"protection pattern ``: it is empty and would protect nothing; write a glob such as `prod-*`, and `[*]` for a star itself");
    assert_snapshot!(refused_flags(&["--protect", "{}"]), @"protection pattern `{}`: it is empty and would protect nothing; write a glob such as `prod-*`, and `[*]` for a star itself");
    assert_snapshot!(refused_flags(&["--log-format", "xml"]), @"error: invalid value 'xml' for '--log-format <FORMAT>' [possible values: auto, text, json]");
    assert_snapshot!(refused_flags(&["--reason", "two\nlines"]), @r#"--reason: run.reason must be a text of one line (at most 1000 characters, no control characters), not "two\nlines""#);
}

#[test]
fn an_address_that_is_none() {
    let refused = |url| refused_flags(&["--base-url", url]);
    assert_snapshot!(refused("api.usedatabrain.com"), @"base URL `api.usedatabrain.com`: this is not a URL; write it like https://api.usedatabrain.com");
    assert_snapshot!(refused("ftp://api.usedatabrain.com"), @"base URL `ftp://api.usedatabrain.com`: only https (and http) can be used");
    assert_snapshot!(refused("http://api.usedatabrain.com"), @"base URL `http://api.usedatabrain.com`: plain HTTP would show the token to the network; use https, or --allow-http inside a trusted network");
    assert_snapshot!(refused("http://127.0.0.1.example.com"), @"base URL `http://127.0.0.1.example.com`: plain HTTP would show the token to the network; use https, or --allow-http inside a trusted network");
    assert_snapshot!(refused("https://api.usedatabrain.com/?a=b"), @"base URL `https://api.usedatabrain.com/?a=b`: it must end with the path, without `?` or `#`");
    assert_snapshot!(refused("https://ann:s3cret@api.usedatabrain.com"), @"base URL `https://…@api.usedatabrain.com`: it must not hold a user or password; the token goes into DATABRAIN_TOKEN");
}

#[test]
fn certificates_that_are_none() {
    let estate = Estate::of(&[]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    estate.sandbox.file("empty.pem", "");
    for (file, what) in [("missing.pem", "No such file"), ("empty.pem", "no certificate")] {
        // Without the guard on the share, nothing but the run itself would need the client.
        let flags = ["run", "names.csv", "--ca-file", file, "--base-url", "https://127.0.0.1:9"];
        let flags = [&flags[..], &["--max-share", "100"]].concat();
        let message = refused(&estate, &flags, |command| command);
        assert!(message.starts_with(file) && message.contains(what), "{message}");
    }
}

#[test]
fn no_token() {
    let estate = Estate::of(&[]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let none = refused(&estate, &["run", "names.csv"], |command| command.env_remove("DATABRAIN_TOKEN"));
    assert_snapshot!(none, @"no service token; set DATABRAIN_TOKEN, or name a file that holds it with DATABRAIN_TOKEN_FILE or --token-file");
    let missing = refused(&estate, &["run", "names.csv", "--token-file", "token"], |command| command);
    assert_snapshot!(missing, @"token: cannot read the service token: No such file or directory (os error 2)");
    let folder = refused(&estate, &["run", "names.csv", "--token-file", "."], |command| command);
    assert_snapshot!(folder, @".: cannot read the service token: it is not a regular file");
}

#[test]
fn a_token_that_is_none() {
    let estate = Estate::of(&[]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let with = |token: &str| {
        let message =
            refused(&estate, &["run", "names.csv"], |command| command.env("DATABRAIN_TOKEN", token));
        assert!(!message.contains("c4n4ry"), "the token is shown: {message}");
        message
    };
    assert_snapshot!(with(""), @"no service token; set DATABRAIN_TOKEN, or name a file that holds it with DATABRAIN_TOKEN_FILE or --token-file");
    assert_snapshot!(with(" "), @"DATABRAIN_TOKEN: this is not a service token: character 1 is a space or another character that no token has; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("dbn_live_c4n4ry\nsecond"), @"DATABRAIN_TOKEN: this is not a service token: character 16 is a line break; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("dbn_live_ c4n4ry"), @"DATABRAIN_TOKEN: this is not a service token: character 10 is a space or another character that no token has; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("Bearer dbn_live_c4n4ry"), @"DATABRAIN_TOKEN: this is not a service token: character 7 is a space or another character that no token has; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("dbn_live_c4n4rÿ"), @"DATABRAIN_TOKEN: this is not a service token: character 15 is a space or another character that no token has; give the token alone, such as dbn_live_…");
}

#[test]
fn a_token_file_that_holds_none() {
    let estate = Estate::of(&[]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let with = |content: &str| {
        let path = estate.sandbox.file("token", content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        refused(&estate, &["run", "names.csv", "--token-file", "token"], |command| {
            command.env_remove("DATABRAIN_TOKEN")
        })
    };
    assert_snapshot!(with(""), @"token: this is not a service token: it is empty; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("\n"), @"token: this is not a service token: it is empty; give the token alone, such as dbn_live_…");
    assert_snapshot!(with("dbn_live_one\ndbn_live_two\n"), @"token: this is not a service token: character 13 is a line break; give the token alone, such as dbn_live_…");
    assert_snapshot!(with(&"x".repeat(70_000)), @"token: cannot read the service token: it is longer than 65536 bytes");
}

#[test]
fn a_command_line_that_is_none() {
    for arguments in [&["run"][..], &["run", "a.csv", "--token", TOKEN], &["delete", "a.csv"], &[]] {
        let said = Estate::of(&[]).sandbox.decom(arguments).run();
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
        assert!(said.stderr.contains("Usage:"), "{said:?}");
    }
}

/// Memory is bounded: with 64 MiB to map beyond what the program maps anyway, a line of 200 MB gets
/// the same message as in a small file, and no more than its beginning is read.
#[test]
fn a_line_of_200_megabytes() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let estate = Estate::of(&[]);
    let decom = env!("CARGO_BIN_EXE_decom");
    let limited = format!("ulimit -v {}; exec \"$0\" \"$@\"", 128 * 1024);
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .arg(decom)
        .args(["run", "-", "--yes", "--base-url", estate.emulator.base_url()])
        .current_dir(estate.sandbox.path(""))
        .env_clear()
        .env("DATABRAIN_TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"name,reason\nacme,x\n\"").unwrap();
    let megabyte = vec![b'x'; 1_000_000];
    let taken = (0..200).take_while(|_| stdin.write_all(&megabyte).is_ok()).count();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(taken <= 3, "{taken} MB were read");
    assert_snapshot!(stderr.trim_end(), @"decom: standard input, line 3: the row is longer than 1 MiB (1048576 bytes); close the quote opened on line 3");
    assert_eq!(estate.emulator.tally().requests, 0);
    assert!(!estate.sandbox.log().exists());
}

#[test]
fn outer_spaces_are_kept_and_warned_about() {
    let estate = Estate::of(&[" acme", "acme", "globex ", "globex", "hooli"]);
    estate.sandbox.file("names.csv", "name\n acme\n\"globex \"\n");
    let said = estate.decom(&["run", "names.csv", "--yes", "--log-format", "text"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    let warning = said.stderr.lines().find(|line| line.contains("WARN")).expect("a warning");
    assert!(
        warning.ends_with("2 names begin or end with a space; kept as written, the first is \" acme\""),
        "{warning}"
    );
    let mut deleted = estate.deletes();
    deleted.sort();
    assert_eq!(deleted, [(" acme".to_owned(), true), ("globex ".to_owned(), true)]);
    let recorded = column(&estate.sandbox.log(), "SELECT datasource FROM results ORDER BY target");
    assert_eq!(recorded, [" acme", "globex "]);
}

#[test]
fn a_byte_order_mark_is_accepted() {
    let estate = Estate::of(&["acme", "other"]);
    estate.sandbox.file("names.csv", "\u{feff}name\r\nacme\r\n");
    let said = estate.decom(&["run", "names.csv", "--yes"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(estate.deletes(), [("acme".to_owned(), true)]);
}

#[test]
fn standard_input_is_an_input() {
    let estate = Estate::of(&["acme", "globex", "other", "more"]);
    let mut command = estate.decom(&["run", "-", "--yes", "--no-header"]);
    let said = command.stdin("acme\nglobex\nacme\n").run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(estate.deletes().len(), 2, "equal names are one target");
    let inputs = column(&estate.sandbox.log(), "SELECT input || ' ' || planned FROM runs");
    assert_eq!(inputs, ["standard input 2"]);

    let mut command = estate.decom(&["run", "-", "--yes"]);
    let said = command.stdin("name\nacme\n\nglobex,x\n").run();
    assert_eq!(
        (said.code, said.message()),
        (
            2,
            "standard input, line 4: the row has 2 columns, the header has 1; put a value that holds a comma in quotes"
        )
    );
}

#[test]
fn a_log_that_is_not_a_file() {
    for name in [":memory:", "file:log.db", "file::memory:?cache=shared"] {
        let said = refused_flags(&["--audit-db", name]);
        assert!(said.contains("must be a path of a file") && said.contains(name), "{said}");
    }
}

#[test]
fn a_piped_list_that_may_have_been_cut_off_names_its_last_row() {
    let estate = Estate::of(&["acme", "acme-2"]);
    let warned = |list: &str| {
        let mut command = estate.sandbox.decom(&["run", "-", "--base-url", estate.emulator.base_url()]);
        command.args(["--max-share", "100", "--dry-run"]).stdin(list).run().expect(0).stderr
    };
    let said = warned("name\nacme\nacme-2");
    assert!(said.contains("the last name, `acme-2`, was not cut off"), "{said}");
    assert!(!warned("name\nacme\nacme-2\n").contains("cut off"));
}
