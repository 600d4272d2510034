//! Any status and any body into the classifier: it never panics, only the statuses that the contract lists
//! are tried again, and nothing unbounded or unprintable comes out of it.
//!
//! Input: two bytes of status, one that tells how the body ended, then the body.
#![no_main]

use decom::api::{Body, BodyEnd, classify};
use decom::domain::Verdict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [high, low, end, body @ ..] = input else { return };
    let status = u16::from_be_bytes([*high, *low]);
    let end = [BodyEnd::Whole, BodyEnd::CutShort, BodyEnd::Longer][usize::from(end % 3)];
    let reading = classify(status, &Body { bytes: body.to_vec(), end });
    let answer = &reading.answer;

    assert_eq!(answer.http_status, Some(status));
    assert_eq!(answer.verdict == Verdict::Deleted, status == 200);
    match status {
        408 | 429 | 500 | 502 | 503 | 504 => assert!(reading.transient),
        // A cut body counts only where it did not get as far as to say what is wrong.
        400 => assert_eq!(reading.transient, answer.verdict == Verdict::NoAnswer),
        _ => assert!(!reading.transient),
    }
    if reading.transient {
        assert_eq!(answer.verdict.settles(false), None, "what is settled is not tried again");
    }
    if status == 400 && end == BodyEnd::Whole && reading.transient {
        assert_eq!(answer.error_code, None);
    }
    if matches!(answer.verdict, Verdict::NotFound | Verdict::InUse) {
        assert!((400..500).contains(&status));
        assert!(answer.error_code.is_some());
    }
    if status == 401 {
        assert_eq!(answer.verdict, Verdict::Unauthorized);
    }

    if let Some(message) = &answer.message {
        assert!(!message.is_empty() && message.chars().count() <= 501);
        assert!(!message.chars().any(char::is_control));
    }
    for word in [&answer.error_code, &answer.datasource_id].into_iter().flatten() {
        assert!(!word.is_empty() && word.len() <= 128);
        assert!(!word.chars().any(char::is_control));
    }
});
