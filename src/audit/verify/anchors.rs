//! Holds a log against the checkpoints that were made of it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::runs::{EndOfRun, Runs};
use super::{Finding, Findings};
use crate::audit::record::{Link, PURPOSE, Statement, StatementFile, signature_of, statement_paths};
use crate::domain::{Timestamp, hex};
use crate::sshsig::SignatureCheck;

/// How far the clock of the machine that made a checkpoint may be ahead, in microseconds: a day.
const AHEAD: i64 = 86_400_000_000;

/// What a log is held against.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnchorCheck<'a> {
    /// The folder of the checkpoints.
    pub folder: Option<&'a Path>,
    /// The file of those who may sign them. Without it no signature is checked, and no checkpoint confirms anything.
    pub allowed_signers: Option<&'a Path>,
    /// Public keys whose signatures do not count any more, one a line.
    pub revoked: Option<&'a Path>,
    /// The time of the verification: no checkpoint was made after it.
    pub now: Timestamp,
}

/// What confirms a log from outside.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// How many checkpoints fit the log, signed by those who may.
    pub checkpoints: u64,
    /// How many are of other logs.
    pub of_others: u64,
    /// Up to which record the newest goes; nothing before it was altered.
    pub up_to: Option<u64>,
    /// Who signed them, each with the fingerprint of a key.
    pub signers: BTreeSet<String>,
    /// All that agree with the log, by the number of their records.
    pub list: Vec<Anchor>,
}

/// A checkpoint that agrees with the log: the record that it names has the hash that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub path: PathBuf,
    /// Its content.
    pub text: String,
    pub statement: Statement,
    pub signature: AnchorSignature,
}

/// What is known of the signature of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorSignature {
    /// There is none beside it.
    Missing,
    /// There is one, and it is not said who may sign.
    NotChecked,
    /// It does not count, for this reason.
    Refused { why: String },
    /// It is good, and by one who may sign.
    Checked { signers: String },
}

impl Anchors {
    /// The one that shows most about a run that ends with the record `last`: signed before unsigned, then the first that
    /// covers the run, or else the last before it.
    #[must_use]
    pub fn for_run(&self, last: u64) -> Option<&Anchor> {
        let rank = |anchor: &Anchor| match &anchor.signature {
            AnchorSignature::Checked { .. } => 0,
            AnchorSignature::NotChecked => 1,
            AnchorSignature::Refused { .. } | AnchorSignature::Missing => 2,
        };
        let distance = |anchor: &Anchor| match anchor.statement.records {
            records if records >= last => (false, records),
            records => (true, u64::MAX - records),
        };
        self.list.iter().min_by_key(|anchor| (rank(anchor), distance(anchor), anchor.path.clone()))
    }
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
        let Some(folder) = self.folder else {
            let why = if runs.anchored_run.is_some() {
                "checkpoints were written for this log, and it was not held against them: name their folder with --checkpoints, and who may sign with --allowed-signers"
            } else {
                "no checkpoint was given, so nothing here shows that the end of this log was not cut off, or that it was not written again as a whole"
            };
            findings.add(Finding::NotAnchored { why });
            return anchors;
        };
        let paths = statement_paths(folder).unwrap_or_else(|error: io::Error| {
            let why = format!("{}: cannot read the folder: {error}", folder.display());
            findings.add(Finding::CheckpointUnreadable { why });
            Vec::new()
        });
        // Those of this log, whatever is wrong with them: what they name was there.
        let mut known = Vec::new();
        for path in paths {
            let file = match StatementFile::read(&path) {
                Ok(file) => file,
                Err(why) => {
                    let why = format!("{}: {why}", path.display());
                    findings.add(Finding::CheckpointUnreadable { why });
                    continue;
                }
            };
            if Some(&file.statement.log_id) != runs.log_id.as_ref() {
                anchors.of_others += 1;
                continue;
            }
            known.push(file.clone());
            let signature = self.signature(&file);
            if let AnchorSignature::Refused { why } = &signature {
                findings.add(Finding::CheckpointUnsigned { why: format!("{}: {why}", path.display()) });
            }
            match self.contradiction(&file, (connection, shift), last) {
                None => anchors.add(file, signature),
                // What nobody signed can say anything.
                Some(_) if matches!(signature, AnchorSignature::Refused { .. }) => {}
                Some(finding) => findings.add(finding),
            }
        }
        anchors.list.sort_by_key(|anchor| anchor.statement.records);
        removed(&known, findings);
        anchors.find_gaps(runs, findings);
        anchors
    }

    /// What is known of the signature of a checkpoint.
    fn signature(&self, file: &StatementFile) -> AnchorSignature {
        let signature = signature_of(&file.path);
        let Some(allowed_signers) = self.allowed_signers else {
            return if signature.is_file() { AnchorSignature::NotChecked } else { AnchorSignature::Missing };
        };
        let check = SignatureCheck {
            purpose: PURPOSE,
            signature: &signature,
            allowed_signers,
            revoked: self.revoked,
            at: file.statement.time,
        };
        match check.check(file.text.as_bytes()) {
            Ok(signer) => AnchorSignature::Checked {
                signers: format!("{} ({})", signer.principals.join(", "), signer.fingerprint),
            },
            Err(error) => AnchorSignature::Refused { why: error.to_string() },
        }
    }

    /// What a checkpoint says otherwise than the log.
    fn contradiction(
        &self,
        file: &StatementFile,
        (connection, shift): (&Connection, i64),
        last: i64,
    ) -> Option<Finding> {
        let StatementFile { path, statement, .. } = file;
        let (file, records) = (path.display().to_string(), statement.records);
        let seq = i64::try_from(records).unwrap_or(i64::MAX);
        if seq > last {
            return Some(Finding::CheckpointAhead { file, records, found: u64::try_from(last).unwrap_or(0) });
        }
        let found = connection
            .query_row("SELECT hash, at_us FROM record WHERE seq = ?1", [seq.saturating_add(shift)], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
            })
            .optional()
            .ok()
            .flatten();
        let Some((_, at_us)) = found.filter(|(hash, _)| hex(hash) == statement.head) else {
            return Some(Finding::CheckpointDiffers { file, records });
        };
        self.wrong_time(statement.time, Timestamp::from_micros(at_us)).map(|why| Finding::CheckpointTime {
            file,
            records,
            why,
        })
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

