//! What must hold after every kill, and what must hold in the end.

use std::collections::{HashMap, HashSet};

use super::account::Request;
use super::log::{Snapshot, TargetEnd};

/// What must hold at any instant, a kill included.
pub fn at_any_instant(
    now: &Snapshot,
    before: Option<&Snapshot>,
    requests: &[Request],
    concurrency: u64,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for request in requests {
        match now.attempts.get(&request.id) {
            None => wrong.push(format!("the server saw {} and the log does not know it", request.id)),
            Some(attempt) => {
                // An answer that was read must be the one that was given.
                if attempt.http_status.is_some() && attempt.http_status != request.status {
                    wrong.push(format!(
                        "{} was answered {:?} and is recorded as {:?}",
                        request.id, request.status, attempt.http_status
                    ));
                }
            }
        }
        if !seen.insert(&request.id) {
            wrong.push(format!("{} was sent twice", request.id));
        }
    }
    for (id, attempt) in &now.attempts {
        if attempt.http_status.is_some() && !seen.contains(id) {
            wrong.push(format!("{id} is recorded as answered, and the server never saw it"));
        }
    }
    if now.in_doubt > concurrency {
        wrong.push(format!("{} attempts are in doubt with {concurrency} under way at once", now.in_doubt));
    }
    if now.sent_after_outcome > 0 {
        wrong.push(format!("{} attempts were begun for settled targets", now.sent_after_outcome));
    }
    if now.unsettling > 0 {
        wrong.push(format!("{} clear answers are recorded without an outcome", now.unsettling));
    }
    if now.out_of_order > 0 {
        wrong.push(format!(
            "{} requests for datasources were begun before their datamarts were gone",
            now.out_of_order
        ));
    }
    if now.odd_targets > 0 {
        wrong.push(format!("{} targets have more than one outcome", now.odd_targets));
    }
    if now.in_sum != now.planned {
        wrong.push(format!("the counts add up to {} of {} planned", now.in_sum, now.planned));
    }
    if now.runs > 1 {
        wrong.push(format!("{} runs were begun where one was to be continued", now.runs));
    }
    if let Some(before) = before
        && !now.hashes.starts_with(&before.hashes)
    {
        wrong.push("records that were there are not there any more".to_owned());
    }
    wrong.extend(sent_again(now, requests));
    wrong
}

/// Requests for a name that the server took after the request whose answer settled it.
fn sent_again(now: &Snapshot, requests: &[Request]) -> Vec<String> {
    let place: HashMap<_, _> = requests.iter().enumerate().map(|(at, r)| (r.id.as_str(), at)).collect();
    let last: HashMap<_, _> = requests.iter().enumerate().map(|(at, r)| (r.name.as_str(), at)).collect();
    now.results
        .iter()
        .filter_map(|result| {
            let settled = place.get(result.settled_by.as_deref()?)?;
            let later = last.get(result.name.as_str()).filter(|later| *later > settled)?;
            Some(format!("{} was settled, and {} was sent later", result.name, requests[*later].id))
        })
        .collect()
}

/// What must hold once the run is finished.
pub fn in_the_end(
    now: &Snapshot,
    names: &HashSet<String>,
    existing: &HashSet<String>,
    requests: &[Request],
    listing_check: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let deleted: HashSet<_> = requests.iter().filter(|r| r.deleted).map(|r| r.name.as_str()).collect();
    wrong.extend(
        requests
            .iter()
            .filter(|request| !names.contains(&request.name))
            .map(|request| format!("{} was sent, and was not planned", request.name)),
    );
    let recorded: HashSet<_> = now.results.iter().map(|result| result.name.clone()).collect();
    if recorded != *names || now.results.len() != names.len() {
        wrong.push(format!("{} results for {} names", now.results.len(), names.len()));
    }
    for result in &now.results {
        let exists = existing.contains(&result.name);
        let deleted = deleted.contains(result.name.as_str());
        if !is_true(result, exists, deleted, listing_check, now) {
            wrong.push(format!(
                "{} ended {} (evidence {:?}, {} attempts, doubted {}); it {} at the server, which {} it for us",
                result.name,
                result.outcome,
                result.evidence,
                result.attempts,
                result.doubted,
                if exists { "exists" } else { "does not exist" },
                if deleted { "deleted" } else { "did not delete" },
            ));
        }
    }
    wrong
}

fn is_true(result: &TargetEnd, exists: bool, deleted: bool, listing_check: bool, log: &Snapshot) -> bool {
    let evidence = result.evidence.as_deref();
    let answered = |verdict: &str| {
        let attempt = result.settled_by.as_ref().and_then(|id| log.attempts.get(id));
        attempt.is_some_and(|attempt| attempt.verdict.as_deref() == Some(verdict))
    };
    let checked = if listing_check { evidence == Some("absent_from_listing") } else { true };
    match result.outcome.as_str() {
        "deleted" => !exists && deleted && answered("deleted") && checked,
        // A name that never existed, and whose first attempts were unclear, looks the same from here.
        "deleted_unconfirmed" => {
            let how = answered("not_found") || (result.settled_by.is_none() && listing_check);
            !exists && result.doubted && how && checked
        }
        "not_found" => !exists && !deleted && !result.doubted,
        "in_use" => exists && !deleted && answered("in_use"),
        // A refusal that was cut short is one, but not of what an unclear attempt may have done before.
        "rejected" => {
            !deleted
                && (answered("rejected") && !result.doubted || exists && evidence == Some("still_listed"))
        }
        // Retries used up: the listing tells whether it is there, and only that makes it a failure.
        "failed" if listing_check => exists && !deleted && evidence == Some("still_listed"),
        // A datamart of its group stayed, or the group was another one than planned.
        "skipped" => exists && !deleted && matches!(evidence, Some("audit_log" | "rule")),
        "failed" | "unknown" => !listing_check && evidence == Some("no_clear_answer"),
        _ => false,
    }
}
