//! How far a server has come with giving out a stream, as far as one worker saw.
//!
//! A server that crashes forgets what it gave out in the last tenth of a second, and its consumer whatever
//! it gave out when somebody removes it: the count of deliveries begins anew. What is given out for the
//! first time is given out in order, so what falls behind that was given out before.

/// The message that is furthest in the stream of those that were seen.
#[derive(Debug, Default)]
pub(super) struct Furthest {
    number: u64,
    /// When the stream got it. A stream that is made anew counts from one, and gets its messages later.
    published: i128,
}

impl Furthest {
    /// Whether a message falls behind what was seen, so that it was given out before.
    pub(super) fn is_behind(&mut self, number: u64, published: i128) -> bool {
        let is_behind = number <= self.number && published <= self.published;
        if !is_behind {
            *self = Self { number, published };
        }
        is_behind
    }
}

#[cfg(test)]
mod tests {
    use super::Furthest;

    #[test]
    fn what_falls_behind_was_given_out_before() {
        let mut furthest = Furthest::default();
        let seen = [(5, 50), (7, 70), (5, 50), (7, 70), (8, 80)].map(|(n, at)| furthest.is_behind(n, at));
        assert_eq!(seen, [false, false, true, true, false]);
    }

    #[test]
    fn a_stream_that_is_made_anew_begins_anew() {
        let mut furthest = Furthest::default();
        let seen = [(5, 50), (1, 60), (2, 70), (1, 60)].map(|(n, at)| furthest.is_behind(n, at));
        assert_eq!(seen, [false, false, false, true]);
    }
}
