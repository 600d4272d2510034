//! Any status and any body into the classifier: it never panics, only the documented success is a deletion, only the
//! replies that the contract lists are tried again, and every text in the answer is bounded and printable.
//!
//! Input: two bytes of status, one for how the body ended, then the body.
#![no_main]

use decom::api::{Body, BodyEnd, classify};
use decom::domain::Verdict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [high, low, end, body @ ..] = input else { return };
    let status = u16::from_be_bytes([*high, *low]);
    let end = [BodyEnd::Whole, BodyEnd::CutShort, BodyEnd::Longer][usize::from(end % 3)];
    let found = classify(status, &Body { bytes: body.to_vec(), end });
    let (answer, verdict) = (&found.answer, found.answer.verdict);

    assert_eq!(answer.http_status, Some(status));
    if verdict == Verdict::Deleted {
        assert!(status == 200 && end == BodyEnd::Whole, "only the documented success is a deletion");
        let object: serde_json::Value =
            serde_json::from_str(String::from_utf8_lossy(body).trim_start_matches('\u{feff}')).unwrap();
        assert!(object["id"].is_string() && object["error"].is_null());
    }
    match status {
        401 => assert_eq!(verdict, Verdict::Unauthorized),
        429 => assert_eq!(verdict, Verdict::Throttled),
        300..=399 => assert_eq!(verdict, Verdict::Rejected),
        // No refusal raises a doubt.
        400..=499 if status != 408 => assert!(!verdict.raises_doubt()),
        _ => {}
    }
    if matches!(verdict, Verdict::NotFound | Verdict::InUse) {
        assert!(answer.error_code.is_some());
    }
    if found.retriable {
        let passing =
            matches!(verdict, Verdict::Throttled | Verdict::ServerError | Verdict::NoAnswer);
        assert!(passing || (status == 400 && verdict == Verdict::Rejected && answer.error_code.is_none()));
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
