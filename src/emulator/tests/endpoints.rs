//! The documented endpoints, without faults and limit.

use http::{Method, StatusCode};
use serde_json::json;

use super::{Lab, TOKEN, numbered, sent, strings, with};
use crate::emulator::{Emulator, EmulatorError, EmulatorOptions, Faults, Tally};

#[tokio::test]
async fn a_deletion_is_done_and_confirmed_once() {
    let lab = Lab::new(with(&["a", "b"]));
    let first = lab.delete("a").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.header("content-type"), "application/json; charset=utf-8");
    let body = first.json();
    assert_eq!(body["message"], "Datasource deleted successfully");
    let id = body["id"].as_str().unwrap();
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert_eq!(body.as_object().unwrap().len(), 2);

    let again = lab.delete("a").await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::BAD_REQUEST, "DATASOURCE_NAME_ERROR"));
    assert_eq!(lab.listed().await, ["b"]);
    assert_eq!(lab.emulator.tally(), Tally { requests: 3, deletions: 1, ..Tally::default() });
}

#[tokio::test]
async fn an_id_belongs_to_seed_and_name() {
    let id = async |seed, name: &str| {
        let lab = Lab::new(EmulatorOptions { seed, ..with(&["a", "b"]) });
        lab.delete(name).await.json()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id(1, "a").await, id(1, "a").await);
    assert_ne!(id(1, "a").await, id(1, "b").await);
    assert_ne!(id(1, "a").await, id(2, "a").await);
}

#[tokio::test]
async fn names_are_compared_byte_by_byte() {
    let names = ["Größe & mehr", " outer ", "a+b", "100%", "%41", "x=y?#/", "日本語", "quo\"te\\"];
    let lab = Lab::new(with(&names));
    for near in ["größe & mehr", "Gro\u{308}ße & mehr", "outer", "a b", "100", "A", "日本"] {
        assert_eq!(lab.delete(near).await.code(), "DATASOURCE_NAME_ERROR", "{near:?} is another name");
    }
    assert_eq!(lab.listed().await, names);
    for name in names {
        assert_eq!(lab.delete(name).await.status, StatusCode::OK, "{name:?}");
    }
    assert_eq!(lab.listed().await, [""; 0]);
}

#[tokio::test]
async fn a_bare_plus_is_a_space_and_an_encoded_one_is_a_plus() {
    let lab = Lab::new(with(&["a+b"]));
    let bare = lab.request(Method::DELETE, "/api/v2/datasource?datasourceName=a+b");
    assert_eq!(sent(bare).await.unwrap().code(), "DATASOURCE_NAME_ERROR");
    let encoded = lab.request(Method::DELETE, "/api/v2/datasource?datasourceName=a%2Bb");
    assert_eq!(sent(encoded).await.unwrap().status, StatusCode::OK);

    let lab = Lab::new(with(&["a b", "%2B"]));
    let bare = lab.request(Method::DELETE, "/api/v2/datasource?datasourceName=a+b");
    assert_eq!(sent(bare).await.unwrap().status, StatusCode::OK);
    let twice = lab.request(Method::DELETE, "/api/v2/datasource?datasourceName=%252B");
    assert_eq!(sent(twice).await.unwrap().status, StatusCode::OK, "decoded once, not twice");
}

#[tokio::test]
async fn a_deletion_without_a_name_is_invalid() {
    let lab = Lab::new(with(&["a", "b"]));
    for query in
        ["", "?", "?datasourceName", "?datasourceName=", "?name=a", "?datasourceName=a&datasourceName=b"]
    {
        let request = lab.request(Method::DELETE, &format!("/api/v2/datasource{query}"));
        let reply = sent(request).await.unwrap();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY"),
            "{query}"
        );
    }
    assert_eq!(lab.listed().await, ["a", "b"]);
}

#[tokio::test]
async fn every_endpoint_requires_the_token() {
    let lab = Lab::new(with(&["a"]));
    let url = |path| format!("{}{path}", lab.emulator.base_url());
    for (method, path) in [
        (Method::DELETE, "/api/v2/datasource?datasourceName=a"),
        (Method::GET, "/api/v2/datasource"),
        (Method::GET, "/api/v2/data-app/datamarts"),
    ] {
        for authorization in
            [None, Some("Bearer dbn_live_other"), Some("Bearer "), Some(TOKEN), Some("Basic eDp5")]
        {
            let mut request = lab.client.request(method.clone(), url(path));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let reply = sent(request).await.unwrap();
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (StatusCode::UNAUTHORIZED, "AUTHENTICATION_ERROR"),
                "{method} {path} with {authorization:?}"
            );
        }
    }
    assert_eq!(lab.listed().await, ["a"]);
}

