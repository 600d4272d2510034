//! What is shown of the log behind a certificate: the chain, the checkpoint, the requests and the listing afterwards.

use super::anchoring::{Anchoring, CheckpointSignature, Confirmation};
use super::{Facts, counted};
use crate::report::text::grouped;

/// What no checkpoint that was checked means for the log.
const NOT_SHOWN: &str = "So nothing here shows that the end of the log was not cut off, or that the log was not written \
                         again as a whole.";

impl Facts<'_> {
    /// What the page rests on. The log was verified before: no certificate is issued from one that is not sound.
    pub(in crate::report) fn basis(&self) -> String {
        let log = if self.account.log.is_merged {
            "This page was made from one of the audit logs in a merged file"
        } else {
            "This page was made from the audit log"
        };
        format!(
            "{log}, in which each record holds the SHA-256 of the one before. Before the page was made, the log was \
             checked: every record matches its hash, and its records fit together. What a record says rests on the \
             program that wrote it, on the API’s replies and on the clock of the machine."
        )
    }

    /// What is known of the checkpoint, one sentence each; the first is an alarm if the second value says so.
    pub(in crate::report) fn checkpoint(&self) -> (Vec<String>, bool) {
        let last = &self.account.last;
        let expected = self.account.checkpoints;
        let found = match self.anchoring {
            Anchoring::NotLooked => {
                let first = if expected {
                    "This run was set to write checkpoints, and none was looked for: no folder of checkpoints was \
                     given (--checkpoint-dir)."
                } else {
                    "None was looked for: no folder of checkpoints was given (--checkpoint-dir)."
                };
                return (vec![first.to_owned(), NOT_SHOWN.to_owned()], expected);
            }
            Anchoring::NotFound => {
                let first = if expected {
                    "This run was set to write checkpoints, and the given folder holds none of this log."
                } else {
                    "The given folder holds none of this log."
                };
                return (vec![first.to_owned(), NOT_SHOWN.to_owned()], expected);
            }
            Anchoring::Found(found) => found,
        };
        let records = counted(found.records, "record", "records");
        let mut said = vec![if found.records >= last.seq {
            format!("It names the first {records} of the log, which include this run.")
        } else {
            format!("It names the first {records} of the log; the run ended after them.")
        }];
        said.push("The hash that it names is the hash of that record here.".to_owned());
        match &found.signature {
            CheckpointSignature::Missing => said.push(
                "It has no signature beside it, so it shows nothing: anyone can have written it.".to_owned(),
            ),
            CheckpointSignature::NotChecked => said.push(
                "Not checked: its signature. Until that is checked (--allowed-signers), it shows nothing."
                    .to_owned(),
            ),
            CheckpointSignature::Refused { why } => {
                said.push(format!("Its signature does not count, so it shows nothing: {why}."));
            }
            CheckpointSignature::Checked { signers } => {
                said.push(format!("Its signature was checked: it is by {signers}."));
            }
        }
        said.push(match self.anchoring.confirms(last) {
            Confirmation::None => NOT_SHOWN.to_owned(),
            Confirmation::Before(found) => format!(
                "Nothing up to record {} was changed or cut off since it was signed. What comes after it, and the end of \
                 this run, no checkpoint confirms.",
                grouped(found.records)
            ),
            Confirmation::AtEnd(_) => "It was made when the run ended. Nothing of this run was changed or cut off \
                                       since it was signed."
                .to_owned(),
            Confirmation::Later(found) => format!(
                "The end of the run is confirmed by a checkpoint of a later time, made at {}. Nothing of this run was \
                 changed or cut off since then.",
                found.time
            ),
        });
        (said, false)
    }

    /// What the command beside it finds.
    pub(in crate::report) const fn verification(&self) -> &'static str {
        match self.anchoring {
            Anchoring::Found(_) => {
                "This command needs the audit log, the checkpoints, and the keys of those who may sign them. It finds \
                 records that were changed, inserted or removed, and, as far as the checkpoints go, a log that was cut \
                 off at its end or replaced."
            }
            Anchoring::NotLooked | Anchoring::NotFound => {
                "This command needs the audit log. It finds records that were changed, inserted or removed. Without a \
                 checkpoint it finds neither a log that was cut off at its end nor one that was written again as a whole."
            }
        }
    }

    /// How many requests there were, and what is known of their replies.
    pub(in crate::report) fn requests(&self) -> (String, String) {
        let account = self.account;
        let all = format!(
            "{}, of which {}",
            counted(account.requests, "attempt", "attempts"),
            counted(account.repeats, "repeated an earlier one", "repeated an earlier one")
        );
        let replies = match (account.requests, account.unanswered) {
            (0, _) => "no request was sent".to_owned(),
            (_, 0) => "the result of each is in the log".to_owned(),
            (_, n) => counted(n, "attempt has no result in the log", "attempts have no result in the log"),
        };
        (all, replies)
    }

    /// The file of the definitions of the datamarts, if any were taken along.
    pub(in crate::report) fn definitions(&self) -> Option<(String, String)> {
        let kept = self.account.definitions.as_ref()?;
        let file = format!("{}, with {}", kept.file, counted(kept.entries, "entry", "entries"));
        let lost = match kept.lost {
            0 => String::new(),
            n => format!(
                "; when the run was resumed, {}, and what was not sent yet and still listed was read again",
                counted(n, "entry was lost", "entries were lost")
            ),
        };
        let sha256 = &kept.sha256;
        Some((
            file,
            format!("SHA-256 {sha256} when it was written{lost}; whether it is still there was not checked"),
        ))
    }

    /// What the listing after the deletions showed, or that there is none.
    pub(in crate::report) fn listing(&self) -> (String, String) {
        let Some(listing) = &self.account.listing else {
            let none = "no reading of it after the deletions is recorded".to_owned();
            return (none, "that what was deleted is not listed any more was not checked".to_owned());
        };
        let read = format!(
            "read by {} UTC, with {}",
            listing.at.in_words(),
            counted(listing.names, "name", "names")
        );
        let (still, after) = (self.run.still_listed(), listing.gone_after);
        let one = self.run.noun(1);
        let many = self.run.noun(2);
        let mut shown = match (still, self.run.has_deleted()) {
            (0, true) if after == 0 => format!("no deleted {one} is among them"),
            (0, true) => format!("no {one} that was deleted before is among them"),
            (0, false) => format!("no {one} was deleted in this run"),
            (1, _) => format!("1 {one} that was said to be deleted is still among them"),
            (n, _) => format!("{} {many} that were said to be deleted are still among them", grouped(n)),
        };
        if after > 0 {
            let (one, many) = (
                format!("{one} was deleted after it was read, and is not covered"),
                format!("{many} were deleted after it was read, and are not covered"),
            );
            shown += "; ";
            shown += &counted(after, &one, &many);
        }
        (read, shown)
    }
}
