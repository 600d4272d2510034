//! What has to hold of the manifests themselves: schemas, security, exit codes, times, places.

use std::collections::BTreeSet;

use decom::domain::ExitStatus;
use serde_json::{Value, json};

use super::{Rendered, Tools, copy, folder, oldest, words};
use crate::support::Sandbox;

#[test]
fn every_version_of_kubernetes_from_the_oldest_named_accepts_them() {
    let Some(tools) = Tools::find("every_version_of_kubernetes_from_the_oldest_named_accepts_them") else {
        return;
    };
    for (overlay, rendered) in tools.all() {
        let first = rendered.versions.first().unwrap();
        assert!(first.starts_with(&format!("{}.", oldest())), "{overlay}: {first}");
        assert!(rendered.versions.len() >= 9, "{overlay}: {:?}", rendered.versions);
        assert!(rendered.resources.len() >= 7, "{overlay}: {:#?}", rendered.resources);
    }
    let reader = std::fs::read(folder().join("reader.yaml")).unwrap();
    let checked = tools.checked(&reader);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    // The schemas do refuse what is wrong.
    let reader = String::from_utf8(reader).unwrap();
    for (right, wrong) in [
        ("restartPolicy: Never", "restartPolice: Never"),
        ("runAsUser: 65532", "runAsUser: nonroot"),
        ("kind: Pod", "kind: Pot"),
    ] {
        assert!(!tools.checked(reader.replace(right, wrong).as_bytes()).status.success(), "{wrong}");
    }
    // The oldest versions require what newer ones fill in.
    let cronjob = std::fs::read_to_string(folder().join("overlays/cronjob/cronjob.yaml")).unwrap();
    let without = cronjob.replace("                status: \"True\"\n", "");
    assert!(without.len() < cronjob.len() && !tools.checked(without.as_bytes()).status.success());
}

#[test]
fn pods_are_as_restricted_as_can_be() {
    let Some(tools) = Tools::find("pods_are_as_restricted_as_can_be") else { return };
    let reader = Rendered::of(&tools.checked(&std::fs::read(folder().join("reader.yaml")).unwrap()));
    let reader = ("reader", reader.resources[0]["spec"].clone());
    let all = tools.all();
    let pods = all.iter().map(|(overlay, rendered)| (*overlay, rendered.pod().clone())).chain([reader]);
    for (overlay, pod) in pods {
        // decom asks nothing of Kubernetes, and wants no variables of whatever services there are.
        for switch in ["automountServiceAccountToken", "enableServiceLinks"] {
            assert_eq!(pod[switch], json!(false), "{overlay}: {switch}");
        }
        for switch in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(pod[switch], Value::Null, "{overlay}: {switch}");
        }
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], json!(true), "{overlay}");
        for id in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert_eq!(context[id], json!(65532), "{overlay}: {id}");
        }
        assert_eq!(context["seccompProfile"], json!({ "type": "RuntimeDefault" }), "{overlay}");
        let container = &pod["containers"][0];
        let wanted = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], wanted, "{overlay}");
        for (which, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
            assert!(container["resources"][which][what].is_string(), "{overlay}: {which}.{what}");
        }
        for mount in container["volumeMounts"].as_array().unwrap() {
            let writable = mount["mountPath"] == "/var/lib/decom";
            assert_eq!(mount["readOnly"] != json!(true), writable, "{overlay}: {mount}");
        }
        assert_eq!(container["command"].is_array(), overlay == "reader", "the image says what is run");
    }
}