#[tokio::test]
async fn other_endpoints_do_not_exist() {
    let lab = Lab::new(with(&["a"]));
    for (method, path) in [
        (Method::POST, "/api/v2/datasource"),
        (Method::DELETE, "/api/v2/data-app/datamarts"),
        (Method::DELETE, "/api/v2/datasource/a"),
        (Method::GET, "/"),
    ] {
        let reply = sent(lab.request(method, path)).await.unwrap();
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn a_listing_keeps_the_given_order_and_every_name_once() {
    let lab = Lab::new(with(&["zeta", "alpha", "zeta", "mid", "alpha"]));
    let reply = lab.get("/api/v2/datasource").await;
    assert_eq!(reply.json(), json!({"data": [{"name": "zeta"}, {"name": "alpha"}, {"name": "mid"}]}));
    assert_eq!(lab.delete("zeta").await.status, StatusCode::OK);
    assert_eq!(lab.listed().await, ["alpha", "mid"]);
    assert_eq!(lab.get("/api/v2/datasource?isPagination=false").await.json()["data"][0]["name"], "alpha");

    let empty = Lab::new(with(&[]));
    assert_eq!(empty.get("/api/v2/datasource").await.json(), json!({"data": []}));
    assert_eq!(empty.get("/api/v2/data-app/datamarts").await.json(), json!({"data": [], "error": null}));
}

#[tokio::test]
async fn pages_have_ten_entries_until_one_is_empty() {
    let lab = Lab::new(EmulatorOptions::new(TOKEN, numbered(25)));
    let page = async |n: &str| {
        let reply = lab.get(&format!("/api/v2/datasource?isPagination=true&pageNumber={n}")).await;
        strings(&reply.json()["data"], |entry| &entry["name"])
    };
    let all: Vec<_> = numbered(25).collect();
    assert_eq!(page("1").await, all[..10]);
    assert_eq!(page("2").await, all[10..20]);
    assert_eq!(page("3").await, all[20..]);
    assert_eq!(page("4").await, [""; 0]);
    assert_eq!(page("18446744073709551615").await, [""; 0]);
    lab.delete(&all[3]).await;
    assert_eq!(page("2").await, all[11..21], "what follows moves up");
}

#[tokio::test]
async fn bad_pagination_is_invalid() {
    let lab = Lab::new(with(&["a"]));
    for path in ["/api/v2/datasource", "/api/v2/data-app/datamarts"] {
        for query in [
            "isPagination=true",
            "isPagination=true&pageNumber=",
            "isPagination=true&pageNumber=0",
            "isPagination=true&pageNumber=-1",
            "isPagination=true&pageNumber=1.5",
            "isPagination=true&pageNumber=two",
            "isPagination=true&pageNumber=99999999999999999999999",
            "isPagination=yes&pageNumber=1",
            "isPagination=true&isPagination=true&pageNumber=1",
        ] {
            let reply = lab.get(&format!("{path}?{query}")).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY"),
                "{path}?{query}"
            );
        }
    }
}

#[tokio::test]
async fn datamarts_name_their_datasource_in_whole_listings_and_pages() {
    let faults: Faults = "in-use=100%".parse().unwrap();
    let lab = Lab::new(EmulatorOptions { faults, ..EmulatorOptions::new(TOKEN, numbered(40)) });
    let whole = lab.get("/api/v2/data-app/datamarts").await.json();
    assert!(whole["error"].is_null() && whole.as_object().unwrap().contains_key("error"));
    let sources = strings(&whole["data"], |entry| &entry["companyIntegration"]["name"]);
    let mut counts = [0; 4];
    for name in numbered(40) {
        counts[sources.iter().filter(|source| **source == name).count()] += 1;
    }
    assert!(counts[0] == 0 && counts[1..].iter().all(|n| *n > 0), "1 to 3 each: {counts:?}");

    let mut names = strings(&whole["data"], |entry| &entry["name"]);
    let mut paged = Vec::new();
    for page in 1.. {
        let query = format!("/api/v2/data-app/datamarts?isPagination=true&pageNumber={page}");
        let entries = strings(&lab.get(&query).await.json()["data"], |entry| &entry["name"]);
        assert!(entries.len() <= 10);
        if entries.is_empty() {
            break;
        }
        paged.extend(entries);
    }
    assert_eq!(paged, names);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), sources.len(), "no two datamarts share a name");
}

#[tokio::test]
async fn after_shutdown_connections_fail() {
    let lab = Lab::new(with(&["a"]));
    assert_eq!(lab.delete("a").await.status, StatusCode::OK);
    let deletion = lab.deletion("a");
    let Lab { emulator, client: _client } = lab;
    emulator.shutdown();
    assert!(sent(deletion).await.unwrap_err().is_request());
}

#[test]
fn a_request_log_that_cannot_be_opened_is_an_error() {
    let nowhere = tempfile::tempdir().unwrap().path().join("gone").join("log");
    let options = EmulatorOptions { request_log: Some(nowhere.clone()), ..with(&[]) };
    match Emulator::start(options).unwrap_err() {
        EmulatorError::RequestLog { path, .. } => assert_eq!(path, nowhere),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_token_is_not_in_debug_output() {
    let options = with(&["a"]);
    assert!(!format!("{options:?}").contains(TOKEN));
    assert!(!format!("{:?}", Emulator::start(options).unwrap()).contains(TOKEN));
}
