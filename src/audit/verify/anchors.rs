//! Holds a log against the checkpoints that were made of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::runs::Runs;
use super::{Finding, Findings};
use crate::audit::record::{EXTENSION, LONGEST_FILE, PURPOSE, Statement, signature_of};
use crate::domain::read_file;
use crate::domain::{Timestamp, hex};
use crate::sshsig::SignatureCheck;

/// How far the clock of the machine that made a checkpoint may be ahead, in microseconds: a day.
const AHEAD: i64 = 86_400_000_000;

/// What a log is held against.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnchorCheck<'a> {
    /// The folder of the checkpoints, and the file of those who may sign them.
    pub checkpoints: Option<(&'a Path, &'a Path)>,
    /// Public keys that sign nothing any more, one a line.
    pub revoked: Option<&'a Path>,
    /// The time of the verification: no checkpoint was made after it.
    pub now: Timestamp,
}

/// What vouches for a log from outside.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// How many checkpoints fit the log.
    pub checkpoints: u64,
    /// How many are of other logs.
    pub of_others: u64,
    /// Up to which record the newest goes; nothing before it was altered.
    pub up_to: Option<u64>,
    /// Who signed them, each with the fingerprint of a key.
    pub signers: BTreeSet<String>,
}

impl AnchorCheck<'_> {
    pub(super) fn hold(
        &self,
        (connection, shift): (&Connection, i64),
        last: i64,
        runs: &Runs,
        findings: &mut Findings,
    ) -> Anchors {
        let mut anchors = Anchors::default();
        let Some((folder, signers)) = self.checkpoints else {
            let why = if runs.anchored_run.is_some() {
                "checkpoints were written for this log, and it was not held against them: name their folder with --checkpoints, and who may sign with --allowed-signers"
            } else {
                "no checkpoint vouches for this log: that its end was not cut off, and that it was not written anew, nothing here shows"
            };
            findings.add(Finding::NotAnchored { why });
            return anchors;
        };
        for path in files(folder, findings) {
            match self.one(&path, signers, (connection, shift), last, runs) {
                Ok(Some((records, signer))) => {
                    anchors.checkpoints += 1;
                    anchors.up_to = anchors.up_to.max(Some(records));
                    anchors.signers.insert(signer);
                }
                Ok(None) => anchors.of_others += 1,
                Err(finding) => findings.add(finding),
            }
        }
        let up_to = anchors.up_to.and_then(|it| i64::try_from(it).ok()).unwrap_or(0);
        match (runs.anchored_run, runs.anchored_end) {
            // The first one was written before the record of the run.
            (Some(seq), _) if up_to < seq - 1 => findings.add(Finding::CheckpointsMissing { seq }),
            (_, Some(seq)) if up_to < seq => findings.add(Finding::CheckpointOfEnd { seq }),
            _ => {}
        }
        if let (Some(up_to), Some(seq)) = (anchors.up_to, runs.last_end)
            && i64::try_from(up_to).is_ok_and(|up_to| up_to < seq)
        {
            findings.add(Finding::EndNotAnchored { seq, up_to });
        }
        if anchors.up_to.is_none() {
            let why = if anchors.of_others > 0 {
                "none of the checkpoints there vouches for this log; there are some of other logs"
            } else {
                "none of the checkpoints there vouches for this log"
            };
            findings.add(Finding::NotAnchored { why });
        }
        anchors
    }

    /// The records that a checkpoint vouches for, and who says so; `None` where it is of another log.
    fn one(
        &self,
        path: &Path,
        signers: &Path,
        (connection, shift): (&Connection, i64),
        last: i64,
        runs: &Runs,
    ) -> Result<Option<(u64, String)>, Finding> {
        let file = path.display().to_string();
        let unreadable = |why: String| Finding::CheckpointUnreadable { why: format!("{file}: {why}") };
        let bytes = read_file(path, LONGEST_FILE).map_err(|error| unreadable(error.to_string()))?;
        let text = str::from_utf8(&bytes).map_err(|_| unreadable("it is not text".to_owned()))?;
        let statement: Statement = text.parse().map_err(|why: &str| unreadable(why.to_owned()))?;
        if Some(&statement.log_id) != runs.log_id.as_ref() {
            return Ok(None);
        }
        let signature = signature_of(path);
        let check = SignatureCheck {
            purpose: PURPOSE,
            signature: &signature,
            allowed_signers: signers,
            revoked: self.revoked,
            at: statement.time,
        };
        let signed = check
            .check(&bytes)
            .map_err(|error| Finding::CheckpointUnsigned { why: format!("{file}: {error}") })?;
        let records = statement.records;
        let seq = i64::try_from(records).unwrap_or(i64::MAX);
        if seq > last {
            return Err(Finding::CheckpointAhead { file, records, found: u64::try_from(last).unwrap_or(0) });
        }
        let found = connection
            .query_row("SELECT hash, at_us FROM record WHERE seq = ?1", [seq.saturating_add(shift)], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
            })
            .optional()
            .ok()
            .flatten();
        let Some((_, at_us)) = found.filter(|(hash, _)| hex(hash) == statement.head) else {
            return Err(Finding::CheckpointDiffers { file, records });
        };
        if let Some(why) = self.wrong_time(statement.time, Timestamp::from_micros(at_us)) {
            return Err(Finding::CheckpointTime { file, records, why });
        }
        Ok(Some((records, format!("{} ({})", signed.principals.join(", "), signed.fingerprint))))
    }

    /// What is wrong with the time of a checkpoint. A key counts that was allowed at that time: whoever has
    /// one that is not any more could say that it was then.
    fn wrong_time(&self, said: Timestamp, recorded: Timestamp) -> Option<String> {
        if said < recorded {
            return Some(format!("{said}, and the record was written at {recorded}"));
        }
        let latest = self.now.as_micros().saturating_add(AHEAD);
        (said.as_micros() > latest).then(|| format!("{said}, and it is {} now", self.now))
    }
}

/// The files that should hold checkpoints, in their order.
fn files(folder: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let unreadable = |error: std::io::Error| Finding::CheckpointUnreadable {
        why: format!("{}: cannot read the folder: {error}", folder.display()),
    };
    let mut found = Vec::new();
    match fs::read_dir(folder) {
        Err(error) => findings.add(unreadable(error)),
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => found.push(entry.path()),
                    Err(error) => findings.add(unreadable(error)),
                }
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|it| it == EXTENSION));
    found.sort();
    found
}
