//! `decom` under another clock, by libfaketime. Timers keep to the true time.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Decom, Sandbox, skipped};

/// libfaketime, which is preloaded.
pub struct Faketime {
    library: PathBuf,
}

impl Faketime {
    /// Finds libfaketime; `None`, and the test is skipped, if there is none.
    pub fn find(test: &str) -> Option<Self> {
        let shown = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let Some(shown) = shown.ok().filter(|output| output.status.success()) else {
            skipped(test, "there is no faketime");
            return None;
        };
        Some(Self { library: String::from_utf8(shown.stdout).unwrap().trim().into() })
    }

    /// `decom` under a clock that is wrong by `clock`, such as `+1d`.
    pub fn decom(&self, clock: &str, sandbox: &Sandbox, arguments: &[&str]) -> Decom {
        let mut command = self.preloaded(sandbox, arguments);
        command.env("FAKETIME", clock);
        command
    }

    /// `decom` under a clock that is wrong by what the file says, whenever it is asked.
    pub fn decom_by(&self, file: &Path, sandbox: &Sandbox, arguments: &[&str]) -> Decom {
        let mut command = self.preloaded(sandbox, arguments);
        command.env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1");
        command
    }

    /// Puts a command, and what it runs, under a clock that is wrong by `clock`.
    pub fn under(&self, command: &mut Decom, clock: &str) {
        command.env("LD_PRELOAD", &self.library).env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME", clock);
    }

    fn preloaded(&self, sandbox: &Sandbox, arguments: &[&str]) -> Decom {
        let mut command = sandbox.decom(arguments);
        command.env("LD_PRELOAD", &self.library).env("DONT_FAKE_MONOTONIC", "1");
        command
    }
}
