//! What the workloads do: each pod's own arguments, variables, configuration and files, with the real
//! program and an API that remembers every deletion.

use std::path::Path;

use super::pods::Pod;
use super::{OVERLAYS, Rendered, Tools, copy, words};
use crate::support::keys::{self, Key, NAMESPACE};
use crate::support::{Estate, Sandbox, TOKEN, column};

/// The names in the example's list.
const LISTED: [&str; 3] = ["acme-postgres", "acme-events", "Globex, Inc. – sales"];

/// An API in which those exist, and enough others.
pub fn estate() -> Estate {
    let others = ["other-1", "other-2", "other-3", "other-4", "other-5"];
    Estate::of(&[&LISTED[..], &others].concat())
}

/// What was deleted, in order of the alphabet.
pub fn deleted(estate: &Estate) -> Vec<String> {
    let mut names: Vec<_> = estate.deletes().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

pub fn listed() -> Vec<String> {
    let mut names = LISTED.map(str::to_owned);
    names.sort();
    names.to_vec()
}

/// Changes the one line of a manifest that ends in this comment.
fn change(file: &Path, comment: &str, into: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(comment).count(), 1, "{}", file.display());
    let line = text.lines().find(|line| line.contains(comment)).unwrap();
    std::fs::write(file, text.replace(&format!("{line}\n"), into)).unwrap();
}

#[test]
fn the_cron_job_plans_until_one_line_is_changed() {
    let Some(tools) = Tools::find("the_cron_job_plans_until_one_line_is_changed") else { return };
    let estate = estate();
    let rendered = tools.rendered("cronjob");
    let pod = Pod::new(&estate.sandbox, rendered, None);
    let planned = pod.decom(estate.emulator.base_url()).run();
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.stdout.contains("(dry run)   3 to delete\n"), "{planned:?}");
    assert_eq!(estate.deletes(), [], "{planned:?}");

    let changed = estate.sandbox.path("changed");
    copy(&changed);
    let comment = "# deletes nothing. Change this line to `run` to delete";
    change(&changed.join("overlays/cronjob/cronjob.yaml"), comment, "                - run\n");
    let rendered = tools.rendered_in(&changed, "cronjob");
    let ran = Pod::new(&estate.sandbox, &rendered, None).decom(estate.emulator.base_url()).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(deleted(&estate), listed());
    assert_eq!(column(&pod.log(), "SELECT operator FROM runs"), ["cronjob/decom-offboarding"]);
    // The next night there is nothing left to do.
    let again = Pod::new(&estate.sandbox, &rendered, None).decom(estate.emulator.base_url()).run();
    assert_eq!((again.code, deleted(&estate).len()), (0, 3), "{again:?}");
}

#[test]
fn the_job_runs_a_plan_that_was_approved_and_no_other() {
    const TEST: &str = "the_job_runs_a_plan_that_was_approved_and_no_other";
    let Some(tools) = Tools::find(TEST).filter(|_| !keys::are_missing(TEST)) else { return };
    let estate = estate();
    let folder = estate.sandbox.path("kubernetes");
    copy(&folder);
    let overlay = folder.join("overlays/plan");
    // As a person would: the plan from their own machine, and the signature of another.
    let list = folder.join("overlays/cronjob/offboarding.csv");
    let plan = overlay.join("plan.json");
    let mut planning = estate.sandbox.decom(&["plan", "--base-url", estate.emulator.base_url(), "--out"]);
    let planned = planning.arg(&plan).arg(list).run();
    assert_eq!(planned.code, 0, "{planned:?}");
    let bob = Key::new(&estate.sandbox, "bob", "ed25519");
    std::fs::rename(bob.sign(&plan, NAMESPACE), overlay.join("plan.json.sig")).unwrap();

    let rendered = tools.rendered_in(&folder, "plan");
    let refused = Pod::new(&estate.sandbox, &rendered, None).decom(estate.emulator.base_url()).run();
    assert_ne!(refused.code, 0, "as shipped, nobody may approve: {refused:?}");
    assert_eq!(estate.deletes(), [], "{refused:?}");

    let allowed = overlay.join("allowed_signers");
    let shipped = std::fs::read_to_string(&allowed).unwrap();
    let line = format!("bob@example.com namespaces=\"{NAMESPACE}\" {}\n", bob.public);
    std::fs::write(&allowed, shipped + &line).unwrap();
    let rendered = tools.rendered_in(&folder, "plan");
    let pod = Pod::new(&estate.sandbox, &rendered, None);
    let ran = pod.decom(estate.emulator.base_url()).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(deleted(&estate), listed());
    assert_eq!(column(&pod.log(), "SELECT approved_by FROM runs"), ["bob@example.com"]);

    // Neither without the approval, nor by a list, whatever the Job's own arguments say.
    let list = pod.path("/plan/plan.json");
    let unapproved = ["run", "--plan", list.to_str().unwrap(), "--yes"].map(str::to_owned);
    let refused = pod.program(&unapproved).env("DECOM_BASE_URL", estate.emulator.base_url()).run();
    assert_eq!((refused.code, deleted(&estate).len()), (3, 3), "{refused:?}");
}

