//! `decom report --from DATE --to DATE`: everything that was deleted in a period.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CommandError;
use super::anchored::{newest_anchoring, verified};
use super::context::{Context, VERSION, quoted};
use super::output::{Destination, ReadError, to_file, to_new_file, written};
use super::report::ReportRequest;
use super::show::warn_of_missing;
use super::signed::{signing_key, write_page};
use super::summing::{Sum, SummingWriter};
use crate::audit::verify::Verification;
use crate::audit::{AuditReader, LogSeries};
use crate::domain::{ExitStatus, Period, Place, SettledTarget};
use crate::report::{
    Format, POPULATION, PeriodCounts, PeriodLog, PeriodReport, Population, PopulationWriter, RunFormat,
    Sample, SampleDraw, write_period, write_period_page,
};
use crate::sshsig::SigningKey;

/// A period that is asked for.
#[derive(Debug, Clone)]
pub struct PeriodRequest {
    /// The first day, in UTC.
    pub from: String,
    /// The last day.
    pub to: String,
    /// How many targets are drawn, and the seed.
    pub sample: Option<(usize, u64)>,
}

/// Reports the period over the log, the closed logs before it, and what was merged.
pub(super) fn issue(
    wanted: &PeriodRequest,
    request: &ReportRequest,
    context: &Context<'_>,
) -> Result<ExitStatus, CommandError> {
    let period =
        Period::new(&wanted.from, &wanted.to).map_err(|error| CommandError::Usage(error.to_string()))?;
    let log = &context.settings.audit.db;
    let out = Destination { path: request.out.as_deref(), force: request.force };
    let is_page = request.format == RunFormat::Certificate;
    if wanted.sample.is_some() && request.format == RunFormat::Plain(Format::Csv) {
        return Err(CommandError::Usage(
            "the CSV is the population, and a sample is drawn from it; use another --format, or leave out --sample"
                .to_owned(),
        ));
    }
    let key = if is_page { signing_key(context, out)? } else { None };
    let paths = LogSeries::open(log)?.paths();
    // While they are checked nobody may have them open.
    let mut checked = Vec::new();
    for path in &paths {
        checked.extend(verified(path, &request.signers, context)?);
    }
    let series = LogSeries::open(log)?;
    let moments = series.readers().map(AuditReader::hold_still).collect::<Result<Vec<_>, _>>()?;
    let source = Source::new(&series, &period)?;
    if request.format == RunFormat::Plain(Format::Csv) {
        warn_of_missing(series.missing());
        let read_error = ReadError::default();
        let mut write = |out: &mut dyn Write| source.write(out, &read_error, &mut |_| {});
        let result = written(out, log, Place::Kind(POPULATION), &mut write);
        return read_error.or(result).map(|()| ExitStatus::Done);
    }
    let (population, counts) = population(&source, wanted, out.path.filter(|_| is_page), request.force, log)?;
    let sample = sample(&source, wanted, &population)?;
    let report = PeriodReport {
        unsettled: source.unsettled()?,
        logs: source.logs(&checked, context)?,
        missing: series.missing().to_vec(),
        rehearsal: source.rehearsal,
        rehearsed: source.rehearsed,
        organisation: context.settings.report.organisation.clone(),
        issued_at: request.issued_at.unwrap_or_else(|| context.world.clock.timestamp()),
        issued_by: VERSION.to_owned(),
        signed_with: key.as_ref().map(SigningKey::fingerprint),
        period: period.clone(),
        population,
        counts,
        sample,
    };
    drop(moments);
    match request.format {
        RunFormat::Plain(format) => {
            let mut write = |out: &mut dyn Write| write_period(out, format, &report);
            written(out, log, Place::Kind(BEGINNINGS), &mut write)?;
        }
        RunFormat::Certificate => {
            let mut page = Vec::new();
            write_period_page(&mut page, &report).map_err(CommandError::Terminal)?;
            write_page(&page, key.as_ref(), out, log)?;
        }
    }
    Ok(ExitStatus::Done)
}

/// How a report of a period begins, in whatever format.
const BEGINNINGS: &[&str] = &["Period 0000-", "REHEARSAL: nothing", "# Period 0000-", "{\"counts\":{"];

/// The targets of a period, as often as they are asked for.
struct Source<'a> {
    series: &'a LogSeries,
    period: &'a Period,
    /// How many targets there are.
    targets: u64,
    /// There is nothing but rehearsals.
    rehearsal: bool,
    /// How many targets of rehearsals are left out.
    rehearsed: u64,
}

