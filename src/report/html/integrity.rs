//! The evidence for the page: the log, its last records, its checkpoint, and how to check them.

use maud::{Markup, html};

use super::wording::{code, counted, exact_time, lines, name, number};
use super::{Certificate, Checkpoint};

pub(super) fn section(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        section #integrity {
            h2 { span.no { "6" } "Integrity" }
            p.words {
                "This page was made from the audit log: an append-only file in which each record holds the SHA-256 of "
                "the one before, and in which each request is recorded before it is sent. Before this page was made, "
                "the log was checked: every record matches its hash. Everyone who has the log can check it again "
                "with the command below, and make this page again from it."
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
                    dt { "The log at the time of issue" }
                    dd {
                        (counted(account.log.head.seq, "record", "records")) "; hash of the last one"
                        small { (code(&account.log.head.hash)) }
                    }
                }
                div {
                    dt { "Certificate id" }
                    dd {
                        (code(&certificate.id()))
                        small {
                            "the first 16 digits of the SHA-256 over the run’s id and the hash of its last record, each "
                            "followed by a line feed"
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
                            small { "a keyed fingerprint; the log does not hold the token" }
                        }
                    }
                }
            }
            h3 { "Checkpoint" }
            (checkpoint(certificate))
            h3 { "How to check it" }
            p.words {
                "This command needs the audit log. It finds records that were changed, inserted or removed; "
                @if certificate.checkpoint.is_some() {
                    "with the checkpoints, and the keys of those who may sign them, it also finds a log that was cut "
                    "off at its end or replaced."
                } @else {
                    "without a checkpoint it finds neither a log that was cut off at its end nor one that was written "
                    "again as a whole."
                }
            }
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
            @if account.unanswered == 0 { "the result of each is in the log" }
            @else { (counted(account.unanswered, "attempt has", "attempts have")) " no result in the log" }
        }
    }
}

fn listing(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        @match account.listed {
            None => { "not read: the outcomes rest on the API’s replies alone" }
            Some(listed) => {
                "read, with " (counted(listed, "name", "names"))
                small {
                    @if account.still_listed == 0 { "no deleted datasource is among them" }
                    @else {
                        (counted(
                            account.still_listed,
                            "deleted datasource is among them",
                            "deleted datasources are among them",
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
                        "This run was configured to write checkpoints; "
                        @if certificate.looked_for_checkpoints {
                            "none of this log was found in the given folder (--checkpoint-dir)."
                        } @else { "no folder of checkpoints was given (--checkpoint-dir)." }
                    }
                }
            }
            p.words {
                "None was found. The chain of hashes shows changes within the log. Only a copy of its last hash, kept "
                "elsewhere, can show that its end was not cut off."
            }
        },
        Some(found) => html! {
            p.words { (checkpoint_result(found, certificate.account.last.seq)) }
            pre { (lines(&found.text)) }
        },
    }
}

/// What a checkpoint shows. Its signature is not checked here.
fn checkpoint_result(found: &Checkpoint, last: u64) -> Markup {
    let records = counted(found.records, "record", "records");
    html! {
        @if !found.agrees {
            strong.alarm {
                (name(&found.file)) " contradicts this log: the hash that it names after " (records)
                " is not the hash of that record here. The log was changed or cut off, or it is an older copy."
            }
            @if !found.signed { " The checkpoint has no signature beside it." }
        } @else {
            (name(&found.file)) " covers the first " (records)
            @if found.records >= last { ", which include this run." } @else { "; the run ended after them." }
            " The hash that it names is the hash of that record here. "
            @if found.signed { "Its signature was not checked for this page; the command below checks it." }
            @else { "It has no signature beside it, so it proves nothing: anyone can have written it." }
        }
    }
}
