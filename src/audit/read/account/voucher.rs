//! The checkpoint that a certificate shows: a statement about this log, found in a folder and held
//! against the log. Whether its signature is good is for the verification to say.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{OptionalExtension, params};

use crate::audit::record::{EXTENSION, LONGEST_FILE, Statement, signature_of};
use crate::audit::{AuditError, AuditReader};
use crate::domain::{RunAccount, read_file};

/// A statement about this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The name of its file.
    pub file: String,
    /// What it says.
    pub text: String,
    /// How many records it is about.
    pub records: u64,
    /// Whether a signature lies beside it; whether that is good, is not looked at.
    pub signed: bool,
    /// Whether the log holds that many records, and the last of them has the hash that it names.
    pub agrees: bool,
}

impl AuditReader {
    /// The statement in `folder` about the log of this run that is about all of the run: the first of
    /// those, and where there is none, the last about that log at all. One that is signed comes before
    /// all that are not.
    pub fn voucher(&self, folder: &Path, account: &RunAccount) -> Result<Option<Voucher>, AuditError> {
        let io =
            |source| AuditError::Io { path: folder.to_owned(), action: "read the checkpoints of", source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut best: Option<(Voucher, Statement)> = None;
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let bytes = match read_file(&path, LONGEST_FILE) {
                Ok(bytes) => bytes,
                // A pipe, or longer than any statement.
                Err(error) if error.kind() == ErrorKind::Other => continue,
                Err(error) => return Err(io(error)),
            };
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let claim = text.parse::<Statement>().ok().filter(|claim| claim.log_id == account.log.id);
            let Some(claim) = claim else { continue };
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // By number and name, so that the order in which the folder is read does not matter.
            let key = |it: &Voucher| (!it.signed, rank(it.records, account.last.seq), it.file.clone());
            let signed = signature_of(&path).is_file();
            let found = Voucher { file, text, records: claim.records, signed, agrees: false };
            if best.as_ref().is_none_or(|(best, _)| key(&found) < key(best)) {
                best = Some((found, claim));
            }
        }
        let Some((found, claim)) = best else { return Ok(None) };
        let agrees = self.hash_at(account, claim.records)?.as_deref() == Some(claim.head.as_str());
        Ok(Some(Voucher { agrees, ..found }))
    }

    /// The hash of the record `seq` of the log of this run.
    fn hash_at(&self, account: &RunAccount, seq: u64) -> Result<Option<String>, AuditError> {
        if seq > account.log.head.seq {
            return Ok(None);
        }
        let query = "SELECT lower(hex(hash)) FROM record
                      WHERE seq = ?2 - 1 + (SELECT max(seq) FROM record WHERE kind = 'log' AND name = ?1)";
        let found =
            self.connection.query_row(query, params![account.log.id, seq], |row| row.get(0)).optional();
        found.map_err(|e| self.failed(e))
    }
}

/// How well a statement about `records` records fits a run that ends with the record `seq`: the
/// smallest that covers it before all, then the largest.
const fn rank(records: u64, seq: u64) -> (bool, u64) {
    if records >= seq { (false, records) } else { (true, u64::MAX - records) }
}
