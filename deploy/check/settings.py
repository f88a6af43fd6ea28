"""Does the binary take the settings that the manifests give it?

    settings.py <downbeat> manifests.yaml …

For each Deployment the configuration and variables are laid out as the kubelet would, with made-up secrets, and the node is
started with one setting that is wrong on purpose: it must complain of that one and of nothing else.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

WRONG = "DOWNBEAT_IDLE_TIMEOUT_S"
# Of the names that the manifests give to keys of Secrets.
MADE_UP = {
    "redis-url": "redis://user:made-up@redis:6379/0",
    "database-url": "postgres://user:made-up@postgres/downbeat",
    "secret-key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "previous-secret-key": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=",
}


def made_up(key):
    return MADE_UP.get(key, "made-up-and-long-enough-for-a-secret")


def variables(container):
    """Its environment, with $(NAME) put in from what stands above, as the kubelet does."""
    found = {}
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = made_up(source["secretKeyRef"]["key"])
        elif "fieldRef" in source:
            value = "downbeat-6d5f7c9b8-x2x4z"
        else:
            value = entry.get("value", "")
            for name, of in found.items():
                value = value.replace(f"$({name})", of)
        found[entry["name"]] = value
    return found


def lay_out(root, pod, documents):
    """Its volumes as folders under `root`."""
    configs = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    mounts = {mount["name"]: root / mount["mountPath"].lstrip("/") for mount in pod["containers"][0]["volumeMounts"]}
    for volume in pod["volumes"]:
        folder = mounts[volume["name"]]
        folder.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            for name, text in configs[volume["configMap"]["name"]].items():
                (folder / name).write_text(text)
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["secret"]["items"]:
                (folder / item["path"]).write_text(made_up(item["key"]))
        if volume.get("secret", {}).get("secretName") == "downbeat-tenants":
            (folder / "school").write_text(made_up("school"))


def complaint(binary, deployment, documents):
    """What the node says against its settings."""
    pod = deployment["spec"]["template"]["spec"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(root, pod, documents)
        environment = variables(pod["containers"][0])
        config = root / environment["DOWNBEAT_CONFIG"].lstrip("/")
        config.write_text(config.read_text().replace('"/etc/', f'"{root}/etc/'))
        environment |= {"DOWNBEAT_CONFIG": str(config), WRONG: "wrong on purpose"}
        command = [binary, *pod["containers"][0]["args"]]
        ran = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=20, check=False)
        return ran.stdout + ran.stderr


def main():
    binary = os.path.abspath(sys.argv[1])
    bad = 0
    for file in sys.argv[2:]:
        documents = [document for document in yaml.safe_load_all(Path(file).read_text()) if document]
        for deployment in (d for d in documents if d["kind"] == "Deployment"):
            said = complaint(binary, deployment, documents)
            if "one setting is wrong:" not in said or WRONG not in said:
                bad += 1
                print(f"{file}: {said}", file=sys.stderr)
    return bad > 0


sys.exit(main())
