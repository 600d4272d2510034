//! What the page rests on: the records, by place and hash, so that the owner of the log can show them.

use std::collections::HashSet;

use maud::{Markup, html};

use super::CustomerCertificate;
use crate::domain::RecordOfTarget;
use crate::report::NameHistory;
use crate::report::claims::{Anchoring, CheckpointSignature};
use crate::report::html::signature::signature;
use crate::report::html::wording::{code, counted, exact_time, lines, number, text};

/// The records of all accounts, each once, with the log that it is in.
pub(super) fn records(history: &NameHistory) -> Vec<(&str, &RecordOfTarget)> {
    let accounts = history.accounts.iter();
    let all =
        accounts.flat_map(|account| account.records.iter().map(|record| (account.log_id.as_str(), record)));
    // Targets of one run share the record of that run, and a reading of the listing.
    let mut known = HashSet::new();
    all.filter(|(log, record)| known.insert((*log, record.seq))).collect()
}

pub(super) fn section(certificate: &CustomerCertificate) -> Markup {
    let history = &certificate.history;
    let several_logs = history.logs.len() > 1;
    html! {
        section #evidence {
            h2 { span.no { "4" } "Evidence" }
            p.words {
                "The issuer keeps the audit log: an append-only file in which each record holds the SHA-256 of the one "
                "before. Before this page was made, every record was checked against its hash. The issuer can show the "
                "records below on request; each must have this place and this hash."
            }
            dl.facts.wide {
                div {
                    dt { "Audit log" }
                    dd { @for log in &history.logs { div { (code(log)) } } }
                }
                div {
                    dt { "Certificate id" }
                    dd {
                        (code(&certificate.id()))
                        small {
                            "the first 16 digits of the SHA-256 over the name and the hashes below, in this order, each "
                            "followed by a line feed"
                        }
                    }
                }
                div { dt { "Signature" } dd { (signature(certificate.signed_with.as_deref())) } }
                div { dt { "Checkpoint" } dd { (checkpoint(certificate)) } }
            }
            table.records {
                thead { tr {
                    th.n scope="col" { "Record" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Time (UTC)" }
                    th scope="col" { "SHA-256" }
                } }
                tbody {
                    @for (log, record) in records(history) {
                        tr {
                            td.n { (number(record.seq)) }
                            td { (record.kind) @if several_logs { " of log " (log.get(..8).unwrap_or(log)) } }
                            td { (exact_time(&record.at.to_string())) }
                            td { code.hash { (record.hash) } }
                        }
                    }
                }
            }
        }
    }
}

/// The newest checkpoint, without the name of its file.
fn checkpoint(certificate: &CustomerCertificate) -> Markup {
    html! {
        @match &certificate.anchoring {
            Anchoring::NotLooked | Anchoring::NotFound => {
                span.none { "none is shown" }
                small {
                    "The hashes show changes within the log. That it was not cut off or written again, only a "
                    "checkpoint kept elsewhere shows."
                }
            }
            Anchoring::Found(found) => {
                "of the first " (counted(found.records, "record", "records")) " of the log; their last hash is the "
                "one that it names"
                small {
                    @match &found.signature {
                        CheckpointSignature::Checked { signers } => { "signed by " (text(signers)) "; the signature was checked" }
                        CheckpointSignature::NotChecked => { "its signature was not checked for this page" }
                        CheckpointSignature::Refused { .. } => { "its signature does not count, so it proves nothing" }
                        CheckpointSignature::Missing => { "it has no signature beside it, so it proves nothing" }
                    }
                }
                pre { (lines(&found.text)) }
            }
        }
    }
}
