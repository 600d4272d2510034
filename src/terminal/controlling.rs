//! The terminal that controls this process: a question is asked there, whatever the standard streams are.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};

/// The terminal that controls this process.
pub struct ControllingTerminal {
    pub input: BufReader<File>,
    pub output: File,
}

impl ControllingTerminal {
    /// # Errors
    /// If no terminal controls this process, as in a job of cron.
    pub fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        Ok(Self { input: BufReader::new(terminal.try_clone()?), output: terminal })
    }
}
