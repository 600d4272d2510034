//! `jobs/kubernetes`, as the real kustomize renders it: held against the schemas of Kubernetes, and its
//! pods against the real program, each with its files where it would find them.

mod manifests;
mod pods;
mod running;
mod worker;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Sandbox, venv};

/// The overlays that can be rendered as they are.
pub const OVERLAYS: [&str; 4] = ["cronjob", "rotate", "shards", "worker"];

/// `kubectl` and the checker, where this machine has them.
pub struct Tools {
    kubectl: PathBuf,
    python: PathBuf,
}

impl Tools {
    pub fn find(test: &str) -> Option<Self> {
        Some(Self { kubectl: venv::program("kubectl", test)?, python: venv::program("python", test)? })
    }

    /// All overlays as they are in the repository, rendered once for all tests; that of a plan with an empty plan.
    pub fn all(&self) -> &'static [(&'static str, Rendered)] {
        static ALL: OnceLock<Vec<(&'static str, Rendered)>> = OnceLock::new();
        ALL.get_or_init(|| {
            let sandbox = Sandbox::new();
            copy(&sandbox.path("copy"));
            for name in ["plan.json", "plan.json.sig"] {
                std::fs::write(sandbox.path("copy/overlays/plan").join(name), "{}").unwrap();
            }
            let overlays = OVERLAYS.iter().chain(&["plan"]);
            overlays.map(|overlay| (*overlay, self.rendered_in(&sandbox.path("copy"), overlay))).collect()
        })
    }

    /// One of [`OVERLAYS`] as it is in the repository.
    pub fn rendered(&self, overlay: &str) -> &'static Rendered {
        &self.all().iter().find(|(name, _)| *name == overlay).unwrap().1
    }

    /// An overlay as it is in a changed copy of the folder.
    pub fn rendered_in(&self, folder: &Path, overlay: &str) -> Rendered {
        let mut kubectl = Command::new(&self.kubectl);
        // It looks for a cluster in the home of whoever runs it, and has none to find.
        kubectl.env("KUBECONFIG", "/dev/null").arg("kustomize").arg(folder.join("overlays").join(overlay));
        let output = kubectl.output().unwrap();
        assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        Rendered::of(&self.checked(&output.stdout))
    }

    /// What the checker says of manifests.
    pub fn checked(&self, manifests: &[u8]) -> Output {
        let mut checker = Command::new(&self.python);
        checker.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes_check.py")).arg(oldest());
        let mut process =
            checker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(manifests).unwrap();
        process.wait_with_output().unwrap()
    }
}

/// Resources that every version of Kubernetes that was asked takes.
pub struct Rendered {
    pub versions: Vec<String>,
    pub resources: Vec<Value>,
}

impl Rendered {
    fn of(checked: &Output) -> Self {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let mut all: Value = serde_json::from_slice(&checked.stdout).unwrap();
        let versions = serde_json::from_value(all["versions"].take()).unwrap();
        Self { versions, resources: serde_json::from_value(all["resources"].take()).unwrap() }
    }

    /// All resources of this kind.
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        self.resources.iter().filter(|resource| resource["kind"] == kind).collect()
    }

    /// The only one of the kinds that run pods.
    pub fn workload(&self) -> &Value {
        let kinds = ["CronJob", "Job", "StatefulSet", "Deployment", "DaemonSet", "Pod"];
        let found: Vec<_> = kinds.iter().flat_map(|kind| self.all(kind)).collect();
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0]
    }

    /// The Job that it is, or that it makes.
    pub fn job(&self) -> &Value {
        let workload = self.workload();
        if workload["kind"] == "CronJob" {
            &workload["spec"]["jobTemplate"]["spec"]
        } else {
            &workload["spec"]
        }
    }

    /// What its pods are made like.
    pub fn pod(&self) -> &Value {
        &self.job()["template"]["spec"]
    }

    /// The only container of its pods.
    pub fn container(&self) -> &Value {
        let containers = self.pod()["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{containers:#?}");
        &containers[0]
    }

    /// The files of a `ConfigMap`.
    pub fn config_map(&self, name: &Value) -> Vec<(String, String)> {
        let map = self.all("ConfigMap").into_iter().find(|map| map["metadata"]["name"] == *name).unwrap();
        let files = map["data"].as_object().unwrap().iter();
        files.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect()
    }
}

/// The oldest version of Kubernetes that the page names.
pub fn oldest() -> String {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, rest) = page.split_once("from Kubernetes ").expect("the page names the oldest version");
    rest.split_whitespace().next().unwrap().to_owned()
}

/// The words of a list of text.
pub fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

/// Where the manifests are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/kubernetes")
}

/// A copy of them that a test may change.
pub fn copy(into: &Path) {
    fn walk(from: &Path, into: &Path) {
        std::fs::create_dir_all(into).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let into = into.join(entry.file_name());
            if entry.path().is_dir() {
                walk(&entry.path(), &into);
            } else {
                std::fs::copy(entry.path(), into).unwrap();
            }
        }
    }
    walk(&folder(), into);
}
