//! Hands out the targets that are due, page by page from the audit log, so that memory does not grow with their number.
//! Those whose attempts were in doubt when a process died come first. A datasource comes after the datamarts that go
//! with it, which are the targets numbered just before it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::super::SideEvent;
use super::super::wakefulness::Wakefulness;
use super::groups::Groups;
use super::{Allowance, Feed, StopReason};
use crate::audit::{AuditError, AuditReader, DuePart, Recorder};
use crate::domain::{
    Clock, DEPENDANTS_REMAIN, DatasourceName, Evidence, Outcome, Seq, Settlement, Target, TargetRole, lock,
};
use crate::plan::Protection;

/// How many targets are read at once: few enough that no one waits for long meanwhile.
const PAGE: u32 = 128;

pub(in crate::run) struct LogFeedParts {
    pub(in crate::run) run: Seq,
    pub(in crate::run) reader: AuditReader,
    pub(in crate::run) recorder: Recorder,
    pub(in crate::run) clock: Arc<dyn Clock>,
    pub(in crate::run) protection: Protection,
    /// The names of the datasources of the canary, which are handed out first.
    pub(in crate::run) canary: Vec<String>,
    pub(in crate::run) stop: CancellationToken,
    pub(in crate::run) side_events: UnboundedSender<SideEvent>,
    pub(in crate::run) wakefulness: Arc<Wakefulness>,
}

/// Hands out the targets of a run that are due, each once.
pub(in crate::run) struct LogFeed {
    run: Seq,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    protection: Protection,
    stop: CancellationToken,
    side_events: UnboundedSender<SideEvent>,
    allowance: Allowance,
    wakefulness: Arc<Wakefulness>,
    state: Mutex<State>,
    /// Something was settled, or no more may be handed out.
    changed: Notify,
}

/// How far the log has been read, and what waits.
struct State {
    reader: AuditReader,
    page: VecDeque<Target>,
    /// Those of the canary, which were handed out before their turn.
    ahead: HashSet<Seq>,
    /// Which targets the pages are read from.
    part: DuePart,
    /// The number of the last target that was read.
    after: u64,
    at_end: bool,
    groups: Groups,
    /// The datasource of the group that was begun last.
    begun: Option<String>,
}

/// What is next.
enum Step {
    Send(Target),
    /// It is not sent, and why.
    Skip(Target, String),
    /// Something that is being delivered may make another one ready.
    Wait,
    Nothing,
}

