//! Hands out the targets that are due, page by page from the audit log, so that memory does not grow with their number.
//! Those whose attempts were in doubt when a process died come first. A group is taken as a whole: its datamarts, and
//! its datasource once they are gone.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::super::SideEvent;
use super::super::holds::HoldCheck;
use super::super::wakefulness::Wakefulness;
use super::datamarts::CurrentListing;
use super::groups::Groups;
use super::{Allowance, Feed, StopReason, Withdrawal};
use crate::api::Lister;
use crate::audit::{AuditError, AuditReader, DuePart, GroupMember, Recorder};
use crate::domain::{BootTime, Clock, Credentials, Outcome, Seq, Target, TargetRole, lock};
use crate::plan::Protection;

/// How many targets are read at once: few enough that no one waits for long meanwhile.
const PAGE: u32 = 128;

pub(in crate::run) struct LogFeedParts {
    pub(in crate::run) run: Seq,
    pub(in crate::run) reader: AuditReader,
    pub(in crate::run) recorder: Recorder,
    pub(in crate::run) clock: Arc<dyn Clock>,
    pub(in crate::run) credentials: Credentials,
    pub(in crate::run) protection: Protection,
    /// The datasources that a protected datamart protects.
    pub(in crate::run) kept: HashSet<String>,
    pub(in crate::run) holds: HoldCheck,
    /// The names of the datasources of the canary, which are handed out first.
    pub(in crate::run) canary: Vec<String>,
    /// Reads the listing that groups are held against.
    pub(in crate::run) lister: Lister,
    pub(in crate::run) stop: CancellationToken,
    pub(in crate::run) side_events: UnboundedSender<SideEvent>,
    pub(in crate::run) wakefulness: Arc<Wakefulness>,
}

/// Hands out the targets of a run that are due, each once.
pub(in crate::run) struct LogFeed {
    run: Seq,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    protection: Protection,
    kept: HashSet<String>,
    holds: HoldCheck,
    stop: CancellationToken,
    side_events: UnboundedSender<SideEvent>,
    allowance: Allowance,
    wakefulness: Arc<Wakefulness>,
    datamarts: CurrentListing,
    state: Mutex<State>,
    /// Something was settled, or no more may be handed out.
    changed: Notify,
}

/// How far the log has been read, and what waits.
struct State {
    reader: AuditReader,
    page: VecDeque<Target>,
    /// Those that were taken before their turn: of the canary, or with another one of their group.
    taken: HashSet<Seq>,
    /// Which targets the pages are read from.
    part: DuePart,
    /// The number of the last target that was read.
    after: u64,
    at_end: bool,
    groups: Groups,
}

/// What is next.
enum Step {
    Send(Target),
    /// These are not sent, and why.
    Withdraw(Vec<(Target, Withdrawal)>),
    /// A listing has to be read before more is sent.
    List,
    /// Something that is being delivered may make another one ready.
    Wait,
    Nothing,
}

