//! The certificate of a run: one self-contained page for the screen and for paper.
//!
//! It is written piece by piece, so memory does not grow with the run. Text gets into it only through [maud](maud),
//! which escapes it; only the style sheet is not escaped.

mod charts;
mod controls;
mod customer;
mod exceptions;
mod integrity;
mod page;
mod period;
mod run;
mod schedule;
mod scope;
mod sign;
mod signature;
mod signatures;
mod wording;

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::claims::{Anchoring, Facts, RunFacts};
use crate::domain::{ResultFilter, RunAccount, RunSummary, TargetResult, Timestamp, hex};
pub use customer::{CustomerCertificate, Purpose, Statement, write_customer_certificate};
pub use page::CERTIFICATE;
use page::Page;
pub use period::write_period_page;

/// The most rows of targets on the page; more of them are in an annex.
pub const LONGEST_LIST: u64 = 5_000;

/// Calls a function with the selected targets of the run, one after the other, until it returns `false`.
pub type EachTarget<'a> =
    &'a mut dyn FnMut(ResultFilter<'static>, &mut dyn FnMut(TargetResult) -> bool) -> io::Result<()>;

/// The content of a certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub run: RunSummary,
    pub account: RunAccount,
    /// The organisation that issues it.
    pub organisation: Option<String>,
    pub issued_at: Timestamp,
    /// The version of decom that issues it.
    pub issued_by: String,
    /// The schedule in a separate file, if it is too long for the page.
    pub annex: Option<Annex>,
    /// What stands behind the log from outside.
    pub anchoring: Anchoring,
    /// The command that checks the log.
    pub verify: String,
    /// The fingerprint of the key that signs this page.
    pub signed_with: Option<String>,
}

/// The schedule as a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annex {
    /// The name of the file beside the page; `None` if none was written.
    pub file: Option<String>,
    /// The command that makes it.
    pub command: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    /// Its rows, without the one of its columns.
    pub rows: u64,
}

impl Certificate {
    /// The certificate's id: the first 16 hexadecimal digits of SHA-256 over the run's id, a line feed, the hash of the
    /// run's last record in hexadecimal, and a line feed.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}\n", self.run.run_id, self.account.last.hash));
        hex(&digest[..8])
    }

    /// What its sentences rest on.
    fn facts(&self) -> Facts<'_> {
        Facts {
            run: RunFacts::of(&self.run),
            account: &self.account,
            is_approved: self.run.approved_by.is_some(),
            anchoring: &self.anchoring,
        }
    }
}

/// Writes the certificate as one HTML page.
pub fn write_certificate(
    out: &mut dyn Write,
    certificate: &Certificate,
    targets: EachTarget<'_>,
) -> io::Result<()> {
    let mut page = Page::open(out, certificate)?;
    page.put(&run::section(certificate))?;
    page.put(&scope::section(certificate))?;
    exceptions::section(&mut page, certificate, targets)?;
    page.put(&charts::section(certificate))?;
    schedule::section(&mut page, certificate, targets)?;
    page.put(&integrity::section(certificate))?;
    page.put(&controls::section(certificate))?;
    page.put(&signatures::section(certificate))?;
    page.close(certificate)
}