impl<'a> Source<'a> {
    fn new(series: &'a LogSeries, period: &'a Period) -> Result<Self, CommandError> {
        let (mut real, mut rehearsed) = (0, 0);
        for reader in series.readers() {
            let (of_reader, rehearsed_in_it) = reader.settled_counts(period)?;
            real += of_reader;
            rehearsed += rehearsed_in_it;
        }
        let rehearsal = real == 0 && rehearsed > 0;
        let (targets, rehearsed) = if rehearsal { (rehearsed, 0) } else { (real, rehearsed) };
        Ok(Self { series, period, targets, rehearsal, rehearsed })
    }

    /// Hands each target to `take`.
    fn each(
        &self,
        read_error: &ReadError,
        take: &mut dyn FnMut(&SettledTarget) -> io::Result<()>,
    ) -> io::Result<()> {
        for reader in self.series.readers() {
            let mut written = Ok(());
            let read = reader.each_settled(self.period, &mut |target| {
                if target.run.rehearsal == self.rehearsal {
                    written = take(target);
                }
                written.is_ok()
            });
            read_error.keep(read)?;
            written?;
        }
        Ok(())
    }

    /// Writes the population, and hands each target to `see`.
    fn write(
        &self,
        out: &mut dyn Write,
        read_error: &ReadError,
        see: &mut dyn FnMut(&SettledTarget),
    ) -> io::Result<()> {
        let mut rows = PopulationWriter::new(out, self.targets)?;
        self.each(read_error, &mut |target| {
            see(target);
            rows.add(target)
        })?;
        rows.finish()
    }

    fn unsettled(&self) -> Result<Vec<crate::domain::UnsettledRun>, CommandError> {
        let mut all = Vec::new();
        for reader in self.series.readers() {
            all.extend(reader.unsettled_runs(self.period)?);
        }
        Ok(all)
    }

    fn logs(&self, checked: &[Verification], context: &Context<'_>) -> Result<Vec<PeriodLog>, CommandError> {
        let mut all = Vec::new();
        for reader in self.series.readers() {
            let file = reader.path().display().to_string();
            let logs = reader.logs_now()?.into_iter();
            all.extend(logs.map(|(state, begun_at)| {
                let anchoring = newest_anchoring(checked, &state.id, context);
                PeriodLog { state, begun_at, file: file.clone(), anchoring }
            }));
        }
        Ok(all)
    }
}

/// Writes the population beside the page at `page`, or, if there is none, only computes its digest.
fn population(
    source: &Source<'_>,
    wanted: &PeriodRequest,
    page: Option<&Path>,
    force: bool,
    log: &Path,
) -> Result<(Population, PeriodCounts), CommandError> {
    let read_error = ReadError::default();
    let (mut sum, mut counts) = (Sum::default(), PeriodCounts::default());
    let mut write = |out: &mut dyn Write| {
        let mut out = SummingWriter { out, sum: &mut sum };
        source.write(&mut out, &read_error, &mut |target| counts.add(target))
    };
    let path = page.map(beside);
    let result = match &path {
        Some(path) if force => to_file(path, log, Place::Kind(POPULATION), &mut write),
        Some(path) => to_new_file(path, log, &mut write),
        None => write(&mut io::sink()).map_err(CommandError::Terminal),
    };
    read_error.or(result)?;
    let file = path.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let command = [
        "decom",
        "report",
        "--from",
        &wanted.from,
        "--to",
        &wanted.to,
        "--format",
        "csv",
        "--audit-db",
        &log.display().to_string(),
        "--out",
        file.as_deref().unwrap_or("population.csv"),
    ];
    let command = quoted(&command.map(str::to_owned));
    Ok((Population { sha256: sum.hex(), bytes: sum.bytes, file, command }, counts))
}

/// The population of the page at `page`.
fn beside(page: &Path) -> PathBuf {
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    page.with_file_name(format!("{stem}-population.csv"))
}

/// Draws the sample.
fn sample(
    source: &Source<'_>,
    wanted: &PeriodRequest,
    population: &Population,
) -> Result<Option<Sample>, CommandError> {
    let Some((wanted, seed)) = wanted.sample else { return Ok(None) };
    let mut draw = SampleDraw::new(seed, &population.sha256, wanted);
    let read_error = ReadError::default();
    let result = source.each(&read_error, &mut |target| {
        draw.add(&target.run.run_id, target.result.target);
        Ok(())
    });
    read_error.or(result.map_err(CommandError::Terminal))?;
    let mut accounts = Vec::new();
    for (run_id, target) in draw.finish() {
        for reader in source.series.readers() {
            if reader.has_run(&run_id)? {
                accounts.push(reader.target_account(&run_id, target)?);
                break;
            }
        }
    }
    Ok(Some(Sample { seed, wanted, accounts }))
}