#[test]
fn the_pods_of_the_indexed_job_share_the_list() {
    let Some(tools) = Tools::find("the_pods_of_the_indexed_job_share_the_list") else { return };
    let estate = estate();
    let as_shipped = tools.rendered("shards");
    let changed = estate.sandbox.path("changed");
    copy(&changed);
    let comment = "# deletes nothing. Remove this line to delete";
    change(&changed.join("overlays/shards/job.yaml"), comment, "");
    let deleting = tools.rendered_in(&changed, "shards");
    let pods = u32::try_from(deleting.job()["completions"].as_u64().unwrap()).unwrap();
    for index in 0..pods {
        let pod = Pod::new(&estate.sandbox, as_shipped, Some(index));
        let looked = pod.decom(estate.emulator.base_url()).run();
        assert_eq!((looked.code, estate.deletes()), (0, vec![]), "{looked:?}");
    }
    for index in 0..pods {
        let pod = Pod::new(&estate.sandbox, &deleting, Some(index));
        let ran = pod.decom(estate.emulator.base_url()).run();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(column(&pod.log(), "SELECT operator FROM runs"), ["job/decom-shards"], "its own log");
    }
    assert_eq!(deleted(&estate), listed(), "each once");
}

#[test]
fn the_rotation_closes_the_log_of_the_nights() {
    let Some(tools) = Tools::find("the_rotation_closes_the_log_of_the_nights") else { return };
    let estate = estate();
    let changed = estate.sandbox.path("changed");
    copy(&changed);
    let comment = "# deletes nothing. Change this line to `run` to delete";
    change(&changed.join("overlays/cronjob/cronjob.yaml"), comment, "                - run\n");
    let nightly = tools.rendered_in(&changed, "cronjob");
    let pod = Pod::new(&estate.sandbox, &nightly, None);
    pod.decom(estate.emulator.base_url()).run().expect(0);
    let claim = |rendered: &Rendered| rendered.pod()["volumes"][0]["persistentVolumeClaim"].clone();
    let rendered = tools.rendered("rotate");
    assert_eq!(claim(rendered), claim(&nightly), "the same volume");
    let rotated = Pod::new(&estate.sandbox, rendered, None).decom(estate.emulator.base_url()).run().expect(0);
    assert!(rotated.stdout.contains("for reading only"), "{rotated:?}");
    assert!(column(&pod.log(), "SELECT run_id FROM runs").is_empty(), "a new log");
    let files = std::fs::read_dir(pod.path("/var/lib/decom")).unwrap();
    let logs = files.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "db"));
    assert_eq!(logs.count(), 2, "the closed one beside it");
}

#[test]
fn the_program_takes_every_containers_arguments() {
    let Some(tools) = Tools::find("the_program_takes_every_containers_arguments") else { return };
    for overlay in OVERLAYS {
        let rendered = tools.rendered(overlay);
        let sandbox = Sandbox::new();
        let pod = Pod::new(&sandbox, rendered, rendered.job().get("completions").map(|_| 0));
        // The last word is what the program stops at where it takes all before it.
        let mut arguments = words(&rendered.container()["args"]);
        arguments.push("--no-such-flag".to_owned());
        let refused = pod.program(&arguments).run();
        assert_eq!(refused.code, 2, "{overlay}: {refused:?}");
        assert!(refused.stderr.contains("unexpected argument '--no-such-flag'"), "{overlay}: {refused:?}");
    }
}

#[test]
fn the_configuration_is_read_and_holds() {
    let Some(tools) = Tools::find("the_configuration_is_read_and_holds") else { return };
    let estate = estate();
    let changed = estate.sandbox.path("changed");
    copy(&changed);
    let list = changed.join("overlays/cronjob/offboarding.csv");
    std::fs::write(list, "name\nprod-billing\n").unwrap();
    let rendered = tools.rendered_in(&changed, "cronjob");
    let pod = Pod::new(&estate.sandbox, &rendered, None);
    let planned = pod.decom(estate.emulator.base_url()).run();
    assert!(planned.stdout.contains("prod-billing  matches the protected pattern `prod-*`"), "{planned:?}");
    // A token that is another: the one in the mounted file is the one that is sent.
    std::fs::write(pod.path("/run/secrets/databrain/token"), format!("{TOKEN}x\n")).unwrap();
    let refused = pod.decom(estate.emulator.base_url()).run();
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(!refused.message().contains(TOKEN), "{refused:?}");
    // A configuration that is not there stops it, rather than leaving it to the defaults.
    std::fs::remove_file(pod.path("/etc/decom/decom.toml")).unwrap();
    let refused = pod.decom(estate.emulator.base_url()).run();
    assert_eq!(refused.code, 2, "{refused:?}");
}
