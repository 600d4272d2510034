//! Alters audit logs as someone could who knows the format.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use sha2::{Digest, Sha256};

/// How many columns a record's hash covers: all but the hash itself.
const HASHED: usize = 19;

/// Alters a log without its triggers, and puts them back exactly as they were.
pub fn tamper(log: &Path, alter: impl FnOnce(&Connection)) {
    let connection = Connection::open(log).unwrap();
    // Many tests do this very often, and none needs it to survive a power cut.
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let read = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let triggers = read("SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid");
    for name in read("SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    alter(&connection);
    connection.execute_batch(&format!("{}; COMMIT", triggers.join(";\n"))).unwrap();
    connection.close().unwrap();
}

/// What [`tamper`] is given to carry out these statements.
pub fn sql(statements: &str) -> impl FnOnce(&Connection) {
    move |connection| connection.execute_batch(statements).unwrap()
}

/// Alters a log, and then gives every record the hash that it should have.
pub fn rewrite(log: &Path, statements: &str) {
    tamper(log, |connection| {
        connection.execute_batch(statements).unwrap();
        rechain(connection, 0);
    });
}

/// Gives every record from `first` on the hash that it should have.
pub fn rechain(connection: &Connection, first: i64) {
    let query = "SELECT hash FROM record WHERE seq < ?1 ORDER BY seq DESC LIMIT 1";
    let mut hash: [u8; 32] = connection.query_row(query, [first], |row| row.get(0)).unwrap_or([0; 32]);
    for (seq, row) in records(connection).into_iter().filter(|(seq, _)| *seq >= first) {
        let mut form = hash.to_vec();
        for value in &row[..HASHED] {
            match value {
                Value::Integer(value) => {
                    form.push(1);
                    form.extend_from_slice(&value.to_be_bytes());
                }
                Value::Text(text) => {
                    form.push(2);
                    form.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
                    form.extend_from_slice(text.as_bytes());
                }
                _ => form.push(0),
            }
        }
        hash = Sha256::digest(&form).into();
        connection.execute("UPDATE record SET hash = ?2 WHERE seq = ?1", (seq, hash)).unwrap();
    }
}

/// Every record, as it is stored.
pub fn records(connection: &Connection) -> Vec<(i64, Vec<Value>)> {
    let mut statement = connection.prepare("SELECT * FROM record ORDER BY seq").unwrap();
    let value = |value: ValueRef<'_>| match value {
        // Text that is not UTF-8 must not be repaired in passing.
        ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err() => Value::Blob(bytes.to_vec()),
        other => other.try_into().unwrap(),
    };
    let rows = statement
        .query_map([], |row| {
            let values: Vec<_> = (0..=HASHED).map(|index| value(row.get_ref(index).unwrap())).collect();
            Ok((row.get(0)?, values))
        })
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
