//! Hands out the targets that are due, page by page from the audit log, so that memory does not
//! grow with their number.

use std::collections::VecDeque;

use tokio::sync::Mutex;

use crate::audit::{AuditError, AuditReader};
use crate::vocabulary::{Seq, Target};

/// How many targets are read at once.
const PAGE: u32 = 512;

/// Hands out the targets of a run that are due, each once.
pub(super) struct Feed {
    run: Seq,
    state: Mutex<State>,
}

struct State {
    reader: AuditReader,
    page: VecDeque<Target>,
    /// The number of the last target that was read.
    after: u64,
    at_end: bool,
}

impl Feed {
    /// Begins with the first target of `run` that is due.
    pub(super) fn new(run: Seq, reader: AuditReader) -> Self {
        Self { run, state: Mutex::new(State { reader, page: VecDeque::new(), after: 0, at_end: false }) }
    }

    /// The next target; `None` when all were handed out.
    pub(super) async fn next(&self) -> Result<Option<Target>, AuditError> {
        let mut state = self.state.lock().await;
        if state.page.is_empty() && !state.at_end {
            let page = state.reader.due(self.run, state.after, PAGE)?;
            state.at_end = page.is_empty();
            state.after = page.last().map_or(state.after, |target| target.number);
            state.page = page.into();
        }
        Ok(state.page.pop_front())
    }

    /// The reader, to ask it something else.
    pub(super) fn into_reader(self) -> AuditReader {
        self.state.into_inner().reader
    }
}
