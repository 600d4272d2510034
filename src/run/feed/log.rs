//! Hands out the targets that are due, page by page from the audit log, so that memory does not grow with their number.
//! Those whose attempts were in doubt when a process died come first.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedSender;

use super::super::SideEvent;
use super::super::wakefulness::Wakefulness;
use super::{Allowance, Feed, StopReason};
use crate::audit::{AuditError, AuditReader, DuePart};
use crate::domain::{Outcome, Seq, Target, lock};
use crate::plan::Protection;

/// How many targets are read at once: few enough that no one waits for long meanwhile.
const PAGE: u32 = 128;

/// Hands out the targets of a run that are due, each once.
pub(in crate::run) struct LogFeed {
    run: Seq,
    pages: Mutex<Pages>,
    protection: Protection,
    side_events: UnboundedSender<SideEvent>,
    allowance: Allowance,
    wakefulness: Arc<Wakefulness>,
}

/// How far the log has been read.
struct Pages {
    reader: AuditReader,
    page: VecDeque<Target>,
    /// Those of the canary, which were handed out before their turn.
    ahead: HashSet<Seq>,
    /// Which targets the pages are read from.
    part: DuePart,
    /// The number of the last target that was read.
    after: u64,
    at_end: bool,
}

impl LogFeed {
    /// Begins with the first target of `run` that is in doubt, or due.
    pub(in crate::run) fn new(
        run: Seq,
        reader: AuditReader,
        protection: Protection,
        canary: &[String],
        side_events: UnboundedSender<SideEvent>,
        wakefulness: Arc<Wakefulness>,
    ) -> Result<Self, AuditError> {
        let part = if reader.was_resumed(run)? { DuePart::InDoubt } else { DuePart::Others };
        let mut page = VecDeque::new();
        for name in canary {
            page.extend(reader.due_target(run, name)?);
        }
        let ahead = page.iter().map(|target| target.seq).collect();
        let pages = Pages { reader, page, ahead, part, after: 0, at_end: false };
        let (pages, allowance) = (Mutex::new(pages), Allowance::unlimited());
        Ok(Self { run, pages, protection, side_events, allowance, wakefulness })
    }

    /// The next target that is due, whether or not it may be sent.
    fn next_due(&self) -> Result<Option<Target>, AuditError> {
        let mut pages = lock(&self.pages);
        while pages.page.is_empty() && !pages.at_end {
            let page = pages.reader.due(self.run, pages.part, pages.after, PAGE)?;
            match (page.last(), pages.part) {
                (Some(last), _) => pages.after = last.number,
                (None, DuePart::InDoubt) => (pages.part, pages.after) = (DuePart::Others, 0),
                (None, _) => pages.at_end = true,
            }
            let ahead = &pages.ahead;
            pages.page = page.into_iter().filter(|target| !ahead.contains(&target.seq)).collect();
        }
        Ok(pages.page.pop_front())
    }
}

#[async_trait]
impl Feed for LogFeed {
    async fn next(&self) -> Result<Option<Target>, StopReason> {
        if self.allowance.is_used_up() {
            return Ok(None);
        }
        while let Some(target) = self.next_due()? {
            if self.protection.of(&target.name).is_none() {
                self.allowance.hand_out();
                return Ok(Some(target));
            }
            // The run listens until its end.
            let _ = self.side_events.send(SideEvent::Withheld(target));
        }
        Ok(None)
    }

    fn limit_to(&self, limit: u64) {
        self.allowance.limit_to(limit);
    }

    async fn confirm(&self, _: Seq) -> Result<bool, StopReason> {
        self.wakefulness.check()?;
        Ok(true)
    }

    fn settled(&self, _: Seq, _: Outcome) {}

    fn is_waited_for(&self) -> bool {
        false
    }
}
