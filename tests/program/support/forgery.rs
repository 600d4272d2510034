//! Logs as somebody could make them who knows the format: altered, and hashed anew.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// Carries out `change` on a log with its triggers out of the way, and puts them back.
pub fn altered(log: &Path, change: &str) {
    without_triggers(log, |connection| connection.execute_batch(change).unwrap());
}

/// The same, and then gives every record the hash that it should have.
pub fn rewritten(log: &Path, change: &str) {
    without_triggers(log, |connection| {
        connection.execute_batch(change).unwrap();
        rehash(connection);
    });
}

fn without_triggers(log: &Path, change: impl FnOnce(&Connection)) {
    let connection = Connection::open(log).unwrap();
    let read = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let triggers = read("SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid");
    for name in read("SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    change(&connection);
    for trigger in triggers {
        connection.execute_batch(&trigger).unwrap();
    }
}

fn rehash(connection: &Connection) {
    let mut statement = connection.prepare("SELECT * FROM record ORDER BY seq").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut before = vec![0; 32];
    while let Some(row) = rows.next().unwrap() {
        let mut form = before;
        for index in 0..19 {
            match row.get_ref(index).unwrap() {
                ValueRef::Integer(value) => {
                    form.push(1);
                    form.extend(value.to_be_bytes());
                }
                ValueRef::Text(text) => {
                    form.push(2);
                    form.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                    form.extend(text);
                }
                _ => form.push(0),
            }
        }
        before = Sha256::digest(&form).to_vec();
        let seq: i64 = row.get(0).unwrap();
        connection.execute("UPDATE record SET hash = ?1 WHERE seq = ?2", (&before, seq)).unwrap();
    }
}
