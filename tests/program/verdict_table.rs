//! The whole table of statuses and bodies, as the pure function knows it.

use decom::api::{Body, BodyEnd, classify};
use decom::domain::Verdict;

/// The bodies that say something, and the verdict that each gives a status between 400 and 499.
fn bodies() -> Vec<(Body, Option<Verdict>)> {
    let whole = |text: &[u8]| Body { bytes: text.to_vec(), end: BodyEnd::Whole };
    let mut bodies = Vec::new();
    for (code, verdict) in [
        ("DATASOURCE_NAME_ERROR", Verdict::NotFound),
        ("DATASOURCE_IN_USE", Verdict::InUse),
        ("AUTHENTICATION_ERROR", Verdict::Unauthorized),
        ("INVALID_REQUEST_BODY", Verdict::Rejected),
        ("INTERNAL_SERVER_ERROR", Verdict::Rejected),
        ("NEVER_HEARD_OF", Verdict::Rejected),
    ] {
        for text in [
            format!(r#"{{"error":{{"code":"{code}","message":"m","status":400}}}}"#),
            format!(r#"{{"error":"{code}"}}"#),
            format!(r#"{{"code":"{code}"}}"#),
        ] {
            bodies.push((whole(text.as_bytes()), Some(verdict)));
        }
    }
    for text in [&b""[..], b"<html></html>", b"\xff\xfe", b"null", b"[]", b"17", b"{}", b"Too many"] {
        bodies.push((whole(text), Some(Verdict::Rejected)));
    }
    // What we do not read to its end is not cut short.
    for text in [&b"{\"error\":{\"code\":\""[..], b"<html>", b""] {
        bodies.push((Body { bytes: text.to_vec(), end: BodyEnd::Longer }, Some(Verdict::Rejected)));
    }
    for text in [&b""[..], b"{\"error\":", b"<html>", b"{}"] {
        bodies.push((Body { bytes: text.to_vec(), end: BodyEnd::CutShort }, None));
    }
    // In good order, but in the middle of a document.
    bodies.push((whole(b"{\"error\":{\"code\":\"DATASOURCE_NA"), None));
    bodies
}

#[test]
fn every_status_with_every_body() {
    for status in 100..=599 {
        for (body, said) in bodies() {
            let reading = classify(status, &body);
            let (verdict, transient) = match status {
                200 => (Verdict::Deleted, false),
                100..=299 => (Verdict::NoAnswer, false),
                300..=399 => (Verdict::Rejected, false),
                401 => (Verdict::Unauthorized, false),
                429 => (Verdict::Throttled, true),
                400 => said.map_or((Verdict::NoAnswer, true), |verdict| (verdict, false)),
                402..=407 | 409..=428 | 430..=499 => (said.unwrap_or(Verdict::Rejected), false),
                408 | 500 | 502 | 503 | 504 => (Verdict::ServerError, true),
                _ => (Verdict::ServerError, false),
            };
            assert_eq!(
                (reading.answer.verdict, reading.transient),
                (verdict, transient),
                "{status} {body:?}"
            );
            assert_eq!(reading.answer.http_status, Some(status));
        }
    }
}

#[test]
fn no_text_of_an_answer_is_long_or_breaks_a_line() {
    let long = "x\\n\\u0007".repeat(20_000);
    for text in [
        format!(r#"{{"error":{{"code":"{long}","message":"{long}"}},"id":"{long}"}}"#),
        format!(r#"{{"error":"{long}"}}"#),
        long.replace("\\n", "\n"),
    ] {
        for status in [200, 400, 500] {
            let body = Body { bytes: text.clone().into_bytes(), end: BodyEnd::Whole };
            let answer = classify(status, &body).answer;
            for text in [answer.error_code, answer.message, answer.datasource_id].into_iter().flatten() {
                assert!(text.chars().count() <= 501, "{} characters", text.chars().count());
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}
