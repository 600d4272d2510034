//! What the emulated service remembers between requests.

use std::collections::HashMap;
use std::sync::Mutex;

use super::Tally;
use super::faults::FaultKind;
use super::inventory::Inventory;
use super::limiter::Limiter;
use super::request_log::RequestLog;

/// What changes with the requests.
#[derive(Debug)]
pub(super) struct State {
    pub(super) inventory: Inventory,
    pub(super) tally: Tally,
    pub(super) limiter: Option<Limiter>,
    pub(super) log: Option<RequestLog>,
    /// How many requests there were for each name of a datasource, or of a datamart, whose last reply was a fault.
    /// Other names are not kept, so this stays small with a million names.
    pub(super) faulty_requests: [HashMap<Box<str>, u32>; 2],
    /// How many pages were read.
    pub(super) pages: u32,
    /// The datamarts were listed, at least from their beginning.
    pub(super) datamarts_listed: bool,
}

impl State {
    /// How many names are remembered between two requests.
    #[cfg(test)]
    pub(super) fn remembered_names(&self) -> usize {
        self.faulty_requests.iter().map(HashMap::len).sum()
    }

    pub(super) fn count(&mut self, fault: FaultKind) {
        *self.tally.faults.entry(fault).or_default() += 1;
    }
}

/// The state, for one request at a time.
pub(super) type SharedState = Mutex<State>;
