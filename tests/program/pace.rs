//! The pace, measured where it counts: at the server.

use std::time::{Duration, Instant, SystemTime};

use crate::support::{Reply, Request, Sandbox, Server, csv, decom, rows, run_with};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n-{number}")).collect()
}

/// The most requests in any stretch of `length`.
fn busiest(arrivals: &[Instant], length: Duration) -> usize {
    let within = |from: Instant| arrivals.iter().filter(|at| **at >= from && **at < from + length).count();
    arrivals.iter().map(|at| within(*at)).max().unwrap_or(0)
}

#[test]
fn no_stretch_of_the_ceilings_length_sees_more_than_it_allows() {
    // The burst is a fiftieth of the requests, and at least one.
    for (rate, count, length, requests, burst) in [
        ("40/1s", 100, Duration::from_secs(1), 40, 1),
        ("100/500ms", 300, Duration::from_millis(500), 100, 2),
    ] {
        let server = Server::start(|seen| match seen.attempt {
            // What is tried again pays again.
            1 if seen.name.ends_with('7') => Reply::status(503),
            _ => Reply::deleted(),
        });
        let sandbox = Sandbox::new();
        run_with(&sandbox, &server, &names(count), &["--rate", rate, "--concurrency", "4"]).expect(0);
        let arrivals: Vec<_> = server.deletions().iter().map(|seen| seen.at).collect();
        assert_eq!(arrivals.len(), count + count / 10);
        // What was under way when a stretch began arrives within it, but left before.
        let allowed = requests + burst + 4;
        let busiest = busiest(&arrivals, length);
        assert!(busiest <= allowed, "{rate}: {busiest} requests");
        let waited = rows(&sandbox.log(), "SELECT sum(waited_ms) > 100 FROM attempts").concat().concat();
        assert_eq!(waited, "1", "the log tells who waited");
    }
}

#[test]
fn listings_wait_for_their_turn_like_deletions() {
    let server = Server::start(|_| Reply::in_use());
    server.list_datamarts(&[("mart", "a")]);
    run_with(&Sandbox::new(), &server, &["a"], &["--rate", "1/1s"]).expect(1);
    let seen = server.requests();
    assert_eq!((seen.len(), seen[1].method.as_str()), (2, "GET"));
    assert_about(seen[1].at - seen[0].at, Duration::from_secs(1));
}

/// Runs 40 names, eight at a time, against a server that answers one in the middle with `reply`, and
/// returns the longest time in which nobody came.
fn pause_after(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static, arguments: &[&str]) -> Duration {
    let server = Server::start(move |seen| match seen.name.as_str() {
        "n-10" if seen.attempt == 1 => reply(seen),
        _ => Reply::deleted(),
    });
    let all = [&["--concurrency", "8", "--rate", "200/1s"], arguments].concat();
    let sandbox = Sandbox::new();
    let ended = run_with(&sandbox, &server, &names(40), &all).expect(0);
    assert!(ended.all_are("deleted"), "{ended:#?}");
    let arrivals: Vec<_> = server.deletions().iter().map(|seen| seen.at).collect();
    // At this rate the gap between two requests is 5 ms, but for the pause.
    arrivals.windows(2).map(|two| two[1] - two[0]).max().unwrap()
}

/// A pause begins when the answer is read. What was under way then may be seen a little later where
/// the machine is busy, so a pause may look shorter than it was.
#[track_caller]
fn assert_about(pause: Duration, expected: Duration) {
    assert!(pause + Duration::from_millis(400) >= expected, "{pause:?} instead of {expected:?}");
}

#[test]
fn retry_after_in_seconds_pauses_all_workers() {
    let pause = pause_after(|_| Reply::status(429).with("Retry-After", 2).body("Too many requests"), &[]);
    assert_about(pause, Duration::from_secs(2));
}

