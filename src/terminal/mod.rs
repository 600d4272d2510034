//! What people see in a terminal: the log, the progress, and the confirmation before a run.

mod confirmation;
mod controlling;
mod logging;
mod progress;

pub use confirmation::{ask, phrase};
pub use controlling::ControllingTerminal;
pub use logging::{LogError, LogLayer, LogOptions, Logging, start};
pub use progress::Progress;
