//! The progress of a server in delivering a stream, as far as one worker saw it.
//!
//! A server that crashes forgets its deliveries of the last tenth of a second, and a consumer that is deleted loses all
//! of them: the count of deliveries begins again. First deliveries are in order, so a message before the last one was
//! delivered before.

/// The message that is last in the stream of those that were received.
#[derive(Debug, Default)]
pub(super) struct Progress {
    number: u64,
    /// When it was published. A stream that was created again numbers from one, and its messages are newer.
    published: i128,
}

impl Progress {
    /// Returns true if a message is before the last one, so it was delivered before.
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
    use super::Progress;

    #[test]
    fn a_message_before_the_last_one_was_delivered_before() {
        let mut progress = Progress::default();
        let seen = [(5, 50), (7, 70), (5, 50), (7, 70), (8, 80)].map(|(n, at)| progress.is_behind(n, at));
        assert_eq!(seen, [false, false, true, true, false]);
    }

    #[test]
    fn a_stream_that_was_created_again_begins_again() {
        let mut progress = Progress::default();
        let seen = [(5, 50), (1, 60), (2, 70), (1, 60)].map(|(n, at)| progress.is_behind(n, at));
        assert_eq!(seen, [false, false, false, true]);
    }
}