/// A public report of a client that never gave up one request, which held up all others (atproto).
///
/// Reported of other clients: bluesky-social/atproto#5157, psf/requests#6809, sindresorhus/got#2071.
#[test]
fn one_name_that_always_answers_503_with_retry_after_fails_and_holds_no_other_up() {
    let server = Server::start(|seen| match seen.name.as_str() {
        "poison" => Reply::status(503).with("Retry-After", 1),
        _ => Reply::deleted(),
    });
    server.list(&["poison"]);
    let sandbox = Sandbox::new();
    let mut all = names(40);
    all.insert(0, "poison".to_owned());
    let input = csv(&sandbox, &all);
    let arguments = ["run", &input, "--concurrency", "2", "--rate", "unlimited", "--max-attempts", "2"];
    let mut command = decom(&sandbox, &server, &arguments);
    let ended = command.env("DECOM_SAFETY_LISTING_CHECK", "true").run().expect(1);
    assert_eq!((ended.outcome("poison"), ended.result("poison").attempts), ("failed", 2));
    let sent = server.deletions();
    let last = sent.iter().filter(|seen| seen.name != "poison").map(|seen| seen.at).max().unwrap();
    let again = sent.iter().rfind(|seen| seen.name == "poison").unwrap().at;
    assert!(last < again, "the others did not wait");
    assert!(again - sent[0].at >= Duration::from_millis(950), "its own pause is kept");
}

#[test]
fn retry_after_as_a_date_pauses_all_workers() {
    let pause = pause_after(
        |_| {
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
            Reply::status(429).with("Retry-After", date)
        },
        &[],
    );
    // A date has whole seconds, so it may have meant a second less.
    assert_about(pause, Duration::from_secs(2));
}

#[test]
fn each_draft_of_rate_limit_headers_pauses_all_workers() {
    let generations: [&[(&str, &str)]; 3] = [
        &[("RateLimit-Limit", "500"), ("RateLimit-Remaining", "0"), ("RateLimit-Reset", "1")],
        &[("RateLimit-Policy", "500;w=120"), ("RateLimit", "limit=500, remaining=0, reset=1")],
        &[
            ("RateLimit-Policy", r#""500-in-2min"; q=500; w=120; pk=:YWJj:"#),
            ("RateLimit", r#""500-in-2min"; r=0; t=1"#),
        ],
    ];
    for headers in generations {
        let pause = pause_after(
            |_| headers.iter().fold(Reply::deleted(), |reply, (name, value)| reply.with(name, value)),
            &[],
        );
        assert_about(pause, Duration::from_secs(1));
    }
}

#[test]
fn the_older_rate_limit_headers_with_unix_time_pause_all_workers() {
    let unix_time = |_: &Request| {
        let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3;
        let reply = Reply::deleted().with("X-RateLimit-Limit", 500).with("X-RateLimit-Remaining", 0);
        reply.with("X-RateLimit-Reset", soon)
    };
    assert_about(pause_after(unix_time, &[]), Duration::from_secs(2));
}

#[test]
fn a_429_uses_up_no_attempt() {
    let server = Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
        ("a", 1..=3) => Reply::status(429).with("Retry-After", 1),
        _ => Reply::deleted(),
    });
    let sandbox = Sandbox::new();
    let ended = run_with(&sandbox, &server, &["a"], &["--max-attempts", "1"]).expect(0);
    assert_eq!(ended.outcome("a"), "deleted");
    let verdicts = rows(&sandbox.log(), "SELECT attempt, verdict FROM attempts ORDER BY attempt");
    let verdicts: Vec<_> = verdicts.iter().map(|row| row.join(" ")).collect();
    assert_eq!(verdicts, ["1 throttled", "2 throttled", "3 throttled", "4 deleted"]);
}

