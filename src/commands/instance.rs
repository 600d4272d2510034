//! The name under which a push gateway groups the metrics of a process. It has to stay the same from one run to the
//! next: what was pushed under another name stays at the gateway, and alerts about it never end.

use crate::config::Environment;

/// Kubernetes sets this in every pod.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";

/// The letters of the suffixes that Kubernetes makes at random.
const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The length of such a suffix.
const SUFFIX_LENGTH: usize = 5;

/// The shortest number by which a `CronJob` names its Jobs: minutes since 1970.
const SHORTEST_NUMBER: usize = 7;

/// The name for `host`: of a pod, that of its `CronJob` or Job.
pub(super) fn instance(host: &str, environment: &Environment) -> String {
    let is_pod = matches!(environment.get(IN_POD), Ok(Some(_)));
    let owner = is_pod.then(|| owner(host)).flatten();
    owner.unwrap_or(host).to_owned()
}

/// What the name of a pod `NAME-29384710-x7k2p` or `NAME-x7k2p` begins with.
fn owner(pod: &str) -> Option<&str> {
    let is_suffix = |text: &str| text.len() == SUFFIX_LENGTH && text.chars().all(|c| SUFFIX.contains(c));
    let (job, _) = pod.rsplit_once('-').filter(|(job, suffix)| !job.is_empty() && is_suffix(suffix))?;
    let is_number = |text: &str| text.len() >= SHORTEST_NUMBER && text.chars().all(|c| c.is_ascii_digit());
    Some(match job.rsplit_once('-') {
        Some((cron_job, number)) if !cron_job.is_empty() && is_number(number) => cron_job,
        _ => job,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_goes_by_the_name_of_what_made_it() {
        let pod = Environment::of([(IN_POD.into(), "10.0.0.1".into())]);
        for (host, name) in [
            ("decom-offboarding-29384710-x7k2p", "decom-offboarding"),
            ("decom-plan-x7k2p", "decom-plan"),
            // A pod of an Indexed Job has its index in its host name, and no suffix.
            ("decom-worker-0", "decom-worker-0"),
            ("decom-front", "decom-front"),
            ("x7k2p", "x7k2p"),
            ("-x7k2p", "-x7k2p"),
        ] {
            assert_eq!(instance(host, &pod), name);
        }
        let machine = "db-29384710-x7k2p";
        assert_eq!(instance(machine, &Environment::default()), machine, "not in a pod");
    }
}
