//! Whether a log is what decom wrote: every record, every hash, and what they say of each other.
//!
//! One pass over the records, with memory that does not grow with them. The chain is cut into pieces
//! that several threads check, each from the hash that is stored before it; what the records say is
//! then held against each other in their order. Where all is well, `straight` is all that is needed;
//! otherwise SQLite reads everything.

mod account;
mod anchors;
mod chain;
mod finding;
mod findings;
mod indexes;
mod merged;
mod refusal;
mod schema;
mod shape;
mod source;
mod straight;
mod whole;
mod words;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

pub use account::Totals;
pub use anchors::{AnchorCheck, Anchors};
pub use finding::{Finding, Weight};
pub use findings::Findings;
pub use refusal::refuse_to_certify;
pub(super) use refusal::refuse_unsound;

use crate::audit::AuditError;
use crate::audit::record::{NO_DATABASE, SCHEMA_VERSION};
use account::Account;
use chain::Part;
use indexes::Key;
use schema::Identity;
use source::Source;
use whole::{Look, Seen, Whole};

/// How many records a thread checks at a time.
const PIECE: i64 = 32_768;

/// More threads than this wait for the disk, or for the one that adds up.
const MOST_THREADS: usize = 8;

/// How many parts of what a thread read may wait for the one that adds up.
const WAITING: usize = 32;

/// A record takes at least this many bytes: its hash, and its columns' types.
const SMALLEST_RECORD: i64 = 50;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// The log's id.
    pub log_id: Option<String>,
    /// The last record's hash.
    pub head: Option<[u8; 32]>,
    /// The last record's time, in microseconds since 1970.
    pub at_us: Option<i64>,
    /// What the records amount to.
    pub totals: Totals,
    /// What is wrong, or open.
    pub findings: Findings,
    /// What vouches for it from outside.
    pub anchors: Anchors,
}

/// What was found in a file.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Whether logs were merged into it.
    pub is_merged: bool,
    /// Its logs: one, where it was not merged. What is wrong with the file as a whole is with the first.
    pub logs: Vec<Verification>,
}

/// Verifies the log at `path`, and holds it against the checkpoints of `anchors`. Writes nothing.
///
/// # Errors
/// Where there is nothing that could be verified, or logs were merged into the file.
pub fn verify(path: &Path, anchors: &AnchorCheck<'_>) -> Result<Verification, AuditError> {
    only_one(path, all(path, anchors, None)?)
}

/// As [`verify`], but with all that is read being read by SQLite, in pieces of this many records: however
/// many, the same is found.
///
/// # Errors
/// Where there is nothing that could be verified, or logs were merged into the file.
pub fn verify_in_pieces(
    path: &Path,
    anchors: &AnchorCheck<'_>,
    piece: i64,
) -> Result<Verification, AuditError> {
    only_one(path, all(path, anchors, Some(piece))?)
}

fn only_one(path: &Path, mut verified: Verified) -> Result<Verification, AuditError> {
    match verified.logs.pop() {
        Some(only) if !verified.is_merged => Ok(only),
        _ => Err(AuditError::Merged { path: path.to_owned() }),
    }
}

/// Verifies the log at `path`, or each of those that were merged into it.
///
/// # Errors
/// Where there is nothing that could be verified.
pub fn verify_each(path: &Path, anchors: &AnchorCheck<'_>) -> Result<Verified, AuditError> {
    all(path, anchors, None)
}

fn all(path: &Path, anchors: &AnchorCheck<'_>, piece: Option<i64>) -> Result<Verified, AuditError> {
    let source = Source::find(path)?;
    let mut findings = Findings::default();
    let (is_merged, mut firsts) = look(&source, path, &mut findings)?;
    let is_known = is_known(&findings);
    let mut straight = match &firsts[..] {
        [only] if piece.is_none() && is_known && !is_merged => {
            only.straight(&source, &Look::of(&firsts, is_merged, is_known), &findings)
        }
        _ => None,
    };
    if straight.is_none() && !is_merged {
        firsts = look_again(firsts, path, &mut findings)?;
    }
    let mut whole = Whole::new(&source, Look::of(&firsts, is_merged, is_known), straight.is_some());
    let mut logs = Vec::new();
    for first in firsts {
        let (account, findings) = straight.take().unwrap_or_else(|| {
            first.by_sqlite(&mut whole, piece.unwrap_or(PIECE), std::mem::take(&mut findings))
        });
        logs.push(first.close(account, anchors, findings));
    }
    if let Some(first) = logs.first_mut() {
        whole.close(&mut first.findings);
    }
    // Damaged beyond reading: that is what was found.
    if logs.is_empty() {
        logs.push(Verification { findings, ..Verification::default() });
    }
    if source.lacks_wal {
        logs[0].findings.add(Finding::WalMissing);
    }
    source.check_still(path)?;
    Ok(Verified { is_merged, logs })
}

