//! A pod on this machine: its container's program, arguments, variables and files, with every mount in a
//! folder of the test's own.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Rendered, words};
use crate::support::{Decom, Sandbox, TOKEN};

/// What the cluster's secrets hold, by name and key.
const SECRETS: [(&str, &str, &str); 2] =
    [("databrain-token", "token", TOKEN), ("decom-queue", "url", "nats://127.0.0.1?queue=decom")];

/// One pod of a workload.
pub struct Pod<'a> {
    rendered: &'a Rendered,
    root: PathBuf,
    mounts: &'a [Value],
    index: Option<u32>,
}

impl<'a> Pod<'a> {
    /// Mounts what the container asks for. `index` is that of a pod of an Indexed Job.
    pub fn new(sandbox: &Sandbox, rendered: &'a Rendered, index: Option<u32>) -> Self {
        let mounts = rendered.container()["volumeMounts"].as_array().unwrap();
        let pod = Self { rendered, root: sandbox.path("pod"), mounts, index };
        for mount in mounts {
            pod.mount(mount);
        }
        pod
    }

    fn mount(&self, mount: &Value) {
        let place = self.place(mount["mountPath"].as_str().unwrap());
        let volumes = self.rendered.pod()["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        if volume.get("configMap").is_some() {
            for (name, text) in self.rendered.config_map(&volume["configMap"]["name"]) {
                // The configuration speaks of places in the pod; lists and plans do not.
                let text = if name == "decom.toml" { self.translated(&text) } else { text };
                Self::file(&place, &name, &text);
            }
        } else if volume.get("secret").is_some() {
            let of = SECRETS.iter().filter(|(secret, _, _)| volume["secret"]["secretName"] == *secret);
            let mut found = 0;
            for (_, key, text) in of {
                Self::file(&place, key, text);
                found += 1;
            }
            assert!(found > 0, "{volume}");
        } else {
            assert!(volume["persistentVolumeClaim"]["claimName"].is_string(), "{volume}");
            std::fs::create_dir_all(self.in_volume(&place, mount)).unwrap();
        }
    }

    /// A file as the kubelet mounts it: behind two links, so that all of a folder changes at once.
    fn file(place: &Path, name: &str, text: &str) {
        let data = place.join("..2026_11_24");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join(name), text).unwrap();
        if !place.join("..data").exists() {
            symlink("..2026_11_24", place.join("..data")).unwrap();
        }
        if !place.join(name).exists() {
            symlink(Path::new("..data").join(name), place.join(name)).unwrap();
        }
    }

    /// Where the mount's part of the volume is; the test's own folder stands for the whole volume.
    fn in_volume(&self, place: &Path, mount: &Value) -> PathBuf {
        match mount["subPathExpr"].as_str() {
            None => place.to_owned(),
            Some(expression) => {
                let index = self.index.expect("only the pods of an Indexed Job have an index").to_string();
                let part = expression.replace("$(JOB_COMPLETION_INDEX)", &index);
                assert!(!part.contains('$'), "{expression}");
                place.with_extension(part)
            }
        }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Where a path of the container is on this machine; no other path may be mentioned.
    pub fn path(&self, path: &str) -> PathBuf {
        self.mounted(path).unwrap_or_else(|| panic!("nothing is mounted at {path}"))
    }

    fn mounted(&self, path: &str) -> Option<PathBuf> {
        self.mounts.iter().find_map(|mount| {
            let at = mount["mountPath"].as_str().unwrap();
            let place = self.in_volume(&self.place(at), mount);
            match path.strip_prefix(at)? {
                "" => Some(place),
                rest => Some(place.join(rest.strip_prefix('/')?)),
            }
        })
    }

    /// `text` with every path in it translated, whether it is one, is behind a `=` or in quotes.
    fn translated(&self, text: &str) -> String {
        let pieces = text.split_inclusive(['=', '"', '\n', ' ']);
        pieces
            .map(|piece| {
                let end = piece.trim_end_matches(['=', '"', '\n', ' ']);
                let rest = &piece[end.len()..];
                if let Some(place) = self.mounted(end) {
                    return format!("{}{rest}", place.display());
                }
                // Every path has to be on a volume: the rest of the image is read-only.
                assert!(!end.starts_with('/'), "nothing is mounted at {end}");
                piece.to_owned()
            })
            .collect()
    }

    /// Its arguments, as they are on this machine.
    pub fn arguments(&self) -> Vec<String> {
        words(&self.rendered.container()["args"]).iter().map(|word| self.translated(word)).collect()
    }

    /// The program, as the pod would start it, with these arguments.
    pub fn program(&self, arguments: &[String]) -> Decom {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decom"));
        command.env_clear().args(arguments);
        for variable in self.rendered.container()["env"].as_array().unwrap() {
            let value = self.translated(variable["value"].as_str().unwrap());
            command.env(variable["name"].as_str().unwrap(), value);
        }
        // Kubernetes gives this to every pod of an Indexed Job.
        if let Some(index) = self.index {
            command.env("JOB_COMPLETION_INDEX", index.to_string());
        }
        Decom::of(command, &self.path("/var/lib/decom"))
    }

    /// What the pod would run, against an API at this address.
    pub fn decom(&self, base_url: &str) -> Decom {
        let mut command = self.program(&self.arguments());
        command.env("DECOM_BASE_URL", base_url);
        command
    }

    /// Its audit log.
    pub fn log(&self) -> PathBuf {
        self.path("/var/lib/decom/decom-audit.db")
    }
}
