//! The certificate for one customer: what became of its datasource, and of the datamarts that were deleted with it.
//!
//! It goes to a third party, so it holds no name of anybody else: no message of the API, which may quote any name, no
//! label of an input or a plan, no path, and no reason or ticket that mentions another target of its run.

mod evidence;
mod request;
mod statement;
mod work;

use std::io::{self, Write};

use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::page::{Frame, Page};
use super::wording::{self, code, name, text};
use crate::domain::{ResourceHistory, ResourceKind, Standing, Timestamp, hex};
use crate::report::NameHistory;
use crate::report::claims::Anchoring;
use statement::{sign, statement, status};

const STYLE: &str = include_str!("customer.css");

/// The content of a certificate for one customer.
#[derive(Debug, Clone)]
pub struct CustomerCertificate {
    pub history: NameHistory,
    /// Of each account of the history, in its order: the reason and the ticket that may be shown.
    pub purposes: Vec<Purpose>,
    /// The organisation that issues it.
    pub organisation: Option<String>,
    pub issued_at: Timestamp,
    /// The version of decom that issues it.
    pub issued_by: String,
    /// What stands behind the log that holds the newest account.
    pub anchoring: Anchoring,
    /// The fingerprint of the key that signs this page.
    pub signed_with: Option<String>,
}

/// Why a target was to be deleted, as far as it may be shown to its customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose {
    pub reason: Statement,
    pub ticket: Statement,
}

/// A text of the log on a page for a third party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Statement {
    #[default]
    None,
    Text(String),
    /// There is one, and it is not shown because it is about other targets as well.
    LeftOut,
}

impl CustomerCertificate {
    /// The certificate's id: the first 16 hexadecimal digits of SHA-256 over the name and the hashes of the records that
    /// the page lists, in its order, each followed by a line feed.
    #[must_use]
    pub fn id(&self) -> String {
        let mut digest = Sha256::new();
        let hashes = evidence::records(&self.history).into_iter().map(|(_, record)| record.hash.as_str());
        for line in [self.history.name.as_str()].into_iter().chain(hashes) {
            digest.update(line);
            digest.update("\n");
        }
        hex(&digest.finalize()[..8])
    }

    /// The latest time of a record that the page lists.
    #[must_use]
    pub fn last_record_at(&self) -> Option<Timestamp> {
        evidence::records(&self.history).into_iter().map(|(_, record)| record.at).max()
    }

    fn is_rehearsal(&self) -> bool {
        self.history.accounts.iter().any(|account| account.run.rehearsal)
    }

    fn title(&self, worst: Standing) -> &'static str {
        match (self.is_rehearsal(), worst.is_gone()) {
            (true, _) => "Rehearsal of a deletion",
            (false, true) => "Certificate of deletion",
            (false, false) => "Statement on a deletion",
        }
    }
}

/// Writes the certificate as one HTML page.
pub fn write_customer_certificate(out: &mut dyn Write, certificate: &CustomerCertificate) -> io::Result<()> {
    let resources = certificate.history.resources();
    let worst = resources.iter().map(|resource| resource.standing).max().unwrap_or(Standing::Unclear);
    let (title, id) = (certificate.title(worst), certificate.id());
    let frame = Frame {
        title,
        id: &id,
        rehearsal: certificate.is_rehearsal(),
        issued_by: &certificate.issued_by,
        style: STYLE,
    };
    let mut page = Page::begin(out, &frame)?;
    page.put(&masthead(certificate, &resources, worst, &frame))?;
    page.put(&request::section(certificate, &resources))?;
    page.put(&work::section(&resources))?;
    page.put(&scope(certificate, &resources))?;
    page.put(&evidence::section(certificate))?;
    page.end(&foot(certificate, &frame))
}

fn masthead(
    certificate: &CustomerCertificate,
    resources: &[ResourceHistory<'_>],
    worst: Standing,
    frame: &Frame<'_>,
) -> Markup {
    let (class, word) = status(worst);
    html! {
        header.masthead {
            div.title {
                @if let Some(organisation) = &certificate.organisation {
                    p.organisation { bdi { (text(organisation)) } }
                }
                h1 { (frame.title) }
                dl.identity {
                    div { dt { "Of" } dd { (name(&certificate.history.name)) } }
                    div { dt { (if frame.rehearsal { "Id" } else { "Certificate" }) } dd { (code(frame.id)) } }
                    div { dt { "Issued" } dd { (wording::time(&certificate.issued_at.to_string())) " UTC" } }
                }
            }
            div class=(format!("status {class}")) {
                (sign(class))
                p { span.label { "Status" } strong { (word) } }
            }
            div.sentence { @for resource in resources { p { (statement(resource)) } } }
        }
    }
}

/// What the page is about, and what it is not about.
fn scope(certificate: &CustomerCertificate, resources: &[ResourceHistory<'_>]) -> Markup {
    let datamarts = resources.iter().any(|resource| resource.kind == ResourceKind::Datamart);
    html! {
        section #scope {
            h2 { span.no { "3" } "What this page covers" }
            ul.limits {
                li {
                    "It covers Databrain’s configuration: the datasource, which is the connection to a database and the "
                    "schemas cached of it" @if datamarts { ", and the datamarts named above" } "."
                }
                li {
                    "It does not cover the customer’s own database, backups of it or of Databrain, copies elsewhere, "
                    "or the vendor’s logs."
                }
                li {
                    "It is made from an audit log of decom, and knows of requests that decom sent. What was done by "
                    "other means is not in it."
                }
                @for missing in &certificate.history.missing {
                    li {
                        strong.alarm {
                            "An earlier audit log (" (code(&missing.log_id)) ", " (wording::counted(missing.records, "record", "records"))
                            ") was not at hand. What it holds of this name is not on this page."
                        }
                    }
                }
            }
        }
    }
}

fn foot(certificate: &CustomerCertificate, frame: &Frame<'_>) -> Markup {
    html! {
        footer {
            p {
                (frame.title) " " (code(frame.id)) ", issued " (wording::time(&certificate.issued_at.to_string()))
                " UTC by decom " (text(&certificate.issued_by)) " from the audit log."
            }
        }
    }
}
