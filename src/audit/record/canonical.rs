//! One row of the log, and its canonical form, over which the chain's hash goes.
//!
//! The canonical form of a record is the concatenation of its columns in the table's order, without
//! `hash`. Each column is one tag byte and its content:
//!
//! | value | bytes |
//! |---|---|
//! | NULL | `00` |
//! | integer | `01`, then 8 bytes, big-endian, two's complement |
//! | text | `02`, then its length in bytes as 4 bytes big-endian, then its UTF-8 |
//!
//! `hash` is SHA-256 over the 32 bytes of the previous record's hash (zeros before the first) and
//! this form. Both are decided once: a log outlives the program that wrote it.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement, ToSql};
use sha2::{Digest, Sha256};

use crate::audit::AuditError;

/// A link of the chain.
pub(in crate::audit) type Hash = [u8; 32];

/// The hash "before" the first record.
pub(in crate::audit) const BEFORE_THE_FIRST: Hash = [0; 32];

/// How many columns a record has, its hash included.
pub(in crate::audit) const COLUMNS: usize = 20;

/// Appends one record, with the columns in the table's order. Its place is given explicitly: the log's own triggers
/// refuse any other than the one after the last record.
pub(in crate::audit) const APPEND: &str =
    "INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Kind {
    Log,
    Run,
    Target,
    Refused,
    Send,
    Answer,
    Settle,
    Check,
    Resume,
    End,
    Close,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Run => "run",
            Self::Target => "target",
            Self::Refused => "refused",
            Self::Send => "send",
            Self::Answer => "answer",
            Self::Settle => "settle",
            Self::Check => "check",
            Self::Resume => "resume",
            Self::End => "end",
            Self::Close => "close",
        }
    }
}

/// One row, but for the place, the time and the hash that the writer gives it.
#[derive(Debug, Clone, Copy)]
pub(in crate::audit) struct Record<'a> {
    pub(in crate::audit) kind: Kind,
    pub(in crate::audit) run: Option<i64>,
    pub(in crate::audit) target: Option<i64>,
    pub(in crate::audit) number: Option<i64>,
    pub(in crate::audit) name: Option<&'a str>,
    pub(in crate::audit) verdict: Option<&'a str>,
    pub(in crate::audit) http_status: Option<u16>,
    pub(in crate::audit) error_code: Option<&'a str>,
    pub(in crate::audit) message: Option<&'a str>,
    pub(in crate::audit) latency_us: Option<i64>,
    pub(in crate::audit) waited_us: Option<i64>,
    pub(in crate::audit) datasource_id: Option<&'a str>,
    pub(in crate::audit) outcome: Option<&'a str>,
    pub(in crate::audit) evidence: Option<&'a str>,
    pub(in crate::audit) reason: Option<&'a str>,
    pub(in crate::audit) ticket: Option<&'a str>,
    pub(in crate::audit) detail: Option<&'a str>,
}

impl Record<'_> {
    /// A record of which only the kind is set.
    pub(in crate::audit) const fn of(kind: Kind) -> Self {
        Self {
            kind,
            run: None,
            target: None,
            number: None,
            name: None,
            verdict: None,
            http_status: None,
            error_code: None,
            message: None,
            latency_us: None,
            waited_us: None,
            datasource_id: None,
            outcome: None,
            evidence: None,
            reason: None,
            ticket: None,
            detail: None,
        }
    }

    /// Executes `append`, a prepared [`APPEND`], with this record as the one after `head`, and moves `head` to it. `buffer`
    /// is used for the canonical form.
    pub(in crate::audit) fn append(
        &self,
        append: &mut Statement<'_>,
        head: &mut Head,
        at_us: i64,
        buffer: &mut Vec<u8>,
    ) -> rusqlite::Result<()> {
        let seq = head.seq + 1;
        let columns = self.columns(seq, at_us);
        let hash = chained(&head.hash, &columns, buffer);
        for (index, column) in columns.iter().enumerate() {
            append.raw_bind_parameter(index + 1, column)?;
        }
        append.raw_bind_parameter(COLUMNS, &hash[..])?;
        append.raw_execute()?;
        *head = Head { seq, at_us, hash };
        Ok(())
    }

    fn columns(&self, seq: i64, at_us: i64) -> [Value<'_>; 19] {
        let text = |value: Option<_>| value.map_or(Value::Null, Value::Text);
        let integer = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        [
            Value::Integer(seq),
            Value::Text(self.kind.as_str()),
            Value::Integer(at_us),
            integer(self.run),
            integer(self.target),
            integer(self.number),
            text(self.name),
            text(self.verdict),
            integer(self.http_status.map(i64::from)),
            text(self.error_code),
            text(self.message),
            integer(self.latency_us),
            integer(self.waited_us),
            text(self.datasource_id),
            text(self.outcome),
            text(self.evidence),
            text(self.reason),
            text(self.ticket),
            text(self.detail),
        ]
    }
}