/// Whether the tables and indexes are those of decom, as far as was found.
fn is_known(findings: &Findings) -> bool {
    ["schema_missing", "schema_altered", "schema_added"].iter().all(|kind| findings.count(kind) == 0)
}

/// A log as it was at the first look: what is written later is not looked at.
struct First {
    connection: Connection,
    /// How far its records were moved, where it was merged.
    shift: i64,
    smallest: i64,
    last: i64,
    head: Option<[u8; 32]>,
    at_us: Option<i64>,
    /// Whether the file as a whole is checked with this one.
    checks_file: bool,
    /// What a merged file says of it: its id, and its last hash.
    said: Option<(String, Vec<u8>)>,
}

/// Whether the file was merged, and what is in it; nothing where it is damaged beyond reading.
fn look(source: &Source, path: &Path, findings: &mut Findings) -> Result<(bool, Vec<First>), AuditError> {
    let looked = source.connect().and_then(|connection| {
        let identity = schema::identity(&connection, findings)?;
        Ok((connection, identity))
    });
    let (connection, identity) = match looked {
        Ok(looked) => looked,
        Err(error) => return damaged(error, path, findings).map(|()| (false, Vec::new())),
    };
    let path = path.to_owned();
    let is_merged = match identity {
        Identity::Ours => false,
        Identity::Merged => true,
        Identity::Nothing => return Err(AuditError::Empty { path }),
        Identity::Foreign { application_id } => {
            let found = format!("it is another program's database, with application id {application_id}");
            return Err(AuditError::Foreign { path, found });
        }
        Identity::Newer { version: found } => {
            return Err(AuditError::Newer { path, found, known: SCHEMA_VERSION });
        }
    };
    let firsts = schema::compare(&connection, is_merged, findings).and_then(|()| {
        if is_merged { merged::blocks(source, &connection, findings) } else { only(connection, ENDS) }
    });
    match firsts {
        Ok(firsts) if firsts.is_empty() => Err(AuditError::NoRecords { path }),
        Ok(firsts) => Ok((is_merged, firsts)),
        Err(error) => damaged(error, &path, findings).map(|()| (is_merged, Vec::new())),
    }
}

/// The one log of a file that was not merged; none where there is no record.
fn only(connection: Connection, ends: &str) -> rusqlite::Result<Vec<First>> {
    let (smallest, last): (Option<i64>, Option<i64>) =
        connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(smallest), Some(last)) = (smallest, last) else { return Ok(Vec::new()) };
    let (head, at_us) = end(&connection, last)?;
    Ok(vec![First { connection, shift: 0, smallest, last, head, at_us, checks_file: true, said: None }])
}

/// The ends of a table, as far as its first page and its last are where they should be.
const ENDS: &str = "SELECT (SELECT min(seq) FROM record), (SELECT max(seq) FROM record)";

/// Asked for both at once, SQLite looks at every record.
const ENDS_OF_ALL: &str = "SELECT min(seq), max(seq) FROM record";

/// The same log once more, where it may be damaged: nothing where SQLite does not get through its records.
fn look_again(firsts: Vec<First>, path: &Path, findings: &mut Findings) -> Result<Vec<First>, AuditError> {
    let connection = firsts.into_iter().next().map(|first| first.connection);
    match connection.map_or(Ok(Vec::new()), |connection| only(connection, ENDS_OF_ALL)) {
        Ok(firsts) => Ok(firsts),
        Err(error) => damaged(error, path, findings).map(|()| Vec::new()),
    }
}

/// The hash and the time of the record at `seq`.
fn end(connection: &Connection, seq: i64) -> rusqlite::Result<(Option<[u8; 32]>, Option<i64>)> {
    let query = "SELECT hash, at_us FROM record WHERE seq = ?1";
    connection.query_row(query, [seq], |row| Ok((row.get(0).ok(), row.get(1).ok())))
}

/// A file that SQLite cannot make sense of is a finding; one that it cannot get at is an error.
fn damaged(error: rusqlite::Error, path: &Path, findings: &mut Findings) -> Result<(), AuditError> {
    use rusqlite::ErrorCode;
    if let Some(
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OutOfMemory,
    ) = error.sqlite_error_code()
    {
        return Err(AuditError::Sqlite { path: path.to_owned(), action: "read", source: error });
    }
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        let found = NO_DATABASE.to_owned();
        return Err(AuditError::Foreign { path: path.to_owned(), found });
    }
    findings.add(Finding::Corrupt { why: error.to_string() });
    Ok(())
}

