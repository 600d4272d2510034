//! The progress of a run: a bar on a terminal, otherwise a line now and then.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::{Counts, Outcome, RunEvent};
use crate::run::Watcher;

/// The shortest time between two updates of the bar.
const REDRAW: Duration = Duration::from_millis(100);

/// The shortest time between two lines.
const LINE: Duration = Duration::from_secs(10);

/// Shows the progress of a run.
pub struct Progress {
    style: Style,
    started: Instant,
    settled_before: u64,
    drawn: Instant,
    paused_until: Option<Instant>,
}

enum Style {
    Bar(ProgressBar),
    Lines,
    None,
}

impl Progress {
    /// A bar below the log, or lines if the terminal cannot draw one (`TERM=dumb`).
    #[must_use]
    pub fn bar(bars: &MultiProgress) -> Self {
        if bars.is_hidden() {
            return Self::lines();
        }
        let bar = bars.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        Self::with(Style::Bar(bar))
    }

    /// A line now and then.
    #[must_use]
    pub fn lines() -> Self {
        Self::with(Style::Lines)
    }

    #[must_use]
    pub fn none() -> Self {
        Self::with(Style::None)
    }

    fn with(style: Style) -> Self {
        let now = Instant::now();
        Self { style, started: now, settled_before: 0, drawn: now, paused_until: None }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self, counts: &Counts, at_once: bool) {
        let due = match self.style {
            Style::Bar(_) => REDRAW,
            Style::Lines => LINE,
            Style::None => return,
        };
        let now = Instant::now();
        if !at_once && now.duration_since(self.drawn) < due {
            return;
        }
        self.drawn = now;
        let text = self.text(counts, now);
        match &self.style {
            Style::Bar(bar) => {
                bar.set_length(counts.planned());
                bar.set_position(counts.settled());
                bar.set_message(text);
            }
            Style::Lines => {
                tracing::info!(settled = counts.settled(), planned = counts.planned(), "progress: {text}");
            }
            Style::None => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    fn text(&self, counts: &Counts, now: Instant) -> String {
        let seconds = now.duration_since(self.started).as_secs_f64();
        let rate = (counts.settled() - self.settled_before.min(counts.settled())) as f64 / seconds.max(0.001);
        // Writing to a string cannot fail.
        let mut text = format!("{rate:.1}/s");
        if rate > 0.0 && counts.of(Outcome::Pending) > 0 {
            let left = Duration::from_secs_f64((counts.of(Outcome::Pending) as f64 / rate).min(1e9).ceil());
            let _ = write!(text, ", {} left", humantime::format_duration(left));
        }
        for (outcome, n) in counts.occurring().filter(|(outcome, _)| *outcome != Outcome::Pending) {
            let _ = write!(text, ", {outcome} {n}");
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            let left = until.duration_since(now).as_secs_f64().ceil();
            let _ = write!(text, ", paused by the server for {left} s");
        }
        text
    }
}

impl Watcher for Progress {
    fn event(&mut self, event: &RunEvent, counts: &Counts) {
        match event {
            RunEvent::Begun { counts } => {
                self.started = Instant::now();
                self.settled_before = counts.settled();
                self.draw(counts, true);
            }
            RunEvent::Settled { .. } | RunEvent::Retrying { .. } | RunEvent::TakenOn { .. } => {
                self.draw(counts, false);
            }
            RunEvent::Sending { .. }
            | RunEvent::Answered { .. }
            | RunEvent::QueueUnreachable
            | RunEvent::QueueReachable
            | RunEvent::Backlog { .. }
            | RunEvent::Budget { .. }
            | RunEvent::InDoubt { .. } => {}
            RunEvent::Refused { message_id, why } => {
                tracing::warn!(message_id, why, "malformed message, moved to the dead-letter queue");
            }
            RunEvent::Paused { pause, why } => {
                let until = Instant::now() + *pause;
                let is_new = self.paused_until.is_none_or(|old| until > old + Duration::from_secs(1));
                self.paused_until = Some(until);
                if is_new {
                    tracing::info!(pause_s = pause.as_secs_f64().ceil(), why, "paused by the server");
                }
                self.draw(counts, false);
            }
            RunEvent::Stopping { why } => {
                let second = if why.starts_with("interrupted") {
                    "; a second signal stops at once, and what is in flight is in doubt then"
                } else {
                    ""
                };
                tracing::warn!(
                    why,
                    "stopping: no new request is sent, requests in flight are finished{second}"
                );
            }
        }
    }

    fn tick(&mut self, counts: &Counts) {
        self.draw(counts, false);
    }
}