#[test]
fn the_namespace_lets_in_what_it_has_to_and_nothing_more() {
    let Some(tools) = Tools::find("the_namespace_lets_in_what_it_has_to_and_nothing_more") else { return };
    for (overlay, rendered) in tools.all() {
        let namespace = &rendered.all("Namespace")[0]["metadata"];
        assert_eq!(namespace["labels"]["pod-security.kubernetes.io/enforce"], "restricted", "{overlay}");
        for resource in &rendered.resources {
            let place = &resource["metadata"]["namespace"];
            assert!(*place == namespace["name"] || resource["kind"] == "Namespace", "{overlay}: {resource}");
        }
        assert_eq!(
            rendered.all("ServiceAccount")[0]["automountServiceAccountToken"],
            json!(false),
            "{overlay}"
        );
        assert_eq!(rendered.pod()["serviceAccountName"], "decom", "{overlay}");
        assert!(rendered.all("Secret").is_empty(), "{overlay}: a secret has no place in a repository");
        let policies = rendered.all("NetworkPolicy");
        let denies = policies.iter().filter(|policy| {
            policy["spec"] == json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })
        });
        assert_eq!(denies.count(), 1, "{overlay}");
        let ports = |direction: &str| -> BTreeSet<u64> {
            let rules = policies.iter().filter_map(|policy| policy["spec"][direction].as_array()).flatten();
            let ports = rules.flat_map(|rule| rule["ports"].as_array().expect("never all ports"));
            ports.map(|port| port["port"].as_u64().unwrap()).collect()
        };
        let worker = *overlay == "worker";
        assert_eq!(
            ports("egress"),
            if worker { [53, 443, 4222].into() } else { [53, 443].into() },
            "{overlay}"
        );
        assert_eq!(ports("ingress"), if worker { [9464].into() } else { [].into() }, "{overlay}");
        // The policies are about the pods that there are.
        let labels = &rendered.job()["template"]["metadata"]["labels"];
        for policy in policies {
            if let Some(wanted) = policy["spec"]["podSelector"]["matchLabels"].as_object() {
                assert!(wanted.iter().all(|(key, value)| labels[key] == *value), "{overlay}: {policy}");
            }
        }
    }
}

#[test]
fn jobs_fail_by_the_exit_codes_that_no_new_start_mends() {
    let Some(tools) = Tools::find("jobs_fail_by_the_exit_codes_that_no_new_start_mends") else { return };
    for (overlay, rendered) in tools.all() {
        // 4 may pass.
        let codes = [ExitStatus::Exceptions, ExitStatus::Usage, ExitStatus::Refused, ExitStatus::Audit];
        let codes = codes.map(ExitStatus::code);
        // No other kind lets a guard that stopped a run be the end of it.
        assert!(["CronJob", "Job"].map(Value::from).contains(&rendered.workload()["kind"]), "{overlay}");
        let job = rendered.job();
        let rules = &job["podFailurePolicy"]["rules"];
        let disruption = json!({
            "action": "Ignore",
            "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }],
        });
        assert_eq!(rules[0], disruption, "{overlay}");
        let indexed = job["completionMode"] == "Indexed";
        assert_eq!(rules[1]["action"], if indexed { "FailIndex" } else { "FailJob" }, "{overlay}");
        let on = &rules[1]["onExitCodes"];
        assert_eq!(on["values"], json!(codes), "{overlay}");
        assert_eq!((&on["operator"], &on["containerName"]), (&json!("In"), &rendered.container()["name"]));
        assert_eq!(rules.as_array().unwrap().len(), 2, "{overlay}");
        let limit = if indexed { "backoffLimitPerIndex" } else { "backoffLimit" };
        assert!(job[limit].as_u64().unwrap() > 0, "{overlay}: a pod that was killed is begun again");
        // What these rules need; and no second pod on a log whose first one still ends.
        assert_eq!(rendered.pod()["restartPolicy"], "Never", "{overlay}");
        assert_eq!(job["podReplacementPolicy"], "Failed", "{overlay}");
        assert!(job["ttlSecondsAfterFinished"].as_u64().unwrap() >= 86_400, "{overlay}");
    }
    for overlay in ["cronjob", "rotate"] {
        let cron = &tools.rendered(overlay).workload()["spec"];
        assert_eq!((&cron["concurrencyPolicy"], &cron["timeZone"]), (&json!("Forbid"), &json!("Etc/UTC")));
        assert!(cron["startingDeadlineSeconds"].as_u64().unwrap() > 0);
        // A pod that never starts must not hold up the next one.
        let deadline = cron["jobTemplate"]["spec"]["activeDeadlineSeconds"].as_u64().unwrap();
        assert!((1..=6 * 3600).contains(&deadline), "{overlay}: {deadline}");
    }
}

