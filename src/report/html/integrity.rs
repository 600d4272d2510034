//! What stands behind the page: the log, its head, what was signed about it, and how to check it.

use maud::{Markup, html};

use super::wording::{code, counted, exact_time, lines, name, number};
use super::{Certificate, Checkpoint};

pub(super) fn section(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        section #integrity {
            h2 { span.no { "6" } "Integrity" }
            p.words {
                "This page is a reading of the audit log, and the log is what proves it: an append-only file in "
                "which each record carries the SHA-256 of the one before, and in which every request stood "
                "before it was sent. Whoever has that file can check it, and make this page again from it. "
                "Before this page was made, the log was checked: every record matches its hash. The command below checks it again."
            }
            dl.facts.wide {
                div { dt { "Audit log" } dd { (code(&account.log.id)) } }
                div {
                    dt { "The run’s last record" }
                    dd {
                        "no. " (number(account.last.seq)) ", " (exact_time(&account.last.at.to_string())) " UTC"
                        small { (code(&account.last.hash)) }
                    }
                }
                div {
                    dt { "The log when this was issued" }
                    dd {
                        (counted(account.log.head.seq, "record", "records")) ", with the head"
                        small { (code(&account.log.head.hash)) }
                    }
                }
                div {
                    dt { "Certificate id" }
                    dd {
                        (code(&certificate.id()))
                        small {
                            "the beginning of the SHA-256 over the run’s id and the hash of its last record, "
                            "each with a line feed behind it"
                        }
                    }
                }
                div { dt { "Requests" } dd { (requests(certificate)) } }
                div { dt { "Listing afterwards" } dd { (listing(certificate)) } }
                @if let Some(fingerprint) = &account.token_fingerprint {
                    div {
                        dt { "Service token" }
                        dd {
                            (code(fingerprint))
                            small { "a keyed fingerprint; the token itself is nowhere in the log" }
                        }
                    }
                }
            }
            h3 { "Checkpoint" }
            (checkpoint(certificate))
            h3 { "How to check it" }
            p.words { "With the audit log at hand; a log that was changed, cut or exchanged is found out." }
            pre.command { (certificate.verify) }
        }
    }
}

fn requests(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        (counted(account.requests, "attempt", "attempts")) ", of which "
        (counted(account.repeats, "repeated an earlier one", "repeated an earlier one"))
        small {
            @if account.unanswered == 0 { "the answer to each is in the log" }
            @else { (counted(account.unanswered, "attempt has", "attempts have")) " no answer in the log" }
        }
    }
}

fn listing(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        @match account.listed {
            None => { "was not read: nothing but the API’s answers speaks for the deletions" }
            Some(listed) => {
                "read, with " (counted(listed, "name", "names"))
                small {
                    @if account.still_listed == 0 { "none that was deleted is among them" }
                    @else {
                        (counted(
                            account.still_listed,
                            "that was deleted is among them",
                            "that were deleted are among them",
                        ))
                    }
                }
            }
        }
    }
}

fn checkpoint(certificate: &Certificate) -> Markup {
    match &certificate.checkpoint {
        None => html! {
            @if certificate.account.checkpoints {
                p.words {
                    strong.alarm {
                        "This run was set to write checkpoints; "
                        @if certificate.looked_for_checkpoints {
                            "none of this log was found in the folder given (--checkpoint-dir)."
                        } @else { "no folder was given to look for them (--checkpoint-dir)." }
                    }
                }
            }
            p.words {
                "There is none: no signed statement about this log was found. The chain of hashes shows changes "
                "within the log; that its end was not cut off, only a copy of its head kept elsewhere can show."
            }
        },
        Some(found) => html! {
            p.words { (judged(found, certificate.account.last.seq)) }
            pre { (lines(&found.text)) }
        },
    }
}

/// What a checkpoint is worth: it vouches only where it agrees with the log and is signed.
fn judged(found: &Checkpoint, last: u64) -> Markup {
    let records = counted(found.records, "record", "records");
    html! {
        @if !found.agrees {
            strong.alarm {
                (name(&found.file)) " contradicts this log, and does not vouch for it: its head, after "
                (records) ", is not what this log has there. The log was changed or cut off, or it is an older copy."
            }
            @if !found.signed { " No signature lies beside the checkpoint." }
        } @else if found.signed {
            (name(&found.file)) " vouches for the first " (records)
            @if found.records >= last { ", this run included." } @else { "; the run ended behind them." }
            " Its head is the hash that this log has there. "
            "Whether its signature is good, the command below tells."
        } @else {
            "A checkpoint without a signature lies there (" (name(&found.file)) "): it vouches for nothing. "
            "Its head, after " (records) ", is the hash that this log has there, but anybody can have written it."
        }
    }
}
