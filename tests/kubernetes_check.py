"""Holds manifests, as YAML on standard input, against the schemas of Kubernetes, and prints them as JSON.

    python kubernetes_check.py OLDEST <MANIFESTS

All schemas from the version OLDEST up to the newest that the package kubernetes-validate has are used, in its strict
mode: a property that a version does not know is refused. Names each resource that a version does not accept on
standard error, and ends with 1 if there is one.
"""

import json
import sys

import kubernetes_validate
import yaml
from kubernetes_validate.utils import all_versions
from packaging.version import Version

oldest = Version(sys.argv[1])
versions = sorted((version for version in set(all_versions()) if Version(version) >= oldest), key=Version)
resources = [resource for resource in yaml.safe_load_all(sys.stdin) if resource]
wrong = 0
for version in versions:
    for resource in resources:
        name = f"{version} {resource.get('kind')} {resource.get('metadata', {}).get('name')}"
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            wrong += 1
            print(f"{name}: {error.json_path}: {error.message}"[:300], file=sys.stderr)
        except kubernetes_validate.SchemaNotFoundError as error:
            wrong += 1
            print(f"{name}: {error.message}", file=sys.stderr)
json.dump({"versions": versions, "resources": resources}, sys.stdout)
sys.exit(1 if wrong or not resources or not versions else 0)
