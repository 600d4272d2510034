"""Holds events, one a line on standard input, against the published schema of OCSF.

The arguments are the versions of the schema. Names each event that a version does not take, and ends
with 1 where there is one. The schemas come with the package ocsf-json-schema, as schema.ocsf.io
publishes them; properties that a version does not know are refused.
"""

import json
import pathlib
import sys

import jsonschema
import ocsf_json_schema
from ocsf_json_schema import OcsfJsonSchemaEmbedded

folder = pathlib.Path(ocsf_json_schema.__file__).parent / "ocsf"
events = [json.loads(line) for line in sys.stdin]
wrong = 0
for version in sys.argv[1:]:
    schema = OcsfJsonSchemaEmbedded(json.loads((folder / f"{version}.json").read_text()))
    validators = {}
    for event in events:
        uid = event["class_uid"]
        if uid not in validators:
            of_class = schema.get_class_schema(schema.lookup_class_name_from_uid(uid))
            validators[uid] = jsonschema.Draft202012Validator(of_class)
        for error in validators[uid].iter_errors(event):
            wrong += 1
            print(f"{version} {event['metadata'].get('uid')} {error.json_path}: {error.message}"[:300])
print(f"{len(events)} events, {wrong} errors")
sys.exit(1 if wrong or not events else 0)
