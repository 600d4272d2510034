//! `decom report --from DATE --to DATE`: the arguments.

use clap::Args;

use crate::commands::PeriodRequest;

#[derive(Debug, Args)]
pub(super) struct PeriodArgs {
    /// Report all that got its outcome from this day on, 00:00 UTC; over the closed logs before this one, too
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with_all = ["wanted", "datasource"], help_heading = "Period")]
    from: Option<String>,
    /// The last day of the period, all of it
    #[arg(long, value_name = "DATE", requires = "from", help_heading = "Period")]
    to: Option<String>,
    /// Draw so many targets of the period, with all details
    #[arg(long, value_name = "N", requires_all = ["from", "seed"], help_heading = "Period")]
    sample: Option<usize>,
    /// A number that whoever wants the sample picks after seeing the digest of the population
    #[arg(long, value_name = "N", requires = "sample", help_heading = "Period")]
    seed: Option<u64>,
}

impl PeriodArgs {
    pub(super) fn request(self) -> Option<PeriodRequest> {
        let (Some(from), Some(to)) = (self.from, self.to) else { return None };
        Some(PeriodRequest { from, to, sample: self.sample.zip(self.seed) })
    }
}
