//! The way to the API: token, base URL, proxy, connection, listings, and the rate limit.

use std::time::Duration;

use url::Url;

use super::finding::{Finding, Status};
use crate::api::{ApiError, Lister, Probe};
use crate::commands::CommandError;
use crate::commands::access::ApiAccess;
use crate::commands::context::Context;
use crate::commands::runtime::block_on;
use crate::config::locate_token;
use crate::domain::{Credentials, Token, is_loopback};
use crate::ratelimit::{Quota, Rate};
use crate::report::grouped;

/// The variables that name a proxy, for requests over https and over http.
const PROXIES: [(&str, &[&str]); 2] = [
    ("https", &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
    ("http", &["http_proxy", "ALL_PROXY", "all_proxy"]),
];

pub(super) fn findings(context: &Context<'_>) -> Result<Vec<Finding>, CommandError> {
    let mut findings = Vec::new();
    let token = token(context, &mut findings);
    let base_url = match context.base_url() {
        Ok(url) => {
            findings.push(Finding::new("base URL", Status::Ok, url.as_str().to_owned()));
            findings.extend(proxy(context, url.as_str())?);
            Some(url)
        }
        Err(error) => {
            findings.push(Finding::failed("base URL", error));
            None
        }
    };
    let (Some(token), Some(base_url)) = (token, base_url) else {
        let why = "needs a token and a base URL".to_owned();
        findings.push(Finding::new("connection", Status::Skipped, why));
        return Ok(findings);
    };
    let credentials = Credentials::new(token.clone(), None);
    match ApiAccess::new(context, base_url, token, credentials, context.settings.pace.rate) {
        Ok(access) => {
            let lister = access.impatient().lister(context)?;
            findings.extend(block_on(of_api(context, &lister))?);
        }
        Err(error) => findings.push(Finding::failed("connection", error)),
    }
    Ok(findings)
}

fn token(context: &Context<'_>, findings: &mut Vec<Finding>) -> Option<Token> {
    match locate_token(context.options.token_file.as_deref(), &context.world.environment) {
        Ok((token, place)) => {
            findings.push(Finding::new("token", Status::Ok, format!("from {place}")));
            Some(token)
        }
        Err(error) => {
            findings.push(Finding::failed("token", error));
            None
        }
    }
}

/// The proxy that the environment names for this URL, without its user and password.
fn proxy(context: &Context<'_>, base_url: &str) -> Result<Option<Finding>, CommandError> {
    let Ok(url) = Url::parse(base_url) else { return Ok(None) };
    let variables =
        PROXIES.iter().find(|(scheme, _)| *scheme == url.scheme()).map_or(&[][..], |(_, all)| all);
    for variable in variables {
        let Some(proxy) = context.world.environment.get(variable)? else { continue };
        let shown = Url::parse(proxy).ok().and_then(|proxy| {
            let host = proxy.host_str()?.to_owned();
            Some(proxy.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
        });
        let shown = shown.map_or_else(String::new, |host| format!(", {host}"));
        let text = if is_loopback(&url) {
            format!("none: {variable} is set, and not used for this machine's own address")
        } else {
            format!("{variable}{shown}, unless NO_PROXY exempts {}", url.host_str().unwrap_or_default())
        };
        return Ok(Some(Finding::new("proxy", Status::Ok, text)));
    }
    Ok(Some(Finding::new("proxy", Status::Ok, "none is set".to_owned())))
}

/// What the API answers.
async fn of_api(context: &Context<'_>, lister: &Lister) -> Vec<Finding> {
    let probe = match lister.probe().await {
        Ok(probe) => probe,
        Err(error) => return vec![unusable("connection", error)],
    };
    let milliseconds = probe.latency.as_millis();
    let connected = format!("the API accepts the token; it answered in {milliseconds} ms");
    let mut findings = vec![Finding::new("connection", Status::Ok, connected)];
    findings.push(match lister.datasources().await {
        Ok(names) if names.is_empty() => Finding::new(
            "datasources",
            Status::Warning,
            "the API lists none at all; check --base-url and that the token is of the right organisation"
                .to_owned(),
        ),
        Ok(names) => {
            let exist = if names.len() == 1 { "exists" } else { "exist" };
            let text = format!("{} {exist}; `decom list` shows them", grouped(names.len() as u64));
            Finding::new("datasources", Status::Ok, text)
        }
        Err(error) => unusable("datasources", error),
    });
    findings.push(match lister.dependants().await {
        Ok(by_datasource) if by_datasource.is_empty() => {
            Finding::new("datamarts", Status::Ok, "there are none".to_owned())
        }
        Ok(by_datasource) => {
            let datamarts: usize = by_datasource.values().map(Vec::len).sum();
            let (datamarts, datasources) = (grouped(datamarts as u64), grouped(by_datasource.len() as u64));
            let text = format!("{datamarts}, which read {datasources} of the datasources");
            Finding::new("datamarts", Status::Ok, text)
        }
        // A run starts without them, and does not show what depends on its targets.
        Err(error) => {
            Finding::new("datamarts", Status::Warning, format!("{error}; dependants will not be shown"))
        }
    });
    findings.push(rate_limit(context, &probe));
    findings
}

/// A reply that is not the API's is mostly another server's.
fn unusable(what: &'static str, error: ApiError) -> Finding {
    let is_other = matches!(error, ApiError::Listing { .. });
    let mut finding = Finding::failed(what, error);
    if is_other {
        finding.text.push_str("; check that --base-url is the API's, with its path prefix if it has one");
    }
    finding
}

/// What the headers say of the server's limit, beside the rate that a run would keep to.
fn rate_limit(context: &Context<'_>, probe: &Probe) -> Finding {
    let rate = context.settings.pace.rate;
    let (status, text) = match probe.headers.quota {
        Some(quota) => (Status::Ok, format!("{}; a run keeps to {rate}", in_words(quota))),
        None if rate == Rate::Auto => {
            let text = format!("the API reports no rate limit, so that `auto` keeps to {}", Rate::DEFAULT);
            (Status::Warning, text)
        }
        None => (Status::Ok, format!("the API reports none in its headers; a run keeps to {rate}")),
    };
    Finding::new("rate limit", status, text)
}

fn in_words(quota: Quota) -> String {
    let time = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs()));
    let left = grouped(quota.remaining);
    let of = quota.limit.map(|limit| format!(" of {}", grouped(limit))).unwrap_or_default();
    let window = quota.window.map(|window| format!(" in {}", time(window))).unwrap_or_default();
    format!("{left}{of} requests{window} are left, whole again in {}", time(quota.reset))
}