#[test]
fn a_pod_has_longer_to_end_than_its_requests() {
    let Some(tools) = Tools::find("a_pod_has_longer_to_end_than_its_requests") else { return };
    for (overlay, rendered) in tools.all() {
        let config = rendered.pod()["volumes"].as_array().unwrap().iter().find(|it| it["name"] == "config");
        let files = rendered.config_map(&config.unwrap()["configMap"]["name"]);
        let (_, text) = files.iter().find(|(name, _)| name == "decom.toml").unwrap();
        let config: toml_edit::DocumentMut = text.parse().unwrap();
        let grace = humantime::parse_duration(config["run"]["grace"].as_str().unwrap()).unwrap();
        assert!(!words(&rendered.container()["args"]).iter().any(|word| word.starts_with("--grace")));
        let given = rendered.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(given > grace.as_secs() + 10, "{overlay}: {given} s and {grace:?}");
        // Two files that say the same of what may be deleted: the plan's adds the approval.
        let base = std::fs::read_to_string(folder().join("base/decom.toml")).unwrap();
        let base: toml_edit::DocumentMut = base.parse().unwrap();
        for (section, table) in base.iter() {
            for (key, value) in table.as_table().unwrap() {
                let here = &config[section][key];
                assert_eq!(here.to_string().trim(), value.to_string().trim(), "{overlay}: {section}.{key}");
            }
        }
    }
}

/// The value of a flag, in the form `--flag=value`.
fn flag(rendered: &Rendered, name: &str) -> String {
    let given = words(&rendered.container()["args"]);
    let value = given.iter().find_map(|word| word.strip_prefix(&format!("--{name}=")));
    value.unwrap_or_else(|| panic!("no --{name} in {given:?}")).to_owned()
}

#[test]
fn the_numbers_of_pods_are_those_that_the_program_is_told() {
    let Some(tools) = Tools::find("the_numbers_of_pods_are_those_that_the_program_is_told") else { return };
    for (overlay, numbers) in [("shards", &["shards", "workers"][..]), ("worker", &["workers"])] {
        let rendered = tools.rendered(overlay);
        let job = rendered.job();
        assert_eq!(job["completionMode"], "Indexed");
        let number: u64 = flag(rendered, numbers[0]).parse().unwrap();
        assert!(numbers.iter().all(|name| flag(rendered, name) == number.to_string()), "{overlay}");
        assert_eq!((job["completions"].as_u64(), job["parallelism"].as_u64()), (Some(number), Some(number)));
        // One volume on one node, a folder for each, so they have to be on one node.
        let claim = &rendered.all("PersistentVolumeClaim")[0]["spec"];
        assert_eq!(claim["accessModes"], json!(["ReadWriteOnce"]), "{overlay}");
        let near = &rendered.pod()["affinity"]["podAffinity"];
        let near = &near["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(near["topologyKey"], "kubernetes.io/hostname", "{overlay}");
        // By labels of their own: with the name of the Job in it, a renamed one would wait for itself without end.
        let labels = &job["template"]["metadata"]["labels"];
        assert_eq!(near["labelSelector"]["matchLabels"], *labels, "{overlay}");
        assert_eq!(labels["app.kubernetes.io/component"], overlay, "{overlay}");
        let audit = &rendered.container()["volumeMounts"][0];
        assert_eq!(
            (&audit["name"], &audit["subPathExpr"]),
            (&json!("audit"), &json!("$(JOB_COMPLETION_INDEX)"))
        );
    }
    for (overlay, rendered) in
        tools.all().iter().filter(|(overlay, _)| ["cronjob", "plan", "rotate"].contains(overlay))
    {
        let claim = &rendered.all("PersistentVolumeClaim")[0]["spec"];
        assert_eq!(claim["accessModes"], json!(["ReadWriteOncePod"]), "{overlay}");
        assert_eq!(rendered.container()["volumeMounts"][0]["subPathExpr"], Value::Null, "{overlay}");
    }
}

#[test]
fn lists_are_immutable_and_can_be_found() {
    let Some(tools) = Tools::find("lists_are_immutable_and_can_be_found") else { return };
    for (overlay, name) in [("cronjob", "decom-input-"), ("shards", "decom-input-"), ("plan", "decom-plan-")]
    {
        let rendered = &tools.all().iter().find(|(it, _)| *it == overlay).unwrap().1;
        let maps = rendered.all("ConfigMap").into_iter();
        let maps: Vec<_> =
            maps.filter(|map| map["metadata"]["labels"]["app.kubernetes.io/component"] == "list").collect();
        assert_eq!(maps.len(), 1, "{overlay}");
        assert_eq!(maps[0]["immutable"], json!(true), "{overlay}");
        assert!(maps[0]["metadata"]["name"].as_str().unwrap().starts_with(name), "{overlay}");
    }
}

#[test]
fn a_digest_takes_the_place_of_the_tag() {
    let Some(tools) = Tools::find("a_digest_takes_the_place_of_the_tag") else { return };
    let sandbox = Sandbox::new();
    copy(&sandbox.path("copy"));
    let file = sandbox.path("copy").join("components/image/kustomization.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let tag = format!("    newTag: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&tag) && text.contains("    # digest: "), "{text}");
    std::fs::write(&file, text.replace(&tag, "").replace("    # digest: ", "    digest: ")).unwrap();
    let rendered = tools.rendered_in(&sandbox.path("copy"), "cronjob");
    let image = rendered.container()["image"].as_str().unwrap();
    assert!(image.starts_with("registry.example.com/decom@sha256:"), "{image}");
}

