//! The run: where, when, by whom, and why.

use std::time::Duration;

use maud::{Markup, html};

use super::Certificate;
use super::wording::{code, duration, maybe, text, time};
use crate::report::claims::{account_of, way_of};

pub(super) fn section(certificate: &Certificate) -> Markup {
    let (run, account) = (&certificate.run, &certificate.account);
    let took = duration_of_run(certificate);
    html! {
        section #run {
            h2 { span.no { "1" } "Run" }
            div.columns {
                dl.facts {
                    div {
                        dt { "Organisation" }
                        dd {
                            @match &certificate.organisation {
                                Some(organisation) => { bdi { (text(organisation)) } }
                                None => { span.none { "not named" } }
                            }
                        }
                    }
                    div { dt { "API host" } dd { (code(&host(&run.base_url))) small { (text(&run.base_url)) } } }
                    div {
                        dt { "Period (UTC)" }
                        dd {
                            (time(&run.started_at)) " – "
                            @match &run.finished_at {
                                Some(at) => { (time(at)) }
                                None => { span.none { "not ended" } }
                            }
                            small {
                                @if let Some(took) = took { (duration(took)) }
                                @if account.resumed == 1 { ", interrupted and resumed once" }
                                @if account.resumed > 1 { ", interrupted and resumed " (account.resumed) " times" }
                            }
                        }
                    }
                    div { dt { "Machine" } dd { bdi { (text(&run.host)) } small { "decom " (text(&run.tool_version)) } } }
                    div { dt { "Connection" } dd { (connection(certificate)) } }
                }
                dl.facts {
                    div { dt { "Carried out by" } dd { (sessions(certificate)) } }
                    div { dt { "Approved by" } dd { (approval(certificate)) } }
                    div { dt { "Ticket" } dd { (maybe(run.ticket.as_deref())) } }
                    div { dt { "Reason" } dd { (maybe(run.reason.as_deref())) } }
                    @if let Some(earlier) = &run.retry_of {
                        div { dt { "Retry of run" } dd { (code(earlier)) } }
                    }
                }
            }
        }
    }
}

/// Each stretch of the run, with who ran it.
fn sessions(certificate: &Certificate) -> Markup {
    let sessions = &certificate.account.sessions;
    html! {
        @for session in sessions {
            p.session {
                (maybe(session.facts.operator.as_deref()))
                small {
                    (text(&account_of(&session.facts)))
                    @if sessions.len() > 1 {
                        "; " (time(&session.from.to_string())) " – "
                        @match session.to {
                            Some(to) => { (time(&to.to_string())) }
                            None => { "its end is not recorded" }
                        }
                    }
                }
            }
        }
    }
}

/// How the server was reached, of each stretch that differs from the one before.
fn connection(certificate: &Certificate) -> Markup {
    let mut ways: Vec<_> =
        certificate.account.sessions.iter().map(|session| way_of(&session.facts)).collect();
    ways.dedup();
    html! {
        @for way in &ways {
            @for (index, known) in way.iter().enumerate() {
                @if index == 0 { p.session { (text(known)) } } @else { small { (text(known)) } }
            }
        }
    }
}

fn approval(certificate: &Certificate) -> Markup {
    let account = &certificate.account;
    html! {
        @match &certificate.run.approved_by {
            Some(approver) => {
                bdi { (text(approver)) }
                small {
                    "by a signature of the plan, which was checked before the run began"
                    @if let Some(key) = &account.approved_with { "; key " (code(key)) }
                }
            }
            None => { span.none { "no approval is recorded" } }
        }
        @if let Some(creator) = &account.plan_creator { small { "plan made by " bdi { (text(creator)) } } }
    }
}

/// The start of the run. The timeline consists of whole stretches and may begin a little earlier.
fn start(certificate: &Certificate) -> crate::domain::Timestamp {
    certificate.run.started_at.parse().unwrap_or(certificate.account.timeline.start)
}

/// How long the run took, if it has ended.
fn duration_of_run(certificate: &Certificate) -> Option<Duration> {
    certificate.run.finished_at.as_ref().map(|_| certificate.account.last.at.since(start(certificate)))
}

fn host(base_url: &str) -> String {
    let host = url::Url::parse(base_url).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    });
    host.unwrap_or_else(|| base_url.to_owned())
}
