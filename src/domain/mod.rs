//! The types and small helpers that every module shares. This module imports no other.

mod acceptance;
mod account;
mod boot_time;
mod credentials;
mod customer_request;
mod datamart;
mod decision;
mod error_chain;
mod escape;
mod event;
mod exit;
mod hex;
mod history;
mod kind;
mod lock;
mod look;
mod loopback;
mod name;
mod notice_event;
mod outcome;
mod period;
mod read_file;
mod recent_deletions;
mod redaction;
mod request;
mod session;
mod spelling;
mod standing;
mod target_account;
mod time;
mod tls;
mod token;
mod verdict;
mod webhook;
mod whole_file;

pub use acceptance::Acceptance;
pub use account::{
    ClosingListing, Gap, GapCause, Latency, LatencyBin, LogState, MissingLog, RecordMark, RunAccount,
    Stretch, Timeline,
};
pub use boot_time::BootTime;
pub use credentials::{Credentials, ReadToken};
pub use customer_request::{CustomerRequest, RequestTime, RequestTimeError};
pub use datamart::{Datamart, KeptDefinitions};
pub use decision::{Doubt, Presence, decide};
pub use error_chain::{error_chain, root_cause};
pub use event::{
    Answer, AttemptEnd, AttemptStart, NewTarget, Next, RefusedMessage, RequestedTarget, RunEvent, Seq,
    Settlement, Target,
};
pub use exit::ExitStatus;
pub use hex::hex;
pub use history::{ResultFilter, RunSummary, TargetResult};
pub use kind::{Resource, ResourceKind, TargetRole, UnknownKind};
pub use lock::lock;
pub use look::looks;
pub use loopback::is_loopback;
pub use name::{DatasourceName, MAX_NAME_BYTES, NameError};
pub use notice_event::NoticeEvent;
pub use outcome::{
    Counts, DEPENDANTS_CHANGED, DEPENDANTS_REMAIN, Evidence, GIVEN_BACK, Outcome, SkipReason, UnknownOutcome,
};
pub use period::{Period, PeriodError, SettledTarget, UnsettledRun};
pub use read_file::{read_file, read_file_or_pipe};
pub use recent_deletions::RecentDeletions;
pub use request::{RequestAnswer, RequestOrigin, SentRequest};
pub use session::{Session, SessionFacts, Unusual};
pub use spelling::{differences, is_invisible, near_miss_key, nearest, skeleton};
pub use standing::{ResourceHistory, Standing};
pub use target_account::{
    AttemptAccount, AttemptReply, ListingLook, RecordOfTarget, RunOfTarget, TargetAccount,
};
pub use time::{Clock, SystemClock, TimeError, Timestamp, seconds_up};
pub use tls::install_tls_provider;
pub use token::{Token, TokenError};
pub use verdict::Verdict;
pub use webhook::{Webhook, WebhookError};
pub use whole_file::{Place, check_folder, check_place, check_writable, write_whole_file};
