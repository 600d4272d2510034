//! Of each sentence, what must be so for it to be said.

use super::{Case, Ended, Point};
use crate::domain::Outcome;

/// What a sentence that contains this is about, and what must be so for it to be said.
pub(super) type Claim = (&'static str, fn(Case) -> bool);

/// Sentences that hold of every run, or say nothing of it.
pub(super) const ANYTIME: &[&str] = &[
    // Of a table, of a framework, and the word that is held above with its line.
    "No.",
    "no.",
    "NIST SP 800-53 Rev.",
    "None.",
    "This page was made from the audit log, in which each record holds the SHA-256 of the one before.",
    "This page was made from one of the audit logs in a merged file, in which each record holds the SHA-256 of the one \
     before.",
    "Before the page was made, the log was checked: every record matches its hash, and its records fit together.",
    "What a record says rests on the program that wrote it, on the API’s replies and on the clock of the machine.",
    "Every requested name has exactly one outcome.",
    "What this is not.",
    "This is logical deletion through the provider’s API, not media sanitisation: NIST SP 800-88 is not claimed.",
    "A deleted datasource is a configuration in Databrain with its cached schemas; the database that it pointed to was \
     not touched.",
    "This record does not show what the provider keeps in backups, replicas or logs of its own.",
    "The same log, checkpoints, settings and time of issue give the same bytes.",
    "Whether a control is met is for its assessor to say.",
    "Times are UTC.",
    "The API id is the one in the API’s reply.",
    "Evidence is how the outcome is known, as explained below the table.",
];

/// What is said only if it is so.
pub(super) const CLAIMS: &[Claim] = &[
    ("Certificate of deletion", |case| !case.is_rehearsal && case.gone() > 0),
    ("Record of a run", |case| !case.is_rehearsal && case.gone() == 0),
    ("Rehearsal of a deletion", |case| case.is_rehearsal),
    ("REHEARSAL – nothing real was deleted", |case| case.is_rehearsal),
    ("The requests went to an emulator of the API on the same machine.", |case| case.is_rehearsal),
    ("This page shows what a real one looks like and certifies nothing.", |case| case.is_rehearsal),
    ("None: a rehearsal is", |case| case.is_rehearsal),
    ("The run is finished.", |case| case.status == "finished"),
    ("The run stopped early.", |case| case.status == "stopped"),
    ("The run was interrupted.", |case| case.status == "interrupted"),
    ("The end of the run is not recorded", |case| case.status == "unfinished"),
    (" of the emulator w", |case| case.is_rehearsal),
    ("1 of 1 datasource was deleted", |case| case.ended == Ended::Malformed),
    ("1 of 2 datasources was deleted", |case| case.ended == Ended::NotFoundAndDeleted),
    ("1 of 3 datasources was deleted", |case| case.ended == Ended::Pending),
    ("2 of 3 datasources were deleted", |case| case.ended == Ended::SomeUnconfirmed),
    ("0 of 3 datasources were deleted", |case| case.ended == Ended::Failures),
    ("is gone after an attempt without a clear reply", |case| case.ended == Ended::SomeUnconfirmed),
    // Text and Markdown say this.
    ("2 targets were deleted by an earlier run", |case| case.ended == Ended::BeforeAlone),
    ("2 were deleted by an earlier run", |case| case.ended == Ended::BeforeAlone),
    ("0 of 2 datasources were deleted", |case| case.gone() == 0),
    ("3 of 3 datasources were deleted", |case| case.ended == Ended::AllDeleted),
    ("15 of 17 datasources were deleted", |case| case.ended == Ended::StillListed),
    ("17 of 17", |_| false),
    ("accepted beforehand", |case| case.ended == Ended::NotFoundAccepted),
    ("the API confirmed the deletion", |case| {
        case.count(&[Outcome::Deleted]) > 0 && case.still_listed() == 0
    }),
    ("the API replied that it deleted it; ", |case| {
        case.count(&[Outcome::Deleted]) > 0 && case.still_listed() > 0
    }),
    ("are still listed", |case| case.still_listed() > 0),
    ("and still listed", |case| case.still_listed() > 0),
    ("a listing afterwards still shows it", |case| case.ended == Ended::AllStillListed),
    ("are among them", |_| false),
    ("said to be deleted are still among them", |case| case.still_listed() > 1 && case.is_listed),
    ("no deleted datasource is among them", |case| {
        case.is_listed && case.still_listed() == 0 && case.gone() > 0 && !case.is_resumed
    }),
    ("no datasource that was deleted before is among them", |case| {
        case.is_listed && case.still_listed() == 0 && case.gone() > 0 && case.is_resumed
    }),
    ("after it was read", |case| case.is_listed && case.is_resumed && case.gone() > 0),
    ("no datasource was deleted in this run", |case| case.is_listed && case.gone() == 0),
    ("no reading of it after the deletions is recorded", |case| !case.is_listed),
    ("is not listed any more was not checked", |case| !case.is_listed),
    ("have no result in the log", |_| false),
    ("attempt has no result in the log", |case| case.ended == Ended::Pending),
    ("the result of each is in the log", |case| case.ended != Ended::Pending),
    ("exit code", |case| case.ended == Ended::Malformed),
    ("interrupted and resumed", |case| case.is_resumed),
    // Checkpoints.
    ("none was looked for", |case| case.point == Point::NotLooked),
    ("None was looked for", |case| case.point == Point::NotLooked && !case.is_expected),
    ("This run was set to write checkpoints", |case| case.is_expected && !case.has_checkpoint()),
    ("folder holds none of this log", |case| case.point == Point::NotFound),
    ("So nothing here shows", |case| !case.is_confirmed() && case.point != Point::CheckedBefore),
    ("nothing here shows that its end was not cut off", |case| !case.is_confirmed()),
    ("which include this run", |case| case.has_checkpoint() && case.point != Point::CheckedBefore),
    ("the run ended after them", |case| case.point == Point::CheckedBefore),
    ("The hash that it names is the hash of that record here", Case::has_checkpoint),
    ("It has no signature beside it", |case| case.point == Point::Unsigned),
    ("Not checked: its signature", |case| case.point == Point::NotChecked),
    ("Its signature does not count", |case| case.point == Point::Refused),
    ("Its signature was checked", |case| case.is_confirmed() || case.point == Point::CheckedBefore),
    ("whose signature was checked", Case::is_confirmed),
    ("vouch", |_| false),
    ("found out", |_| false),
    ("Nothing of this run was changed or cut off", Case::is_confirmed),
    ("Nothing up to record 30 was changed or cut off", |case| case.point == Point::CheckedBefore),
    ("no checkpoint confirms", |case| case.point == Point::CheckedBefore),
    ("It was made when the run ended", |case| case.point == Point::CheckedAtEnd),
    ("by a checkpoint of a later time, made at", |case| case.point == Point::CheckedLater),
    ("a log that was cut off at its end or replaced", Case::has_checkpoint),
    ("it finds neither a log that was cut off", |case| !case.has_checkpoint()),
    // Controls.
    ("The record supports these controls", |case| !case.is_rehearsal),
    ("AU-3", |case| !case.is_rehearsal),
    ("AU-9", |case| !case.is_rehearsal),
    ("AU-10", |case| !case.is_rehearsal && (case.is_approved || case.is_confirmed())),
    ("(10.3)", |case| !case.is_rehearsal && case.is_confirmed()),
    ("a signed checkpoint", |case| !case.is_rehearsal && case.is_confirmed()),
    ("a signed approval of the plan", |case| !case.is_rehearsal && case.is_approved),
    ("CC6.5", |case| !case.is_rehearsal && case.gone() > 0),
    ("A.8.10", |case| !case.is_rehearsal && case.gone() > 0),
    ("Article 17", |case| !case.is_rehearsal && case.gone() > 0),
    ("which deletions were carried out", |case| case.gone() > 0),
    ("It finds records that were changed, inserted or removed", |_| true),
    ("This command needs the audit log", |_| true),
    ("(--allowed-signers), it shows nothing", |case| case.point == Point::NotChecked),
    ("4 requests were sent, 1 of them again.", |_| true),
    ("No pause was long enough to show here.", |_| true),
    ("There was no reply.", |_| true),
    ("\nNone.\n", |case| {
        matches!(
            case.ended,
            Ended::AllDeleted
                | Ended::SomeUnconfirmed
                | Ended::NotFoundAccepted
                | Ended::BeforeAlone
                | Ended::Malformed
        )
    }),
    // The resumed runs had these.
    ("Certificate authorities of a file were trusted", |case| case.is_resumed),
    ("The requests went through a proxy", |case| case.is_resumed),
    ("The machine’s clock was 1m 30s ahead of the server’s", |case| case.is_resumed),
    ("without a proxy", |case| !case.is_resumed),
    ("agreed with the server’s within a second", |case| !case.is_resumed),
    // People.
    ("no approval is recorded", |case| !case.is_approved),
    ("which was checked before the run began", |case| case.is_approved),
    ("a rehearsal is not signed", |case| case.is_rehearsal),
    // Groups.
    ("a listing that was read afterwards still holds them", |case| case.still_listed() > 0),
    ("All attempts failed.", |case| case.ended == Ended::Failures),
    ("As far as is known, these exist.", |case| case.ended == Ended::Failures),
    ("No attempt got a clear reply", |case| case.ended == Ended::Failures),
    ("These may exist or not.", |case| case.ended == Ended::Failures),
    ("The API did not delete these, as something depends on them.", |case| case.ended == Ended::Failures),
    ("Remove the dependants first.", |case| case.ended == Ended::Failures),
    ("The API or its listing has none of these names", |case| case.count(&[Outcome::NotFound]) > 0),
    ("Check the spelling.", |case| case.ended == Ended::NotFoundAndDeleted),
    ("The run was started with this counting as success.", |case| case.ended == Ended::NotFoundAccepted),
    ("Nothing was deleted for them.", |case| case.ended == Ended::NotFoundAccepted),
    ("The run has not settled these.", |case| case.ended == Ended::Pending),
    ("Those that were sent without a recorded reply may be gone.", |case| case.ended == Ended::Pending),
    ("An attempt got no clear reply, and afterwards", |case| case.count(&[Outcome::DeletedUnconfirmed]) > 0),
    ("Most likely that attempt deleted them.", |case| case.count(&[Outcome::DeletedUnconfirmed]) > 0),
    ("The audit log holds an earlier deletion of these.", |case| case.ended == Ended::BeforeAlone),
    ("This run sent no request for them.", |case| case.ended == Ended::BeforeAlone),
    ("StatusComplete\n", |case| {
        matches!(case.ended, Ended::AllDeleted | Ended::SomeUnconfirmed | Ended::BeforeAlone)
    }),
    ("StatusNothing deleted", |case| case.ended == Ended::NotFoundAccepted),
    ("StatusIncomplete", |case| case.ended == Ended::Pending),
    ("StatusComplete with exceptions", |case| {
        matches!(case.ended, Ended::StillListed | Ended::NotFoundAndDeleted | Ended::Malformed)
    }),
    ("StatusFinished with exceptions", |case| matches!(case.ended, Ended::AllStillListed | Ended::Failures)),
];
