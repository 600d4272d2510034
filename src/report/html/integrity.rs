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
    let last = certificate.account.last.seq;
    match &certificate.checkpoint {
        None => html! {
            p.words {
                "There is none: no signed statement about this log was found. The chain of hashes shows changes "
                "within the log; that its end was not cut off, only a copy of its head kept elsewhere can show."
            }
        },
        Some(Checkpoint { file, text: said, records, agrees }) => html! {
            p.words {
                (name(file)) " vouches for the first " (counted(*records, "record", "records"))
                @if *records >= last { ", this run included." } @else { "; the run ended behind them." }
                " "
                @if *agrees { "Its head is the hash that this log has there." }
                @else {
                    strong.alarm { "Its head is not what this log has there: the log was changed, or is another one." }
                }
                " Whether its signature is good, the command below tells."
            }
            pre { (lines(said)) }
        },
    }
}
