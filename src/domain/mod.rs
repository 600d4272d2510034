//! The words that every room speaks. They stand at the ground and import nothing of the house.

mod account;
mod event;
mod exit;
mod history;
mod loopback;
mod name;
mod outcome;
mod sent;
mod time;
mod token;
mod verdict;
mod webhook;

pub use account::{
    Latency, LatencyBin, LogState, Pause, PauseCause, RecordMark, RunAccount, ScheduledTarget, Stretch,
    Timeline, Wanted,
};
pub use event::{
    Answer, AttemptEnd, AttemptStart, NewTarget, RefusedMessage, RequestedTarget, RunEvent, Seq, Settlement,
    Target,
};
pub use exit::ExitStatus;
pub use history::{HistoryEntry, RunSummary, TargetResult};
pub use loopback::is_loopback;
pub use name::{DatasourceName, MAX_NAME_BYTES, NameError};
pub use outcome::{Counts, Evidence, GIVEN_BACK, Outcome, SkipReason, UnknownOutcome};
pub use sent::{SentAnswer, SentBy, SentRequest};
pub use time::{Clock, SystemClock, TimeError, Timestamp};
pub use token::{Token, TokenError};
pub use verdict::Verdict;
pub use webhook::{Webhook, WebhookError};
