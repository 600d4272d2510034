//! Every column of every record in turn: whatever is written into it is found in that record.

use decom::audit::verify::{AnchorCheck, Finding, Weight, verify};

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
            case.copy();
        }
    }
    assert_eq!(looked_at, i64::try_from(all.len()).unwrap() * 19, "all but `seq`");
    assert!(all.len() > 20, "{}", all.len());
}

fn is_integer(name: &str) -> bool {
    ["at_us", "run", "target", "number", "http_status", "latency_us", "waited_us"].contains(&name)
}