impl Anchors {
    fn add(&mut self, StatementFile { path, text, statement }: StatementFile, signature: AnchorSignature) {
        if let AnchorSignature::Checked { signers } = &signature {
            self.checkpoints += 1;
            self.up_to = self.up_to.max(Some(statement.records));
            self.signers.insert(signers.clone());
        }
        self.list.push(Anchor { path, text, statement, signature });
    }

    /// The first checkpoint whose signature was checked and that covers the end of a run.
    fn covering(&self, end: &EndOfRun) -> Option<&Anchor> {
        self.list.iter().find(|anchor| {
            matches!(anchor.signature, AnchorSignature::Checked { .. })
                && i64::try_from(anchor.statement.records).is_ok_and(|records| records >= end.seq)
        })
    }

    /// What the checkpoints do not confirm, or not when it happened.
    fn find_gaps(&self, runs: &Runs, findings: &mut Findings) {
        let up_to = self.up_to.and_then(|it| i64::try_from(it).ok()).unwrap_or(0);
        let anchored_end = runs.ends.iter().rev().find(|end| end.is_anchored);
        match (runs.anchored_run, anchored_end) {
            // The first one was written before the record of the run.
            (Some(seq), _) if up_to < seq - 1 => findings.add(Finding::CheckpointsMissing { seq }),
            (_, Some(end)) if up_to < end.seq => findings.add(Finding::CheckpointOfEnd { seq: end.seq }),
            _ => {}
        }
        let Some(up_to) = self.up_to else {
            let why = if self.of_others > 0 {
                "none of the checkpoints there confirms this log; there are some of other logs"
            } else {
                "none of the checkpoints there confirms this log"
            };
            return findings.add(Finding::NotAnchored { why });
        };
        for end in runs.ends.iter().rev() {
            let EndOfRun { seq, run_id, at_us, .. } = end;
            let (seq, run_id) = (*seq, run_id.clone());
            match self.covering(end) {
                None => findings.add(Finding::EndNotAnchored { seq, run_id, up_to }),
                Some(anchor) => {
                    let Statement { records, time, .. } = anchor.statement;
                    if i64::try_from(records) != Ok(seq) || time.as_micros() != *at_us {
                        findings.add(Finding::EndAnchoredLater { seq, run_id, records, time });
                    }
                }
            }
        }
    }
}

/// Misses what checkpoints name and what is not there. If nothing older is there either, it may have been put elsewhere.
fn removed(known: &[StatementFile], findings: &mut Findings) {
    let digests: BTreeSet<_> = known.iter().map(|file| hex(Sha256::digest(&file.text))).collect();
    let oldest = known.iter().map(|file| file.statement.records).min().unwrap_or(0);
    for StatementFile { path, statement, .. } in known {
        if let Link::After { records, sha256 } = &statement.previous
            && !digests.contains(sha256)
        {
            let (file, records) = (path.display().to_string(), *records);
            findings.add(if records > oldest {
                Finding::CheckpointRemoved { file, records }
            } else {
                Finding::CheckpointsBefore { file, records }
            });
        }
    }
}
