"""Strict JSON schemas for kubeconform, made from what Kubernetes and others publish as Go modules.

    schemas.py out/ swagger.json [crd.yaml …]

Kubernetes' OpenAPI description gives one file for each kind, with everything it refers to inside; so does each custom
resource definition. A field that no schema knows is an error: that is what makes them strict.
"""

import json
import sys
from pathlib import Path

import yaml

# Types that JSON writes in two ways.
EITHER = {"oneOf": [{"type": "string"}, {"type": "number"}]}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def strict(schema):
    """The schema, with what OpenAPI writes otherwise than JSON schema, and without room for unknown fields."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return EITHER
    made = {key: strict(value) for key, value in schema.items() if key not in ("description", "format", "default", "example")}
    # A property may be called like a keyword: their names are left alone.
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in made and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    return made


def references(schema):
    """The definitions that a schema refers to."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix("#/definitions/")
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def closed(name, definitions):
    """The definition, with all that it needs."""
    needed, waiting = {}, [name]
    while waiting:
        wanted = waiting.pop()
        if wanted not in needed:
            needed[wanted] = definitions[wanted]
            waiting.extend(references(definitions[wanted]))
    return {**needed[name], "definitions": needed}


def write(out, kind, group, version, schema):
    parts = [kind.lower(), *([group.split(".")[0]] if group else []), version]
    (out / f"{'-'.join(parts)}.json").write_text(json.dumps(schema))


def of_kubernetes(out, swagger):
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    definitions[QUANTITY] = EITHER
    for name, schema in swagger["definitions"].items():
        for of in schema.get("x-kubernetes-group-version-kind", []):
            # Options of calls are listed under every group; they are no manifests.
            if "metadata" in schema.get("properties", {}):
                write(out, of["kind"], of["group"], of["version"], closed(name, definitions))


def of_definition(out, definition):
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        # Written as a plain object there, because the API server checks it itself.
        schema["properties"]["metadata"] = {"type": "object"}
        write(out, spec["names"]["kind"], spec["group"], version["name"], schema)


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    of_kubernetes(out, json.loads(Path(sys.argv[2]).read_text()))
    for file in sys.argv[3:]:
        for definition in yaml.safe_load_all(Path(file).read_text()):
            if definition and definition["kind"] == "CustomResourceDefinition":
                of_definition(out, definition)


main()
