//! The whole table of statuses and bodies, as the pure function knows it.

use decom::api::{Body, BodyEnd, classify, classify_datamart};
use decom::domain::Verdict;
use serde_json::json;

/// What a body says, as the rows of the contract's table "Verdicts" ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// The documented success.
    Success,
    /// That the token is not accepted.
    Unauthorized,
    NotFound,
    InUse,
    /// Nothing of these, read whole.
    Nothing,
    /// Nothing of these, cut short.
    CutShort,
}

/// Bodies of every kind, with what each says.
fn bodies() -> Vec<(Body, Says)> {
    let whole = |text: &[u8]| Body { bytes: text.to_vec(), end: BodyEnd::Whole };
    let mut bodies = Vec::new();
    for (code, says) in [
        ("DATASOURCE_NAME_ERROR", Says::NotFound),
        ("DATASOURCE_IN_USE", Says::InUse),
        ("AUTHENTICATION_ERROR", Says::Unauthorized),
        ("AUTHENTICATION_ERR", Says::Unauthorized),
        ("INVALID_SERVICE_TOKEN", Says::Unauthorized),
        ("EXPIRED_SERVICE_TOKEN", Says::Unauthorized),
        ("INVALID_DATA_APP_API_KEY", Says::Unauthorized),
        ("INVALID_REQUEST_BODY", Says::Nothing),
        ("INTERNAL_SERVER_ERROR", Says::Nothing),
        ("NEVER_HEARD_OF", Says::Nothing),
    ] {
        for text in [
            format!(r#"{{"error":{{"code":"{code}","message":"m","status":400}}}}"#),
            format!(r#"{{"error":"{code}"}}"#),
            format!(r#"{{"id":"77","error":{{"code":"{code}"}}}}"#),
            format!(r#"{{"code":"{code}"}}"#),
        ] {
            bodies.push((whole(text.as_bytes()), says));
        }
    }
    for text in [
        r#"{"id":"77"}"#,
        r#"{"id":"77","error":null,"message":"Datasource deleted successfully"}"#,
        "\u{feff}{\"id\":\"77\"}",
    ] {
        bodies.push((whole(text.as_bytes()), Says::Success));
        // Cut short after the last byte that was read: the length or the end of the chunks was missing.
        bodies.push((Body { bytes: text.into(), end: BodyEnd::CutShort }, Says::CutShort));
    }
    for text in [
        &b""[..],
        b"<html>Sign in</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"17",
        b"\"77\"",
        b"{}",
        b"Too many",
        b"{\"message\":\"Datasource deleted successfully\"}",
        b"{\"id\":77}",
        b"{\"id\":\"\"}",
        b"{\"id\":null,\"error\":null}",
        b"{\"id\":\"77\",\"error\":\"not quite\"}",
        b"{\"id\":\"77\",\"error\":{}}",
        b"{\"id\":\"77\",\"error\":false}",
        b"[{\"id\":\"77\"}]",
    ] {
        bodies.push((whole(text), Says::Nothing));
    }
    // What is not read to its end is not cut short.
    for text in [&b"{\"error\":{\"code\":\""[..], b"<html>", b"", b"{\"id\":\"77\"}"] {
        bodies.push((Body { bytes: text.to_vec(), end: BodyEnd::Longer }, Says::Nothing));
    }
    for text in [&b""[..], b"{\"error\":", b"<html>", b"{}"] {
        bodies.push((Body { bytes: text.to_vec(), end: BodyEnd::CutShort }, Says::CutShort));
    }
    // In good order, but in the middle of a document.
    bodies.push((whole(b"{\"error\":{\"code\":\"DATASOURCE_NA"), Says::CutShort));
    bodies
}

#[test]
fn every_status_with_every_body_gets_the_verdict_of_the_contract() {
    for status in 100..=599 {
        for (body, says) in bodies() {
            let found = classify(status, &body);
            let wanted = match (status, says) {
                (300..=399, _) => (Verdict::Rejected, false),
                (429, _) => (Verdict::Throttled, true),
                (401, _) | (_, Says::Unauthorized) => (Verdict::Unauthorized, false),
                (_, Says::NotFound) => (Verdict::NotFound, false),
                (_, Says::InUse) => (Verdict::InUse, false),
                (200, Says::Success) => (Verdict::Deleted, false),
                (408 | 500 | 502 | 503 | 504, _) => (Verdict::ServerError, true),
                (500..=599, _) => (Verdict::ServerError, false),
                (100..=299, _) => (Verdict::NoAnswer, true),
                (400, Says::CutShort) => (Verdict::Rejected, true),
                (400..=499, _) => (Verdict::Rejected, false),
                _ => unreachable!(),
            };
            assert_eq!((found.answer.verdict, found.retriable), wanted, "{status} {says:?} {body:?}");
            assert_eq!(found.answer.http_status, Some(status));
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

/// The rows of the contract's table that are about datamarts, with a status and a body for each.
#[test]
fn replies_to_the_deletion_of_a_datamart_get_the_verdict_of_the_contract() {
    let long = "x".repeat(300);
    let deleted = |id: &str| json!({ "id": id, "error": null }).to_string();
    let code = |code: &str| json!({ "error": { "code": code, "message": "so", "status": 400 } }).to_string();
    for (sent, status, body, verdict, retriable, stops) in [
        ("sales", 200, deleted("sales"), Verdict::Deleted, false, false),
        // Longer than what is kept as an id, and compared nevertheless.
        (long.as_str(), 200, deleted(&long), Verdict::Deleted, false, false),
        ("sales", 200, deleted("Sales"), Verdict::NoAnswer, false, true),
        ("sales", 200, deleted(&long), Verdict::NoAnswer, false, true),
        ("sales", 200, deleted(""), Verdict::NoAnswer, true, false),
        ("sales", 200, code("INVALID_REQUEST_BODY"), Verdict::NoAnswer, true, false),
        ("sales", 400, code("INVALID_REQUEST_BODY"), Verdict::NotFoundOrInvalid, false, false),
        ("sales", 422, code("INVALID_REQUEST_BODY"), Verdict::Rejected, false, false),
        ("sales", 500, code("INVALID_REQUEST_BODY"), Verdict::ServerError, true, false),
        // The codes of datasources say nothing about a datamart.
        ("sales", 400, code("DATASOURCE_NAME_ERROR"), Verdict::Rejected, false, false),
        ("sales", 400, code("DATASOURCE_IN_USE"), Verdict::Rejected, false, false),
        ("sales", 400, code("EXPIRED_SERVICE_TOKEN"), Verdict::Unauthorized, false, true),
        ("sales", 429, deleted("sales"), Verdict::Throttled, true, false),
        ("sales", 204, String::new(), Verdict::NoAnswer, true, false),
    ] {
        let body = Body { bytes: body.into_bytes(), end: BodyEnd::Whole };
        let found = classify_datamart(sent, status, &body);
        assert_eq!(
            (found.answer.verdict, found.retriable, found.stops),
            (verdict, retriable, stops),
            "{sent} {status} {body:?}"
        );
    }
    let body = Body { bytes: deleted("hr").into_bytes(), end: BodyEnd::Whole };
    let other = classify_datamart("sales", 200, &body).answer;
    assert_eq!(other.error_code.as_deref(), Some("other_deleted"));
    assert_eq!(
        other.message.as_deref(),
        Some("the API says that it deleted `hr`, and `sales` was asked for")
    );
}
