//! Splits messages into batches that a broker accepts in one call.

/// Batches of at most so many messages and bytes; a longer message is a batch of its own.
pub(super) fn batches(
    mut bodies: &[Vec<u8>],
    messages: usize,
    bytes: usize,
) -> impl Iterator<Item = &[Vec<u8>]> {
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |body: &&Vec<u8>| {
            sum += body.len();
            sum <= bytes
        };
        let count = bodies.iter().take(messages).take_while(fits).count().max(1).min(bodies.len());
        let (batch, rest) = bodies.split_at(count);
        bodies = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_both_limits_and_leave_no_message_out() {
        let bodies: Vec<Vec<u8>> = [1, 1, 1, 5, 9, 2].map(|length| vec![0; length]).to_vec();
        let lengths: Vec<Vec<usize>> =
            batches(&bodies, 3, 7).map(|batch| batch.iter().map(Vec::len).collect()).collect();
        assert_eq!(lengths, [vec![1, 1, 1], vec![5], vec![9], vec![2]]);
        assert_eq!(batches(&[], 3, 7).count(), 0);
    }
}
