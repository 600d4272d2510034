//! One bit flipped in every byte of a log's file in turn.
//!
//! Whatever bit it is: either the check fails, or the bit is none of the content, and then every
//! record and the whole schema read as they did.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use decom::audit::verify::{AnchorCheck, Weight, verify};
use rusqlite::{Connection, OpenFlags};

use super::{records, sql, tamper};
use crate::support::{Sandbox, skipped};

/// A small log, a single file, packed so that there is little room in it that is not used.
fn small(sandbox: &Sandbox) -> Vec<u8> {
    sandbox.file("names.csv", "name\na\nb\n");
    let arguments =
        ["rehearse", "names.csv", "--audit-db", "log.db", "--rate", "unlimited", "--fault", "none"];
    let said = sandbox.decom(&[&arguments[..], &["--latency", "0ms"]].concat()).run();
    assert_eq!(said.code, 0, "{said:?}");
    let connection = Connection::open(sandbox.path("log.db")).unwrap();
    connection.execute_batch("PRAGMA secure_delete = ON; PRAGMA page_size = 512; VACUUM").unwrap();
    connection.close().unwrap();
    std::fs::read(sandbox.path("log.db")).unwrap()
}

/// Everything that can be read out of a log.
fn content(log: &Path) -> rusqlite::Result<String> {
    let connection = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    let schema = statement.query_map([], |row| {
        Ok(format!("{:?}", (0..4).map(|i| row.get::<_, Option<String>>(i)).collect::<Vec<_>>()))
    })?;
    let schema: Vec<_> = schema.collect::<Result<_, _>>()?;
    Ok(format!("{schema:?} {:?}", records(&connection)))
}

/// Flips one bit in each byte of `part` in turn, and returns the places of those that were let pass.
fn flipped(log: &Path, original: &[u8], part: std::ops::Range<usize>) -> Vec<usize> {
    std::fs::write(log, original).unwrap();
    let file: File = OpenOptions::new().write(true).open(log).unwrap();
    let whole = content(log).unwrap();
    let mut passed = Vec::new();
    for place in part {
        let other = original[place] ^ (1 << (place % 8));
        file.write_all_at(&[other], place as u64).unwrap();
        let found = verify(log, &AnchorCheck::default());
        let is_sound = found.is_ok_and(|it| it.findings.weight() < Weight::Unsound);
        if is_sound {
            assert_eq!(content(log).unwrap(), whole, "byte {place}: altered, and called sound");
            passed.push(place);
        }
        file.write_all_at(&original[place..=place], place as u64).unwrap();
    }
    passed
}

/// What the script in Python says of every seventh byte, flipped in the same way.
fn by_the_script(sandbox: &Sandbox, original: &[u8]) -> Option<Vec<(usize, bool)>> {
    let log = sandbox.file("scripted.db", original);
    let program = "import contextlib, io, sys, verify_audit_log as v\n\
        path = sys.argv[1]; original = open(path, 'rb').read()\n\
        for place in range(0, len(original), 7):\n\
        \x20   with open(path, 'r+b') as f: f.seek(place); f.write(bytes([original[place] ^ 1 << place % 8]))\n\
        \x20   with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n\
        \x20       sound = v.main(path) == 0\n\
        \x20   print(place, int(sound))\n\
        \x20   with open(path, 'r+b') as f: f.seek(place); f.write(original[place:place + 1])";
    let mut command = Command::new("python3");
    command
        .args(["-B", "-c", program])
        .arg(log)
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/docs"));
    let Ok(output) = command.output() else {
        skipped("flipped bits by the script in Python", "python3 cannot be run");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (place, sound) = line.split_once(' ').unwrap();
        (place.parse().unwrap(), sound == "1")
    };
    Some(said.lines().map(line).collect())
}

#[test]
fn a_flipped_bit_is_found_or_is_none_of_the_content() {
    let sandbox = Sandbox::new();
    let original = small(&sandbox);
    let halves = [0..original.len() / 2, original.len() / 2..original.len()];
    let passed: Vec<usize> = std::thread::scope(|scope| {
        let threads = halves.map(|part| {
            let (log, original) = (sandbox.path(&format!("part-{}.db", part.start)), &original);
            scope.spawn(move || flipped(&log, original, part))
        });
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // Where the bytes of content are, a flip in each is found. A text may lie across two pages.
    let mut looked_at = 0;
    for needle in ["names.csv", "rehears", "CREATE TRIGGER", "append-only", "acknowledged", "strftime"] {
        let places = original.windows(needle.len()).enumerate().filter(|(_, it)| *it == needle.as_bytes());
        for (place, _) in places {
            let hidden = passed.iter().find(|it| (place..place + needle.len()).contains(it));
            assert_eq!(hidden, None, "`{needle}`");
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "{looked_at}");
    let of_script = by_the_script(&sandbox, &original);
    // Of the header's unused and redundant fields each version of SQLite minds others.
    for (place, sound) in of_script.iter().flatten().filter(|(place, _)| *place >= 100) {
        assert_eq!(passed.contains(place), *sound, "byte {place}: the script in Python says otherwise");
    }
    let in_header = passed.iter().filter(|place| **place < 100).count();
    assert!(in_header < 60, "{in_header} of the 100 bytes of the header");
    let (passed, all) = (passed.len(), original.len());
    assert!(passed < all / 2, "{passed} of {all} bytes hold nothing");
}

#[test]
fn what_lies_in_free_space_is_not_vouched_for() {
    // So that nobody takes the test above for more than it says: pages that are not used any more.
    let sandbox = Sandbox::new();
    small(&sandbox);
    let log = sandbox.path("log.db");
    tamper(&log, sql("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(9000)); DROP TABLE t"));
    let found = verify(&log, &AnchorCheck::default()).unwrap();
    assert!(found.findings.weight() < Weight::Unsound, "{found:#?}");
}
