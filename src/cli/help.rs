//! How the help is arranged: short with -h, complete with --help, with examples, and for each command without the
//! flags that mean nothing to it. Those are accepted all the same, so that one set of flags serves every command.

use clap::Command;

/// Flags that a first look does not need.
const ADVANCED: [&str; 21] = [
    "ca_file",
    "allow_http",
    "concurrency",
    "workers",
    "max_attempts",
    "grace",
    "listing_check",
    "operator",
    "checkpoint_every",
    "checkpoint_dir",
    "signing_key",
    "metrics_addr",
    "metrics_file",
    "push_gateway",
    "log_format",
    "issued_at",
    "delimiter",
    "shards",
    "shard",
    "seed",
    "latency",
];

/// Flags that mean nothing to a command.
const MEANINGLESS: [(&str, &[&str]); 4] = [
    (
        "plan",
        &[
            "yes",
            "dry_run",
            "metrics_addr",
            "metrics_file",
            "push_gateway",
            "grace",
            "canary",
            "max_attempts",
            "concurrency",
            "listing_check",
            "ignore_not_found",
            "checkpoint_every",
            "checkpoint_dir",
            "signing_key",
        ],
    ),
    ("rehearse", &["yes", "token_file", "ca_file", "allow_http"]),
    ("list", &["audit_db"]),
    ("config", &["quiet", "log_format"]),
];

/// Examples for the complete help of a command.
const EXAMPLES: [(&str, &str); 12] = [
    (
        "list",
        "  decom list > all.csv\n  decom list --match 'acme-*' --without-datamarts > offboarding.csv\n  decom list --json",
    ),
    ("check", "  decom check\n  decom check --base-url https://databrain.example/api --token-file token"),
    (
        "config",
        "  decom config > decom.toml\n  decom config --effective --config decom.toml\n  decom config --schema > decom.schema.json",
    ),
    (
        "plan",
        "  decom plan offboarding.csv --protect 'prod-*'\n  decom plan offboarding.csv --out plan.json\n  decom plan --show plan.json",
    ),
    (
        "run",
        "  decom run offboarding.csv --ticket OFF-1042\n  decom run offboarding.csv --yes --reason 'contract ended' < /dev/null\n  decom run --plan plan.json --approval plan.json.sig --allowed-signers allowed_signers",
    ),
    ("resume", "  decom resume\n  decom resume 20261124T044051Z --dry-run"),
    ("retry", "  decom retry 20261124T044051Z --outcome in_use,rejected"),
    (
        "rehearse",
        "  decom rehearse offboarding.csv\n  decom rehearse offboarding.csv --fault http500=20%,in-use=5% --seed 7",
    ),
    ("work", "  decom work --queue 'redis://localhost?queue=offboarding'"),
    ("enqueue", "  decom enqueue offboarding.csv --queue 'redis://localhost?queue=offboarding'"),
    (
        "report",
        "  decom report\n  decom report 20261124T044051Z --format html --out certificate.html\n  decom report --format csv --out offboarding.csv\n  decom report --from 2026-07-01 --to 2026-09-30 --format html --out quarter.html\n  decom report --from 2026-07-01 --to 2026-09-30 --sample 25 --seed 4711",
    ),
    (
        "show",
        "  decom show acme-prod\n  decom show acme-prod --json\n  decom show acme-prod --format html --out acme.html",
    ),
];

/// `command` with its help arranged.
pub(super) fn arranged(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let hidden = MEANINGLESS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, flags)| flags);
        let examples = EXAMPLES.iter().find(|(of, _)| *of == name).map(|(_, examples)| *examples);
        let command = command.mut_args(|arg| {
            let id = arg.get_id().as_str();
            let (is_hidden, is_advanced) = (hidden.contains(&id), ADVANCED.contains(&id));
            let was_hidden = arg.is_hide_set();
            arg.hide(is_hidden || was_hidden).hide_short_help(is_advanced)
        });
        match examples {
            Some(examples) => command
                .after_help("All flags and examples: --help")
                .after_long_help(format!("Examples:\n{examples}")),
            None => command,
        }
    })
}