/// The end of the chain: where the next record goes, and what it is chained to.
#[derive(Debug, Clone)]
pub(in crate::audit) struct Head {
    /// The last record's place; 0 before the first.
    pub(in crate::audit) seq: i64,
    /// The last record's time.
    pub(in crate::audit) at_us: i64,
    /// The last record's hash.
    pub(in crate::audit) hash: Hash,
}

impl Head {
    /// Before the first record.
    pub(in crate::audit) const fn empty() -> Self {
        Self { seq: 0, at_us: 0, hash: BEFORE_THE_FIRST }
    }

    /// Finds the end of the chain, and checks that it holds there.
    pub(in crate::audit) fn at_end(connection: &Connection, path: &Path) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Sqlite { path: path.to_owned(), action: "read", source };
        let mut statement =
            connection.prepare("SELECT * FROM record ORDER BY seq DESC LIMIT 1").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let Some(last) = rows.next().map_err(failed)? else { return Ok(Self::empty()) };
        let (seq, at_us): (i64, i64) = (last.get(0).map_err(failed)?, last.get(2).map_err(failed)?);
        let hash: Hash = last.get(19).map_err(failed)?;
        drop(rows);
        let previous = if seq == 1 {
            BEFORE_THE_FIRST
        } else {
            connection
                .query_row("SELECT hash FROM record WHERE seq = ?1", [seq - 1], |row| row.get(0))
                .map_err(failed)?
        };
        let recomputed = connection
            .query_row("SELECT * FROM record WHERE seq = ?1", [seq], |row| rehash(&previous, row))
            .map_err(failed)?;
        if recomputed != hash {
            return Err(AuditError::BrokenChain { path: path.to_owned(), seq });
        }
        Ok(Self { seq, at_us, hash })
    }
}

/// Computes the hash of a stored row again; `row` has the columns in the table's order.
pub(in crate::audit) fn rehash(previous: &Hash, row: &Row<'_>) -> rusqlite::Result<Hash> {
    let mut columns = Vec::with_capacity(19);
    for index in 0..19 {
        columns.push(Value::of(row.get_ref(index)?));
    }
    Ok(chained(previous, &columns, &mut Vec::new()))
}

/// The hash of a record whose columns are `columns`, in the table's order and without `hash`, behind one
/// with the hash `previous`. For those who check a chain by themselves, wherever they have it from.
///
/// ```
/// use decom::audit::chain_hash;
/// use rusqlite::types::ValueRef;
/// use sha2::{Digest, Sha256};
///
/// let columns = [ValueRef::Integer(1), ValueRef::Text(b"log"), ValueRef::Null];
/// let canonical: [&[u8]; 3] = [b"\x01\0\0\0\0\0\0\0\x01", b"\x02\0\0\0\x03log", b"\0"];
/// let hash = Sha256::new().chain_update([0; 32]).chain_update(canonical.concat()).finalize();
/// assert_eq!(chain_hash(&[0; 32], &columns)[..], hash[..]);
/// ```
#[must_use]
pub fn chain_hash(previous: &[u8; 32], columns: &[ValueRef<'_>]) -> [u8; 32] {
    let columns: Vec<_> = columns.iter().copied().map(Value::of).collect();
    chained(previous, &columns, &mut Vec::new())
}

fn chained(previous: &Hash, columns: &[Value<'_>], buffer: &mut Vec<u8>) -> Hash {
    buffer.clear();
    buffer.extend_from_slice(previous);
    for column in columns {
        column.encode(buffer);
    }
    Sha256::digest(&buffer).into()
}

/// A column's content.
enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    /// Text as stored, which may have been tampered with.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// As SQLite hands it over.
    fn of(stored: ValueRef<'a>) -> Self {
        match stored {
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Text(bytes) => Self::Bytes(bytes),
            _ => Self::Null,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Integer(value) => {
                out.push(1);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => encode_text(text.as_bytes(), out),
            Self::Bytes(bytes) => encode_text(bytes, out),
        }
    }
}

fn encode_text(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(2);
    // Every text is bounded far below 4 GiB before it becomes a record.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Text(bytes),
        }))
    }
}
