//! What changes as requests come in, shared by all connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use super::Tally;
use super::estate::Estate;
use super::limiter::Limiter;
use super::request_log::RequestLog;
use crate::domain::lock;

/// What changes as requests come in.
#[derive(Debug)]
pub(super) struct State {
    pub(super) estate: Estate,
    pub(super) tally: Tally,
    pub(super) limiter: Option<Limiter>,
    pub(super) log: Option<RequestLog>,
    /// How many times a name was asked for, of those names that had no clear answer yet. The others
    /// are not kept, so that this stays small with a million names.
    pub(super) asked: HashMap<Box<str>, u32>,
}

impl State {
    /// How many names are remembered between two requests.
    #[cfg(test)]
    pub(super) fn asked_names(&self) -> usize {
        self.asked.len()
    }
}

/// The state, for one request at a time.
#[derive(Debug)]
pub(super) struct SharedState(Mutex<State>);

impl SharedState {
    pub(super) fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    /// The state is whole between any two statements, so that a poisoned lock holds nothing bad.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}
