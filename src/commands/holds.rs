//! The file of holds, read again when it changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::context::Context;
use crate::domain::{Clock, Token, lock, read_file};
use crate::input::read_holds;
use crate::plan::{HoldEntry, HoldList, HoldSource, Holds, HoldsUnreadable};

/// Longer than any file of holds, in bytes.
const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// A file that changed more recently may change again without another time of change, as file systems round it.
const COARSEST_TIME: Duration = Duration::from_secs(2);

struct HoldFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    token: Option<Token>,
    /// What was read last, if it could be read.
    reading: Mutex<Option<Reading>>,
}

struct Reading {
    stamp: Stamp,
    bytes: Vec<u8>,
    entries: Vec<HoldEntry>,
    list: Arc<HoldList>,
}

/// What another content of a file changes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    changed: (i64, i64, i64, i64),
}

impl Context<'_> {
    /// The holds of the settings, if there are any. Nothing is read yet.
    pub(super) fn holds(&self) -> Holds {
        let Some(path) = &self.settings.safety.holds else { return Holds::default() };
        Holds::new(Arc::new(HoldFile {
            path: path.clone(),
            clock: self.world.clock.clone(),
            token: self.token(),
            reading: Mutex::new(None),
        }))
    }
}

impl Stamp {
    /// The stamp of the file at `path`, and when it was changed last.
    fn of(path: &Path) -> std::io::Result<(Self, SystemTime)> {
        let found = fs::metadata(path)?;
        let stamp = Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            changed: (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()),
        };
        Ok((stamp, found.modified()?))
    }
}

impl HoldFile {
    fn unreadable(&self, why: impl std::fmt::Display) -> HoldsUnreadable {
        HoldsUnreadable {
            why: format!("{}: cannot read the holds: {why}; restore the file", self.path.display()),
        }
    }

    fn read(&self, stamp: Stamp, earlier: Option<Reading>) -> Result<Reading, HoldsUnreadable> {
        let bytes = read_file(&self.path, LONGEST_FILE).map_err(|error| self.unreadable(error))?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.bytes == bytes) {
            return Ok(Reading { stamp, ..earlier });
        }
        if self.token.as_ref().is_some_and(|token| token.is_in(&String::from_utf8_lossy(&bytes))) {
            return Err(self.unreadable("it holds the service token, which would be recorded with a reason"));
        }
        let malformed = |why: String| HoldsUnreadable { why };
        let rows = read_holds(&self.path, &bytes).map_err(|error| malformed(error.to_string()))?;
        let entries: Vec<_> = rows
            .into_iter()
            .map(|row| HoldEntry { line: row.line, name: row.name, reason: row.reason, until: row.until })
            .collect();
        let list = HoldList::new(&entries, self.clock.timestamp())
            .map_err(|error| malformed(format!("{}, {error}", self.path.display())))?;
        Ok(Reading { stamp, bytes, entries, list: Arc::new(list) })
    }
}

impl HoldSource for HoldFile {
    fn current(&self) -> Result<Arc<HoldList>, HoldsUnreadable> {
        let mut reading = lock(&self.reading);
        // What cannot be read does not hold what was read before: nothing is known then.
        let earlier = reading.take();
        let (stamp, changed) = Stamp::of(&self.path).map_err(|error| self.unreadable(error))?;
        let is_settled = self.clock.now().duration_since(changed).is_ok_and(|age| age > COARSEST_TIME);
        let mut current = match earlier {
            Some(earlier) if earlier.stamp == stamp && is_settled => earlier,
            earlier => self.read(stamp, earlier)?,
        };
        let now = self.clock.timestamp();
        if !current.list.is_current(now) {
            // The rows were valid when they were read.
            let list = HoldList::new(&current.entries, now).map_err(|error| self.unreadable(error))?;
            current.list = Arc::new(list);
        }
        Ok(reading.insert(current).list.clone())
    }
}
