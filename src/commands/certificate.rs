//! `decom report --format html`: the certificate of a run, and its annex if it needs one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CommandError;
use super::anchored::anchoring;
use super::context::{Context, VERSION, quoted};
use super::output::{Destination, ReadError, to_file, to_new_file};
use super::signed::{signing_key, write_page};
use super::summing::{Sum, SummingWriter};
use crate::audit::AuditReader;
use crate::audit::verify::Verification;
use crate::domain::{ExitStatus, Place, RunSummary, Timestamp};
use crate::report::{
    self, Annex, Certificate, EachResult, EachTarget, Format, LONGEST_LIST, write_certificate,
};
use crate::sshsig::SigningKey;

/// Issues the certificate of the wanted run, or of the newest, to `out` or to standard output.
pub(super) fn issue(
    wanted: Option<&str>,
    out: Destination<'_>,
    issued_at: Option<Timestamp>,
    context: &Context<'_>,
    (reader, verified): (&AuditReader, &[Verification]),
) -> Result<ExitStatus, CommandError> {
    // A run may not be over yet: the page and its annex are of one moment.
    let moment = reader.hold_still()?;
    let run = reader.run(wanted)?;
    let account = reader.account(&run.run_id)?;
    if let Some(at) = issued_at.filter(|at| *at < account.last.at) {
        return Err(CommandError::Usage(format!(
            "--issued-at {at} is before the last record of run {} ({}); name a time after it",
            run.run_id, account.last.at
        )));
    }
    let key = signing_key(context, out)?;
    let annex = if run.counts.planned() > LONGEST_LIST { Some(annex(&run, out, reader)?) } else { None };
    let folder = context.settings.audit.checkpoint_dir.as_deref();
    let log = verified.iter().find(|log| log.log_id.as_ref() == Some(&account.log.id));
    let anchor = log.and_then(|log| log.anchors.for_run(account.last.seq));
    let certificate = Certificate {
        organisation: context.settings.report.organisation.clone(),
        issued_at: issued_at.unwrap_or_else(|| context.world.clock.timestamp()),
        issued_by: VERSION.to_owned(),
        annex,
        anchoring: anchoring(anchor, context),
        verify: verification(reader.path(), folder, account.checkpoints),
        run,
        account,
        signed_with: key.as_ref().map(SigningKey::fingerprint),
    };
    let read_error = ReadError::default();
    let run_id = &certificate.run.run_id;
    let targets: EachTarget<'_> =
        &mut |filter, take| read_error.keep(reader.each_result(run_id, filter, take));
    // It has an upper limit of rows, and a signature is over all of it.
    let mut page = Vec::new();
    let made = write_certificate(&mut page, &certificate, targets).map_err(CommandError::Terminal);
    drop(moment);
    read_error.or(made)?;
    write_page(&page, key.as_ref(), out, reader.path())?;
    Ok(ExitStatus::Done)
}

/// Writes the schedule beside the page, or, for a page on standard output, only computes its digest.
fn annex(run: &RunSummary, page: Destination<'_>, reader: &AuditReader) -> Result<Annex, CommandError> {
    let read_error = ReadError::default();
    let mut sum = Sum::default();
    let mut write = |out: &mut dyn Write| {
        let results: EachResult<'_> =
            &mut |take| read_error.keep(reader.each_result(&run.run_id, Format::Csv.lists(), take));
        report::write_report(&mut SummingWriter { out, sum: &mut sum }, Format::Csv, run, results, false)
    };
    let path = page.path.map(beside);
    let written = match &path {
        Some(path) if page.force => {
            to_file(path, reader.path(), Place::Kind(Format::Csv.beginnings()), &mut write)
        }
        Some(path) => to_new_file(path, reader.path(), &mut write),
        None => write(&mut io::sink()).map_err(CommandError::Terminal),
    };
    read_error.or(written)?;
    let file = path.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let log = reader.path().display().to_string();
    let mut command =
        ["decom", "report", &run.run_id, "--format", "csv", "--audit-db", &log].map(str::to_owned).to_vec();
    command
        .extend(["--out".to_owned(), file.clone().unwrap_or_else(|| format!("{}-schedule.csv", run.run_id))]);
    Ok(Annex {
        file,
        command: quoted(&command),
        sha256: sum.hex(),
        bytes: sum.bytes,
        rows: run.counts.planned(),
    })
}

/// The annex of the page at `page`.
fn beside(page: &Path) -> PathBuf {
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    page.with_file_name(format!("{stem}-schedule.csv"))
}

/// The command that checks the log, and its checkpoints if there is a folder of them, or should be.
fn verification(log: &Path, checkpoints: Option<&Path>, expected: bool) -> String {
    let mut words = ["decom", "audit", "verify", "--audit-db"].map(str::to_owned).to_vec();
    words.push(log.display().to_string());
    if let Some(folder) = checkpoints.or_else(|| expected.then(|| Path::new("DIR"))) {
        words.extend(["--checkpoints".to_owned(), folder.display().to_string()]);
        words.extend(["--allowed-signers", "FILE"].map(str::to_owned));
    }
    quoted(&words)
}
