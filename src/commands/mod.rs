//! The commands. Each wires the other modules together for one thing that users ask for, and reads in the order of
//! the flow: settings (`context`), access to the API (`access`), input (`intake`), a look at what exists and what the
//! guards say (`survey`), the question (`proposal`), the run (`execution`), its end (`ending`).

mod access;
mod along;
mod anchored;
mod audit;
mod budget;
mod certificate;
mod check;
mod clock;
mod completions;
mod config;
mod context;
mod customer;
mod ending;
mod enqueue;
mod error;
mod execution;
mod holds;
mod instance;
mod intake;
mod interrupts;
mod list;
mod listings;
mod log;
mod man;
mod notices;
mod observed;
mod observers;
mod output;
mod period;
mod permission;
mod plan;
mod proposal;
mod queue;
mod rehearse;
mod report;
mod resume;
mod retry;
mod run;
mod runtime;
mod session;
mod show;
mod signed;
mod summing;
mod survey;
mod work;

pub use anchored::CheckpointSigners;
pub use audit::{
    CheckpointRequest, ExportFormat, ExportRequest, MergeRequest, RotateRequest, UnknownExportFormat,
    VerifyRequest, checkpoint, export, merge, rotate, verify,
};
pub use check::check;
pub use completions::{CompletionsRequest, Shell, completions};
pub use config::{ConfigRequest, config};
pub use context::{Options, World};
pub use enqueue::{EnqueueRequest, enqueue};
pub use error::CommandError;
pub use intake::InputRequest;
pub use interrupts::Interrupts;
pub use list::{ListRequest, list};
pub use man::{ManRequest, man};
pub use period::PeriodRequest;
pub use plan::{PlanRequest, plan};
pub use proposal::can_ask;
pub use rehearse::{RehearseRequest, rehearse};
pub use report::{ReportRequest, RunsRequest, report, runs};
pub use resume::{ResumeRequest, resume};
pub use retry::{RetryRequest, retry};
pub use run::{RunInput, RunRequest, run};
pub use show::{ShowRequest, show};
pub use work::{WorkRequest, work};
