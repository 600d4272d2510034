//! What people see while decom works: the log, the progress, the question before it begins.

mod confirmation;
mod logging;
mod progress;

pub use confirmation::{ask, phrase};
pub use logging::{LogError, LogLayer, LogOptions, Logging, start};
pub use progress::Progress;
