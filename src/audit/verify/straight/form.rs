//! How SQLite stores a row (<https://sqlite.org/fileformat2.html#record_format>), read as strictly as it is
//! written: what another program could store in some other way is left to SQLite.

use rusqlite::types::ValueRef;

use super::{Doubt, Sure};

/// Takes a stored row apart, which has just as many values as there is room for.
pub(super) fn take_apart<'a>(row: &'a [u8], values: &mut [ValueRef<'a>]) -> Sure<()> {
    let (length, own) = varint(row)?;
    let length = usize::try_from(length).map_err(|_| Doubt)?;
    let (header, mut body) = row.split_at_checked(length).ok_or(Doubt)?;
    let mut header = header.get(own..).ok_or(Doubt)?;
    for value in values {
        let (kind, taken) = varint(header)?;
        header = &header[taken..];
        let width = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 => 8,
            // A fraction is nowhere in a log, and nothing is stored as 10 or 11.
            7 | 10 | 11 => return Err(Doubt),
            _ => (kind - 12) / 2,
        };
        let width = usize::try_from(width).map_err(|_| Doubt)?;
        let (content, rest) = body.split_at_checked(width).ok_or(Doubt)?;
        body = rest;
        *value = match kind {
            0 => ValueRef::Null,
            1..=6 => ValueRef::Integer(integer(content)),
            8 => ValueRef::Integer(0),
            9 => ValueRef::Integer(1),
            _ if kind % 2 == 0 => ValueRef::Blob(content),
            _ => ValueRef::Text(content),
        };
    }
    if header.is_empty() && body.is_empty() { Ok(()) } else { Err(Doubt) }
}

/// A number in up to 9 bytes, and how many those are: nearly always one.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Sure<(u64, usize)> {
    match bytes {
        [byte @ 0..0x80, ..] => Ok((u64::from(*byte), 1)),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Sure<(u64, usize)> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(8) {
        number = number << 7 | u64::from(byte & 0x7f);
        if *byte < 0x80 {
            return Ok((number, place + 1));
        }
    }
    // The ninth has no mark, and counts in full.
    bytes.get(8).map(|byte| (number << 8 | u64::from(*byte), 9)).ok_or(Doubt)
}

/// Big-endian, in two's complement.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}
