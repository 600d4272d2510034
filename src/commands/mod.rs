//! The commands: each wires the rooms together for one thing that users ask for.

mod audit;
mod certificate;
mod context;
mod enqueue;
mod error;
mod execution;
mod intake;
mod interrupts;
mod output;
mod permission;
mod plan;
mod queue;
mod reach;
mod rehearse;
mod report;
mod resume;
mod retry;
mod run;
mod survey;
mod telling;
mod watching;
mod work;

pub use audit::{
    CheckpointRequest, ExportFormat, ExportRequest, MergeRequest, RotateRequest, UnknownExportFormat,
    VerifyRequest, checkpoint, export, merge, rotate, verify,
};
pub use context::{Options, World};
pub use enqueue::{EnqueueRequest, enqueue};
pub use error::CommandError;
pub use intake::InputRequest;
pub use interrupts::Interrupts;
pub use plan::{PlanRequest, plan};
pub use rehearse::{RehearseRequest, rehearse};
pub use report::{ReportRequest, RunsRequest, report, runs};
pub use resume::{ResumeRequest, resume};
pub use retry::{RetryRequest, retry};
pub use run::{RunInput, RunRequest, run};
pub use work::{WorkRequest, work};