#[test]
fn attempts_that_do_count_are_counted_beside_those_that_do_not() {
    let server = Server::start(|seen| match seen.attempt % 2 {
        1 => Reply::status(429),
        _ => Reply::status(500),
    });
    let sandbox = Sandbox::new();
    let ended = run_with(&sandbox, &server, &["a"], &["--max-attempts", "2"]).expect(1);
    assert_eq!((ended.outcome("a"), ended.result("a").attempts), ("unknown", 4));
}

#[test]
fn auto_keeps_to_the_quota_that_the_server_tells() {
    // A fixed window of a second with 20 requests, as the API's limiter counts.
    const QUOTA: usize = 20;
    let windows = std::sync::Mutex::new((Instant::now(), 0_usize));
    let server = Server::start(move |_| {
        let mut window = windows.lock().unwrap();
        if window.0.elapsed() >= Duration::from_secs(1) {
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        let reply = if window.1 > QUOTA { Reply::status(429) } else { Reply::deleted() };
        reply
            .with("RateLimit-Limit", QUOTA)
            .with("RateLimit-Remaining", QUOTA.saturating_sub(window.1))
            .with("RateLimit-Reset", 1)
            .with("RateLimit-Policy", format!("{QUOTA};w=1"))
    });
    let sandbox = Sandbox::new();
    let arguments = ["--rate", "auto", "--concurrency", "8"];
    run_with(&sandbox, &server, &names(50), &arguments).expect(0);
    let throttled = rows(&sandbox.log(), "SELECT count(*) FROM attempts WHERE http_status = 429");
    assert_eq!(throttled[0], ["0"], "the quota was never passed");
    assert_eq!(server.deletions().len(), 50);
}

#[test]
fn unlimited_still_keeps_the_servers_pauses() {
    let server = Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
        ("n-3", 1) => Reply::status(429).with("Retry-After", 1),
        _ => Reply::deleted(),
    });
    run_with(&Sandbox::new(), &server, &names(6), &["--concurrency", "1"]).expect(0);
    let arrivals: Vec<_> = server.deletions().iter().map(|seen| seen.at).collect();
    assert_about(arrivals[4] - arrivals[3], Duration::from_secs(1));
}

#[test]
fn a_pause_that_is_too_long_is_not_waited_for_by_the_only_name_either() {
    for status in [429, 503] {
        let server = Server::start(move |_| Reply::status(status).with("Retry-After", 7200));
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &names(1));
        let stopped = decom(&sandbox, &server, &["run", &input]).env("DECOM_PACE_MAX_PAUSE", "1h").run();
        let stopped = stopped.expect(4);
        assert!(stopped.stdout.contains("2h"), "{status}: {}", stopped.stdout);
        assert_eq!((server.deletions().len(), stopped.outcome("n-0")), (1, "pending"), "{status}");
    }
}

#[test]
fn a_pause_that_is_too_long_stops_the_run_and_a_resume_finishes_it() {
    let patient = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = patient.clone();
    let server = Server::start(move |seen| match seen.name.as_str() {
        "n-2" if !asked.swap(true, std::sync::atomic::Ordering::SeqCst) => {
            Reply::status(429).with("Retry-After", 7200)
        }
        _ => Reply::deleted(),
    });
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &names(5));
    let mut command = decom(&sandbox, &server, &["run", &input, "--concurrency", "1"]);
    let stopped = command.env("DECOM_PACE_MAX_PAUSE", "1h").run().expect(4);
    assert_eq!(server.deletions().len(), 3, "nobody is asked behind it");
    assert_eq!((stopped.outcome("n-1"), stopped.outcome("n-2")), ("deleted", "pending"));
    for told in ["2h", "1h", "decom resume"] {
        assert!(stopped.stdout.contains(told), "{told} is not told: {}", stopped.stdout);
    }
    let resumed = decom(&sandbox, &server, &["resume"]).run();
    let resumed = resumed.expect(0);
    assert!(resumed.all_are("deleted"), "{resumed:#?}");
    assert_eq!(server.deletions_of("n-0"), 1, "what is gone is not sent again");
}
