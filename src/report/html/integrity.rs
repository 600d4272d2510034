//! The evidence for the page: the log, its last records, its checkpoint, and how to check them.

use maud::{Markup, html};

use super::Certificate;
use super::signature::signature;
use super::wording::{code, counted, exact_time, lines, name, number, text, unbroken};
use crate::report::claims::Anchoring;

pub(super) fn section(certificate: &Certificate) -> Markup {
    let (account, facts) = (&certificate.account, certificate.facts());
    html! {
        section #integrity {
            h2 { span.no { "6" } "Integrity" }
            p.words { (facts.basis()) }
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
                @if let Some(fingerprint) = &certificate.signed_with {
                    div { dt { "Signature" } dd { (signature(Some(fingerprint))) } }
                }
                div { dt { "Requests" } dd { (noted(&facts.requests())) } }
                div { dt { "Listing afterwards" } dd { (noted(&facts.listing())) } }
                @if let Some(definitions) = facts.definitions() {
                    div { dt { "Definitions of datamarts" } dd { (noted(&definitions)) } }
                }
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
            p.words { (facts.verification()) }
            pre.command { (certificate.verify) }
        }
    }
}

/// A statement, and a note on it.
fn noted((said, note): &(String, String)) -> Markup {
    html! { (unbroken(said)) small { (unbroken(note)) } }
}

fn checkpoint(certificate: &Certificate) -> Markup {
    let (sentences, is_alarm) = certificate.facts().checkpoint();
    let file = match &certificate.anchoring {
        Anchoring::Found(found) => Some(found),
        Anchoring::NotLooked | Anchoring::NotFound => None,
    };
    html! {
        @if let Some(found) = file { p.words { (name(&found.file)) } }
        p.words {
            @for (index, sentence) in sentences.iter().enumerate() {
                @if index > 0 { " " }
                @if is_alarm && index == 0 { strong.alarm { (text(&unbroken(sentence))) } }
                @else { (text(&unbroken(sentence))) }
            }
        }
        @if let Some(found) = file { pre { (lines(&found.text)) } }
    }
}
