//! The chain of hashes, checked without a line of decom: from its description alone.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// The columns over which a record's hash goes.
const HASHED: usize = 19;

/// Checks that the records are numbered without a gap and that each one's hash follows from the one
/// before. Returns the hashes, in order.
pub fn check(log: &Connection) -> Result<Vec<[u8; 32]>, String> {
    let mut statement = log.prepare("SELECT * FROM record ORDER BY seq").map_err(|e| e.to_string())?;
    let mut rows = statement.query([]).map_err(|e| e.to_string())?;
    let mut hashes: Vec<[u8; 32]> = Vec::new();
    while let Some(row) = rows.next().map_err(|e| e.to_string())? {
        let expected_seq = i64::try_from(hashes.len()).unwrap() + 1;
        let seq: i64 = row.get(0).unwrap();
        if seq != expected_seq {
            return Err(format!("record {seq} stands where {expected_seq} belongs"));
        }
        let mut form = hashes.last().copied().unwrap_or([0; 32]).to_vec();
        for column in 0..HASHED {
            match row.get_ref(column).unwrap() {
                ValueRef::Null => form.push(0),
                ValueRef::Integer(value) => {
                    form.push(1);
                    form.extend_from_slice(&value.to_be_bytes());
                }
                ValueRef::Text(text) => {
                    form.push(2);
                    form.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
                    form.extend_from_slice(text);
                }
                other => return Err(format!("record {seq} holds {other:?}")),
            }
        }
        let hash: [u8; 32] = row.get(HASHED).unwrap();
        if hash != <[u8; 32]>::from(Sha256::digest(&form)) {
            return Err(format!("record {seq} does not match its hash"));
        }
        hashes.push(hash);
    }
    Ok(hashes)
}
