//! Hands out the targets that are due, page by page from the audit log, so that memory does not
//! grow with their number. Those whose attempts were in doubt when a process died come first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Feed, FeedError};
use crate::audit::{AuditError, AuditReader, DuePart};
use crate::domain::{Outcome, Seq, Target};

/// How many targets are read at once: few enough that nobody waits for long meanwhile.
const PAGE: u32 = 128;

/// Hands out the targets of a run that are due, each once.
pub(in crate::run) struct LogFeed {
    run: Seq,
    state: Mutex<State>,
}

struct State {
    reader: AuditReader,
    page: VecDeque<Target>,
    /// Which targets the pages are read from.
    part: DuePart,
    /// The number of the last target that was read.
    after: u64,
    at_end: bool,
    handed_out: u64,
    /// No more than this many are handed out.
    limit: u64,
}

impl LogFeed {
    /// Begins with the first target of `run` that is in doubt, or due.
    pub(in crate::run) fn new(run: Seq, reader: AuditReader) -> Result<Self, AuditError> {
        let part = match (reader.was_resumed(run)?, reader.is_first(run)?) {
            (true, _) => DuePart::InDoubt,
            (false, true) if reader.has_outcomes(run)? => DuePart::Fresh,
            (false, true) => DuePart::Untouched,
            (false, false) => DuePart::Others,
        };
        let state = State {
            reader,
            page: VecDeque::new(),
            part,
            after: 0,
            at_end: false,
            handed_out: 0,
            limit: u64::MAX,
        };
        Ok(Self { run, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Feed for LogFeed {
    async fn next(&self) -> Result<Option<Target>, FeedError> {
        let mut state = self.state();
        if state.handed_out >= state.limit {
            return Ok(None);
        }
        while state.page.is_empty() && !state.at_end {
            let page = state.reader.due(self.run, state.part, state.after, PAGE)?;
            match (page.last(), state.part) {
                (Some(last), _) => state.after = last.number,
                (None, DuePart::InDoubt) => (state.part, state.after) = (DuePart::Others, 0),
                (None, _) => state.at_end = true,
            }
            state.page = page.into();
        }
        let next = state.page.pop_front();
        state.handed_out += u64::from(next.is_some());
        Ok(next)
    }

    async fn limit_to(&self, limit: u64) {
        self.state().limit = limit;
    }

    async fn handed_out(&self) -> u64 {
        self.state().handed_out
    }

    fn settled(&self, _: Seq, _: Outcome) {}

    fn is_waited_for(&self) -> bool {
        false
    }
}
