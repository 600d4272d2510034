//! The names of the settings: in the file, in the environment, on the command line.

use figment::value::Dict;

/// The flags that set something, and the setting that each sets.
pub const FLAGS: &[(&str, &str)] = &[
    ("audit-db", "audit.db"),
    ("signing-key", "audit.signing_key"),
    ("checkpoint-dir", "audit.checkpoint_dir"),
    ("checkpoint-every", "audit.checkpoint_every"),
    ("base-url", "api.base_url"),
    ("ca-file", "api.ca_file"),
    ("allow-http", "api.allow_http"),
    ("rate", "pace.rate"),
    ("concurrency", "pace.concurrency"),
    ("workers", "pace.workers"),
    ("max-attempts", "retry.max_attempts"),
    ("max-deletes", "safety.max_deletes"),
    ("max-share", "safety.max_share"),
    ("protect", "safety.protect"),
    ("ignore-not-found", "safety.ignore_not_found"),
    ("listing-check", "safety.listing_check"),
    ("canary", "safety.canary"),
    ("valid-for", "safety.plan_validity"),
    ("allowed-signers", "safety.allowed_signers"),
    ("revoked-signers", "safety.revoked_signers"),
    ("queue", "queue.url"),
    ("queue-file", "queue.url_file"),
    ("idle", "queue.idle"),
    ("grace", "run.grace"),
    ("operator", "run.operator"),
    ("reason", "run.reason"),
    ("ticket", "run.ticket"),
    ("log-format", "log.format"),
    ("metrics-addr", "watch.metrics_addr"),
    ("metrics-file", "watch.metrics_file"),
    ("push-gateway", "watch.push_gateway"),
];

/// Variables that begin with `DECOM_` and are no settings.
const OTHER_VARIABLES: &[&str] = &["DECOM_CONFIG", "DECOM_NO_LISTING_CHECK"];

/// All settings, as `section.key`.
pub(super) fn paths(defaults: &Dict) -> impl Iterator<Item = String> + '_ {
    defaults.iter().flat_map(|(section, settings)| {
        settings.as_dict().into_iter().flatten().map(move |(key, _)| format!("{section}.{key}"))
    })
}

/// The variables that may set `key`: with its section, and like its flag.
pub(super) fn variables(key: &str) -> Vec<String> {
    let upper = |name: &str| format!("DECOM_{}", name.replace(['.', '-'], "_").to_ascii_uppercase());
    let mut names = vec![upper(key)];
    let flag = FLAGS.iter().find(|(_, of)| *of == key).map(|(flag, _)| upper(flag));
    names.extend(flag.filter(|flag| *flag != names[0]));
    names
}

/// Whether `variable` is nobody's slip: it has another use here, or Kubernetes made it for a
/// service that is called `decom`, or `decom-` and something.
pub(super) fn is_foreign(variable: &str) -> bool {
    OTHER_VARIABLES.contains(&variable)
        || variable.ends_with("_SERVICE_HOST")
        || variable.contains("_SERVICE_PORT")
        || variable.ends_with("_PORT")
        || variable.contains("_PORT_")
}

/// The candidate that is most like `word`, where one is like it at all.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}