impl LogFeed {
    /// Begins with the canary, and then with the first target of the run that is in doubt, or due.
    pub(in crate::run) fn new(parts: LogFeedParts) -> Result<Self, AuditError> {
        let LogFeedParts { run, reader, recorder, clock, credentials, protection, canary, .. } = parts;
        let part = if reader.was_resumed(run)? { DuePart::InDoubt } else { DuePart::Others };
        let mut page = VecDeque::new();
        for name in &canary {
            page.extend(reader.due_datasource(run, name)?);
        }
        let taken = page.iter().map(|target| target.seq).collect();
        let state = State { reader, page, taken, part, after: 0, at_end: false, groups: Groups::default() };
        Ok(Self {
            run,
            recorder,
            clock,
            credentials,
            protection,
            kept: parts.kept,
            holds: parts.holds,
            stop: parts.stop,
            side_events: parts.side_events,
            allowance: Allowance::unlimited(),
            wakefulness: parts.wakefulness,
            datamarts: CurrentListing::new(Box::new(parts.lister), Arc::new(BootTime::now)),
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
            let withheld = state.groups.take_withheld();
            if !withheld.is_empty() {
                return Ok(Step::Withdraw(withheld));
            }
            if let Some(next) = state.groups.next() {
                let Some(listing) = self.datamarts.get() else { return Ok(Step::List) };
                if state.groups.recheck(next, &listing).is_some() {
                    continue;
                }
                let Some((target, begins)) = state.groups.hand_out() else { continue };
                if begins {
                    self.allowance.hand_out();
                }
                return Ok(Step::Send(target));
            }
            let due = if self.allowance.is_used_up() { None } else { state.next_due(self.run)? };
            let Some(target) = due else {
                return Ok(if state.groups.may_go_on() { Step::Wait } else { Step::Nothing });
            };
            if target.role != TargetRole::Datasource {
                let members = state.take_group(self.run, &target)?;
                match self.withdrawal_of(&members) {
                    Some(withdrawal) => state.groups.withhold(members, &withdrawal),
                    None => state.groups.add(members),
                }
            } else if let Some(found) = self.protection.of(&target.name) {
                // What is due and protected is in doubt. The run listens until its end.
                let _ = self.side_events.send(SideEvent::Withheld(target, Withdrawal::protected(&found).why));
            } else {
                self.allowance.hand_out();
                state.groups.hand_out_single(target.seq);
                return Ok(Step::Send(target));
            }
        }
    }

    /// Why a group is not sent, if a pattern protects its datasource or a datamart of it, or one of them is on hold.
    fn withdrawal_of(&self, members: &[GroupMember]) -> Option<Withdrawal> {
        // While the holds cannot be read, nothing is sent.
        let held = members.iter().find_map(|GroupMember { target, .. }| {
            let why = self.holds.on(target).ok()??;
            Some(Withdrawal::on_hold(format!("{} `{}`: {why}", target.role.kind(), target.name)))
        });
        if held.is_some() {
            return held;
        }
        let datasource = &members.last()?.target.name;
        if self.kept.contains(datasource.as_str()) {
            return Some(Withdrawal::kept(datasource));
        }
        let mut withdrawal = Withdrawal::protected(&self.protection.of(datasource)?);
        withdrawal.why = format!("datasource `{datasource}` {}", withdrawal.why);
        Some(withdrawal)
    }
}

impl LogFeed {
    /// Settles a target that is not sent. What was attempted in doubt is not "skipped": a listing settles it.
    async fn let_go(&self, target: Target, withdrawal: Withdrawal) -> Result<(), StopReason> {
        let withdrawal = withdrawal.redacted(&self.credentials);
        if withdrawal.needs_listing(&target) {
            self.opened(target.seq);
            // The run listens until its end.
            let _ = self.side_events.send(SideEvent::Withheld(target, withdrawal.why));
            return Ok(());
        }
        let settlement = withdrawal.settlement(target.seq, target.name, self.clock.timestamp());
        self.recorder.settle(self.run, settlement).await?;
        Ok(())
    }
}

impl State {
    /// The next target that is due, whether or not it may be sent.
    fn next_due(&mut self, run: Seq) -> Result<Option<Target>, AuditError> {
        while self.page.is_empty() && !self.at_end {
            let page = self.reader.due(run, self.part, self.after, PAGE)?;
            match (page.last(), self.part) {
                (Some(last), _) => self.after = last.number,
                (None, DuePart::InDoubt) => (self.part, self.after) = (DuePart::Others, 0),
                (None, _) => self.at_end = true,
            }
            let taken = &self.taken;
            self.page = page.into_iter().filter(|target| !taken.contains(&target.seq)).collect();
        }
        Ok(self.page.pop_front())
    }

    /// The whole group of `target`, which is not handed out again when its turn comes.
    fn take_group(&mut self, run: Seq, target: &Target) -> Result<Vec<GroupMember>, AuditError> {
        // Under the lock: what is settled after this is reported after it.
        let members = self.reader.group_of(run, target.number)?;
        let last = members.last().map_or(target.number, |datasource| datasource.target.number);
        if self.part == DuePart::Others && !self.taken.contains(&target.seq) {
            self.page.retain(|other| other.number > last);
            self.after = self.after.max(last);
        } else {
            self.taken.extend(members.iter().map(|member| member.target.seq));
            let taken = &self.taken;
            self.page.retain(|other| !taken.contains(&other.seq));
        }
        Ok(members)
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
                Step::Withdraw(withheld) => {
                    for (target, withdrawal) in withheld {
                        self.let_go(target, withdrawal).await?;
                    }
                }
                Step::List => drop(self.datamarts.fresh().await?),
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

    async fn confirm(&self, target: Seq) -> Result<Option<Withdrawal>, StopReason> {
        self.wakefulness.check()?;
        if !lock(&self.state).groups.has(target) {
            return Ok(None);
        }
        let listing = match self.datamarts.get() {
            Some(listing) => listing,
            None => self.datamarts.fresh().await?,
        };
        let withdrawal = lock(&self.state).groups.recheck(target, &listing);
        if withdrawal.is_some() {
            self.changed.notify_waiters();
        }
        Ok(withdrawal.map(|withdrawal| withdrawal.redacted(&self.credentials)))
    }

    async fn withdraw(&self, target: Target, withdrawal: Withdrawal) -> Result<(), StopReason> {
        if target.role == TargetRole::Datasource {
            self.allowance.take_back();
        }
        self.let_go(target, withdrawal).await
    }

    fn settled(&self, target: Seq, outcome: Outcome) {
        lock(&self.state).groups.settled(target, outcome, self.datamarts.now());
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
