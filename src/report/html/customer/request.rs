//! What was asked for, when and by whom.

use maud::{Markup, html};

use super::{CustomerCertificate, Purpose, Statement};
use crate::domain::{CustomerRequest, ResourceHistory, ResourceKind, TargetAccount};
use crate::report::html::wording::{code, maybe, text, time};
use crate::report::show::days_in_words;

pub(super) fn section(certificate: &CustomerCertificate, resources: &[ResourceHistory<'_>]) -> Markup {
    // The datasource comes first; a datamart goes with it.
    let Some(resource) = resources.first() else { return html! {} };
    let (account, asked) = (resource.deciding, asked(resource));
    let purpose = purpose_of(certificate, asked);
    let days = account.is_deletion().then(|| asked.request.days_until(account.settled_at()?)).flatten();
    let others = resources.iter().filter(|other| other.kind == ResourceKind::Datamart).count();
    html! {
        section #request {
            h2 { span.no { "1" } "Request" }
            div.columns {
                dl.facts {
                    div { dt { "Customer" } dd { (maybe(asked.request.customer.as_deref())) } }
                    div {
                        dt { "Requested" }
                        dd {
                            (maybe(asked.request.requested_at.as_deref()))
                            @if let Some(days) = days { small { "deleted " (days_in_words(days)) } }
                        }
                    }
                    div { dt { "Ticket" } dd { (stated(&purpose.ticket)) } }
                    div { dt { "Reason" } dd { (stated(&purpose.reason)) } }
                }
                dl.facts {
                    div {
                        dt { "Asked for" }
                        dd {
                            "deletion of 1 " (resource.kind)
                            @if others > 0 && resource.kind == ResourceKind::Datasource {
                                " and its " (others) @if others == 1 { " datamart" } @else { " datamarts" }
                            }
                        }
                    }
                    div {
                        dt { "Carried out by" }
                        dd { (maybe(account.run.operator.as_deref())) small { "the operator, as stated" } }
                    }
                    @if let Some(approver) = &account.run.approved_by {
                        div {
                            dt { "Approved by" }
                            dd { bdi { (text(approver)) } small { "by a signature of the plan, checked before the run began" } }
                        }
                    }
                    div {
                        dt { "Run" }
                        dd {
                            (code(&account.run.run_id))
                            small { "begun " (time(&account.run.started_at.to_string())) " UTC" }
                        }
                    }
                }
            }
        }
    }
}

/// The newest account that says who asked for it; if none does, the one that decided what became of it.
fn asked<'a>(resource: &ResourceHistory<'a>) -> &'a TargetAccount {
    let says = |account: &&&TargetAccount| account.request != CustomerRequest::default();
    resource.accounts.iter().rev().find(says).copied().unwrap_or(resource.deciding)
}

/// The purpose of an account of the history.
fn purpose_of(certificate: &CustomerCertificate, account: &TargetAccount) -> Purpose {
    let accounts = certificate.history.accounts.iter().zip(&certificate.purposes);
    let mut found =
        accounts.filter(|(known, _)| std::ptr::eq(*known, account)).map(|(_, purpose)| purpose.clone());
    found.next_back().unwrap_or_default()
}

fn stated(statement: &Statement) -> Markup {
    html! {
        @match statement {
            Statement::Text(said) => { bdi { (text(said)) } }
            Statement::LeftOut => { span.none { "recorded, and not shown: it is about other targets as well" } }
            Statement::None => { span.none { "not recorded" } }
        }
    }
}
