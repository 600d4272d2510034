//! Every column of every record in turn: whatever is written into it is found in that record.

use decom::audit::verify::{AnchorCheck, Finding, Weight, verify, verify_in_pieces};

use super::{Case, tamper};

#[test]
fn every_column_of_every_record_is_covered() {
    let case = Case::new();
    let all = super::records(&rusqlite::Connection::open(case.log()).unwrap());
    let copy = case.copy();
    let names = crate::support::column(&copy, "SELECT name FROM pragma_table_info('record')");
    let mut looked_at = 0;
    for (seq, row) in &all {
        for (name, value) in names.iter().zip(row).skip(1) {
            let other = match value {
                rusqlite::types::Value::Null if is_integer(name) => "7",
                rusqlite::types::Value::Null => "'x'",
                rusqlite::types::Value::Integer(_) => "~{}",
                rusqlite::types::Value::Blob(_) => "substr({}, 2) || x'00'",
                _ => "{} || ' '",
            };
            let other = other.replace("{}", name);
            let other = if name == "hash" { format!("CAST({other} AS BLOB)") } else { other };
            tamper(&copy, |connection| {
                let update = format!("UPDATE record SET {name} = {other} WHERE seq = {seq}");
                assert_eq!(connection.execute(&update, []).unwrap(), 1);
            });
            let found = verify(&copy, &AnchorCheck::default()).unwrap();
            assert_eq!(found.findings.weight(), Weight::Unsound, "{name} of {seq}");
            assert!(
                found.findings.list().contains(&Finding::Hash { seq: *seq }),
                "{name} of {seq}: {found:#?}"
            );
            assert_eq!(found.findings.first_bad_record(), Some(*seq), "{name} of {seq}: {found:#?}");
            looked_at += 1;
            if looked_at % 3 == 0 {
                // The same by several threads, whatever lies at the seams.
                let piece = 1 + looked_at % 7;
                let in_pieces = verify_in_pieces(&copy, &AnchorCheck::default(), piece).unwrap();
                let mut lists = [in_pieces, found].map(|it| it.findings.list().to_vec());
                for list in &mut lists {
                    list.sort_by_key(|it| format!("{it:?}"));
                }
                assert_eq!(lists[0], lists[1], "{name} of {seq}, in pieces of {piece}");
            }
            case.copy();
        }
    }
    assert_eq!(looked_at, i64::try_from(all.len()).unwrap() * 19, "all but `seq`");
    assert!(all.len() > 20, "{}", all.len());
}

fn is_integer(name: &str) -> bool {
    ["at_us", "run", "target", "number", "http_status", "latency_us", "waited_us"].contains(&name)
}
