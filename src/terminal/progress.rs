//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::{Counts, Outcome, RunEvent};
use crate::run::Watcher;

/// How often the bar's text is made anew at the most.
const REDRAW: Duration = Duration::from_millis(100);

/// How often there is a line where there is no bar.
const LINE: Duration = Duration::from_secs(10);

/// Shows how far a run is.
pub struct Progress {
    face: Face,
    started: Instant,
    settled_before: u64,
    drawn: Instant,
    paused_until: Option<Instant>,
}

enum Face {
    Bar(ProgressBar),
    Lines,
    None,
}

impl Progress {
    /// A bar below the log; a line now and then if the terminal cannot draw one (`TERM=dumb`).
    #[must_use]
    pub fn bar(bars: &MultiProgress) -> Self {
        if bars.is_hidden() {
            return Self::lines();
        }
        let bar = bars.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self::with(Face::Bar(bar))
    }

    /// A line now and then.
    #[must_use]
    pub fn lines() -> Self {
        Self::with(Face::Lines)
    }

    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::with(Face::None)
    }

    fn with(face: Face) -> Self {
        let now = Instant::now();
        Self { face, started: now, settled_before: 0, drawn: now, paused_until: None }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Face::Bar(bar) = &self.face {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self, counts: &Counts, at_once: bool) {
        let due = match self.face {
            Face::Bar(_) => REDRAW,
            Face::Lines => LINE,
            Face::None => return,
        };
        let now = Instant::now();
        if !at_once && now.duration_since(self.drawn) < due {
            return;
        }
        self.drawn = now;
        let text = self.text(counts, now);
        match &self.face {
            Face::Bar(bar) => {
                bar.set_length(counts.planned());
                bar.set_position(counts.settled());
                bar.set_message(text);
            }
            Face::Lines => {
                tracing::info!(settled = counts.settled(), planned = counts.planned(), "progress: {text}");
            }
            Face::None => {}
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
            RunEvent::Sending { .. } | RunEvent::Answered { .. } => {}
            RunEvent::Refused { message_id, why } => {
                tracing::warn!(
                    message_id,
                    why,
                    "a message makes no sense, and goes to the dead-letter queue"
                );
            }
            RunEvent::Paused { pause, why } => {
                let until = Instant::now() + *pause;
                let news = self.paused_until.is_none_or(|old| until > old + Duration::from_secs(1));
                self.paused_until = Some(until);
                if news {
                    tracing::info!(pause_s = pause.as_secs_f64().ceil(), why, "paused by the server");
                }
                self.draw(counts, false);
            }
            RunEvent::Stopping { why } => {
                tracing::warn!(why, "stopping: no new request is sent, those under way are finished");
            }
        }
    }

    fn tick(&mut self, counts: &Counts) {
        self.draw(counts, false);
    }
}