#[test]
fn the_nights_push_to_a_gateway_that_the_policy_lets_through() {
    let Some(tools) = Tools::find("the_nights_push_to_a_gateway_that_the_policy_lets_through") else {
        return;
    };
    let sandbox = Sandbox::new();
    copy(&sandbox.path("copy"));
    let file = sandbox.path("copy").join("overlays/cronjob/kustomization.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("  # - ../../components/push", "  - ../../components/push")).unwrap();
    let rendered = tools.rendered_in(&sandbox.path("copy"), "cronjob");
    let env = rendered.container()["env"].as_array().unwrap();
    let value = |name: &str| env.iter().find(|it| it["name"] == name).unwrap()["value"].as_str().unwrap();
    assert_eq!(value("DECOM_WATCH_INSTANCE"), rendered.workload()["metadata"]["name"], "not the pod's");
    let (address, port) = value("DECOM_PUSH_GATEWAY").rsplit_once(':').unwrap();
    let policies = rendered.all("NetworkPolicy").into_iter();
    let rules = policies.filter_map(|policy| policy["spec"]["egress"].as_array()).flatten();
    let port: u64 = port.parse().unwrap();
    let rule = rules.into_iter().find(|rule| rule["ports"][0]["port"] == port).expect("let through");
    let to = &rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
    assert!(address.ends_with(&format!(".{}", to.as_str().unwrap())), "{address} and {to}");
    // As shipped, nothing is pushed, and nothing is let through for it.
    let shipped = tools.rendered("cronjob");
    assert!(!shipped.container()["env"].to_string().contains("PUSH"));
}

#[test]
fn the_workers_are_watched_where_they_listen() {
    let Some(tools) = Tools::find("the_workers_are_watched_where_they_listen") else { return };
    let rendered = tools.rendered("worker");
    let container = rendered.container();
    let port = &container["ports"][0];
    let address = flag(rendered, "metrics-addr");
    assert_eq!(address, format!("0.0.0.0:{}", port["containerPort"]));
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({ "path": path, "port": port["name"] }));
    }
    let service = &rendered.all("Service")[0]["spec"];
    assert_eq!(service["ports"][0]["targetPort"], port["name"]);
    assert_eq!(service["clusterIP"], "None", "each worker has numbers of its own");
    let labels = rendered.job()["template"]["metadata"]["labels"].as_object().unwrap();
    let wanted = service["selector"].as_object().unwrap();
    assert!(wanted.iter().all(|(key, value)| labels[key] == *value), "{wanted:?}");
}

#[test]
fn the_links_of_the_page_exist() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let links: Vec<_> = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        assert!(folder().join(link).exists(), "{link}");
    }
    // What is deleted here would take the audit logs with it.
    assert!(page.contains("Never run `kubectl delete -k`"));
}

#[test]
fn the_image_is_the_one_that_is_built_here() {
    let root = folder().join("../..");
    let dockerfile = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(dockerfile.lines().any(|line| line == format!("ARG VERSION={version}")));
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(dockerfile.contains(&format!("/rust:{rust}-")), "the compiler is {rust}");
    let description = format!("description=\"{}\"", env!("CARGO_PKG_DESCRIPTION"));
    assert!(dockerfile.contains(&description), "{description}");
    let Some(tools) = Tools::find("the_image_is_the_one_that_is_built_here") else { return };
    for (overlay, rendered) in tools.all() {
        let image = rendered.container()["image"].as_str().unwrap();
        assert!(image.ends_with(&format!("/decom:{version}")), "{overlay}: {image}");
        // Where the image looks for its settings, and where it has room for the log.
        let container = rendered.container();
        let config = json!({ "name": "DECOM_CONFIG", "value": "/etc/decom/decom.toml" });
        assert!(container["env"].as_array().unwrap().contains(&config), "{overlay}");
        for line in ["ENV DECOM_CONFIG=/etc/decom/decom.toml", "WORKDIR /var/lib/decom", "USER 65532:65532"] {
            assert!(dockerfile.lines().any(|it| it == line), "{line}");
        }
    }
}