impl First {
    /// All records were added up: what they amount to, and what vouches for them.
    fn close(&self, mut account: Account, anchors: &AnchorCheck<'_>, mut findings: Findings) -> Verification {
        account.close(&mut findings);
        if let Some(said) = &self.said {
            merged::hold(said, self.head, &account, &mut findings);
        }
        let anchors = anchors.hold((&self.connection, self.shift), self.last, &account, &mut findings);
        Verification {
            log_id: account.log_id,
            head: self.head,
            at_us: self.at_us,
            totals: account.totals,
            findings,
            anchors,
        }
    }

    /// Reads a log that is the only one in its file straight from there; nothing where there is anything to
    /// be found of the file, or of a record by itself.
    fn straight(&self, source: &Source, look: &Look, findings: &Findings) -> Option<(Account, Findings)> {
        let (mut account, mut findings) = (Account::default(), findings.clone());
        let mut take = |part| account.add_up(part, &mut findings);
        straight::read(source, &self.connection, look, threads(), &mut take).ok()?;
        Some((account, findings))
    }

    fn by_sqlite(&self, whole: &mut Whole<'_>, piece: i64, mut findings: Findings) -> (Account, Findings) {
        let mut account = Account::default();
        let pieces = self.pieces(piece.max(1));
        if let [(from, to)] = pieces[..] {
            if self.checks_file {
                let (pages, indexes) =
                    (whole.look.pages(&self.connection), whole.look.indexes(&self.connection));
                whole.seen = Some(Seen { pages, indexes });
            }
            let key = whole.look.key.clone();
            let read = chain::read(&self.connection, &key, self.shift, from, to, &mut |part| {
                whole.add(&part);
                account.add_up(part, &mut findings);
                true
            });
            if let Err(error) = read {
                whole.miss(&error, &mut findings);
            }
        } else {
            self.in_parallel(whole, &pieces, &mut account, &mut findings);
        }
        (account, findings)
    }

    fn in_parallel(
        &self,
        whole: &mut Whole<'_>,
        pieces: &[(i64, i64)],
        account: &mut Account,
        findings: &mut Findings,
    ) {
        let threads = threads();
        let (source, look, shift) = (whole.source, whole.look.clone(), self.shift);
        let look = &look;
        std::thread::scope(|scope| {
            let file = self.checks_file.then(|| {
                let pages = scope.spawn(|| look.pages(&source.connect()?));
                (pages, scope.spawn(|| look.indexes(&source.connect()?)))
            });
            let readers: Vec<Receiver<Handed>> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(WAITING);
                    scope.spawn(move || {
                        let mine = pieces.iter().skip(first).step_by(threads);
                        if let Err(error) = read_pieces(source, &look.key, shift, mine, &sender) {
                            let _ = sender.send(Some(Err(error)));
                        }
                    });
                    receiver
                })
                .collect();
            for index in 0..pieces.len() {
                // A thread that ended early has said why.
                while let Ok(Some(handed)) = readers[index % threads].recv() {
                    match handed {
                        Ok(part) => {
                            whole.add(&part);
                            account.add_up(part, findings);
                        }
                        Err(error) => whole.miss(&error, findings),
                    }
                }
            }
            drop(readers);
            if let Some((pages, indexes)) = file
                && let (Ok(pages), Ok(indexes)) = (pages.join(), indexes.join())
            {
                whole.seen = Some(Seen { pages, indexes });
            }
        });
    }

    /// The records in pieces. Where their numbers cannot be right, as the file is too small for so
    /// many, they are one piece.
    fn pieces(&self, piece: i64) -> Vec<(i64, i64)> {
        let size = |pragma: &str| self.connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let bytes =
            size("PRAGMA page_count").unwrap_or(0).saturating_mul(size("PRAGMA page_size").unwrap_or(0));
        if self.smallest < 1 || self.last > bytes / SMALLEST_RECORD || self.last <= piece {
            return vec![(self.smallest.min(1), self.last)];
        }
        let starts = (1..=self.last).step_by(usize::try_from(piece).unwrap_or(usize::MAX));
        starts.map(|from| (from, (from + piece - 1).min(self.last))).collect()
    }
}

/// How many threads read the records.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// What a thread hands over; `None` where a piece is at its end.
type Handed = Option<rusqlite::Result<Part>>;

fn read_pieces<'a>(
    source: &Source,
    key: &Key,
    shift: i64,
    pieces: impl Iterator<Item = &'a (i64, i64)>,
    sender: &SyncSender<Handed>,
) -> rusqlite::Result<()> {
    let connection = source.connect()?;
    for (from, to) in pieces {
        let wanted = chain::read(&connection, key, shift, *from, *to, &mut |part| {
            sender.send(Some(Ok(part))).is_ok()
        })?;
        if !wanted || sender.send(None).is_err() {
            break;
        }
    }
    Ok(())
}
