//! The certificate of a run: one page that needs nothing but itself, for the screen and for paper.
//!
//! It is written piece by piece, so that memory does not grow with the run. Text gets into it through
//! [maud](maud) alone, which escapes it; the one piece that is not escaped is the style sheet.

mod charts;
mod controls;
mod exceptions;
mod integrity;
mod page;
mod run;
mod schedule;
mod scope;
mod signatures;
mod standing;
mod wording;

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::domain::{ResultFilter, RunAccount, RunSummary, TargetResult, Timestamp, hex};
use page::Page;
use standing::Standing;

/// How many rows of targets the page lists at the most; above it there is an annex.
pub const LONGEST_LIST: u64 = 5_000;

/// Hands the results of the run that pass a filter to a function, one after the other, until that returns
/// `false`.
pub type EachTarget<'a> =
    &'a mut dyn FnMut(ResultFilter<'static>, &mut dyn FnMut(TargetResult) -> bool) -> io::Result<()>;

/// What a certificate is made of.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The run.
    pub run: RunSummary,
    /// The run as a whole.
    pub account: RunAccount,
    /// In whose name it is issued.
    pub organisation: Option<String>,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// The version of decom that issues it.
    pub issued_by: String,
    /// The schedule as a file of its own, where it is too long for the page.
    pub annex: Option<Annex>,
    /// The statement about the log that fits the run best, where there is one.
    pub checkpoint: Option<Checkpoint>,
    /// Whether a folder of checkpoints was given.
    pub looked_for_checkpoints: bool,
    /// The command that checks the log.
    pub verify: String,
}

/// The schedule as a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annex {
    /// The name of the file that lies beside the page; `None` where none was written.
    pub file: Option<String>,
    /// The command that makes it.
    pub command: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A statement about the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of its file.
    pub file: String,
    /// What it says, verbatim.
    pub text: String,
    /// How many records it is about.
    pub records: u64,
    /// Whether a signature lies beside it.
    pub signed: bool,
    /// Whether this log holds the record that it names, with the hash that it names.
    pub agrees: bool,
}

impl Certificate {
    /// What the certificate is known by: the first 16 hexadecimal digits of SHA-256 over the run's id,
    /// a line feed, the hash of the run's last record in hexadecimal, and a line feed.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}\n", self.run.run_id, self.account.last.hash));
        hex(&digest[..8])
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.run, &self.account)
    }
}

/// Writes the certificate as one HTML page.
///
/// # Errors
/// Where `out` cannot be written or the targets cannot be read.
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
    page.put(&controls::section())?;
    page.put(&signatures::section(certificate))?;
    page.close(certificate)
}