impl LogFeed {
    /// Begins with the first target of the run that is in doubt, or due.
    pub(in crate::run) fn new(parts: LogFeedParts) -> Result<Self, AuditError> {
        let LogFeedParts { run, reader, recorder, clock, protection, canary, stop, side_events, wakefulness } =
            parts;
        let part = if reader.was_resumed(run)? { DuePart::InDoubt } else { DuePart::Others };
        let mut page = VecDeque::new();
        for name in &canary {
            page.extend(reader.due_group(run, name)?);
        }
        let ahead = page.iter().map(|target| target.seq).collect();
        let groups = Groups::default();
        let state = State { reader, page, ahead, part, after: 0, at_end: false, groups, begun: None };
        Ok(Self {
            run,
            recorder,
            clock,
            protection,
            stop,
            side_events,
            allowance: Allowance::unlimited(),
            wakefulness,
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    fn step(&self) -> Result<Step, AuditError> {
        let state = &mut *lock(&self.state);
        if self.allowance.is_closed() {
            return Ok(Step::Nothing);
        }
        loop {
            if let Some((target, why)) = state.groups.next_obstructed() {
                return Ok(Step::Skip(target, why));
            }
            if let Some(target) = state.groups.next_ready() {
                state.groups.hand_out(target.seq);
                return Ok(Step::Send(target));
            }
            let Some(target) = state.next_due(self.run, self.allowance.is_used_up())? else {
                return Ok(if state.groups.may_go_on() { Step::Wait } else { Step::Nothing });
            };
            if self.is_protected(&target) {
                // The run listens until its end.
                let _ = self.side_events.send(SideEvent::Withheld(target));
                continue;
            }
            if state.begun.as_deref() != Some(group_of(&target)) || target.role == TargetRole::Datasource {
                self.allowance.hand_out();
            }
            state.begun = Some(group_of(&target).to_owned());
            if let TargetRole::Group { datamarts } = target.role {
                // Under the lock: what is settled after this is reported after it.
                let members = state.reader.group_of(self.run, target.number, datamarts)?;
                state.groups.add(target, members);
                continue;
            }
            state.groups.hand_out(target.seq);
            return Ok(Step::Send(target));
        }
    }

    /// Returns true if a pattern protects the target, or the datasource that it goes with.
    fn is_protected(&self, target: &Target) -> bool {
        match &target.role {
            TargetRole::Dependant { of, .. } => {
                DatasourceName::new(of).is_ok_and(|datasource| self.protection.of(&datasource).is_some())
            }
            TargetRole::Datasource | TargetRole::Group { .. } => self.protection.of(&target.name).is_some(),
        }
    }

    /// A datasource whose datamarts are not all gone is not sent. What an earlier run attempted in doubt is for the
    /// listing to settle.
    async fn skip(&self, target: Target, why: String) -> Result<(), StopReason> {
        if target.doubt().exists() {
            let _ = self.side_events.send(SideEvent::Withheld(target));
            return Ok(());
        }
        let settlement = Settlement {
            target: target.seq,
            name: target.name,
            at: self.clock.timestamp(),
            outcome: Outcome::Skipped,
            evidence: Evidence::AuditLog,
            answer: None,
            skip: Some((DEPENDANTS_REMAIN, why)),
        };
        self.recorder.settle(self.run, settlement).await?;
        Ok(())
    }
}

/// The datasource whose group the target belongs to.
fn group_of(target: &Target) -> &str {
    match &target.role {
        TargetRole::Dependant { of, .. } => of,
        TargetRole::Datasource | TargetRole::Group { .. } => target.name.as_str(),
    }
}

impl State {
    /// The next target that is due, whether or not it may be sent; if `only_begun`, one of the group that was begun.
    fn next_due(&mut self, run: Seq, only_begun: bool) -> Result<Option<Target>, AuditError> {
        while self.page.is_empty() && !self.at_end {
            let page = self.reader.due(run, self.part, self.after, PAGE)?;
            match (page.last(), self.part) {
                (Some(last), _) => self.after = last.number,
                (None, DuePart::InDoubt) => (self.part, self.after) = (DuePart::Others, 0),
                (None, _) => self.at_end = true,
            }
            let ahead = &self.ahead;
            self.page = page.into_iter().filter(|target| !ahead.contains(&target.seq)).collect();
        }
        let is_begun = |target: &Target| {
            target.role != TargetRole::Datasource && self.begun.as_deref() == Some(group_of(target))
        };
        if only_begun && !self.page.front().is_some_and(is_begun) {
            return Ok(None);
        }
        Ok(self.page.pop_front())
    }
}

#[async_trait]
impl Feed for LogFeed {
    async fn next(&self) -> Result<Option<Target>, StopReason> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.step()? {
                Step::Send(target) => return Ok(Some(target)),
                Step::Skip(target, why) => self.skip(target, why).await?,
                Step::Nothing => return Ok(None),
                Step::Wait => tokio::select! {
                    () = changed => {}
                    () = self.stop.cancelled() => return Ok(None),
                },
            }
        }
    }

    fn limit_to(&self, limit: u64) {
        self.allowance.limit_to(limit);
        self.changed.notify_waiters();
    }

    async fn confirm(&self, _: Seq) -> Result<bool, StopReason> {
        self.wakefulness.check()?;
        Ok(true)
    }

    fn withheld(&self, target: &Target) {
        if target.role == TargetRole::Datasource {
            self.allowance.take_back();
        }
    }

    fn settled(&self, target: Seq, outcome: Outcome) {
        lock(&self.state).groups.settled(target, outcome);
        self.changed.notify_waiters();
    }

    fn opened(&self, target: Seq) {
        lock(&self.state).groups.opened(target);
        self.changed.notify_waiters();
    }

    fn is_waited_for(&self) -> bool {
        false
    }

    fn is_any_waiting(&self) -> bool {
        lock(&self.state).groups.is_any_waiting()
    }

    fn has_more(&self) -> bool {
        !self.allowance.is_closed() && lock(&self.state).groups.is_any_decided()
    }
}
