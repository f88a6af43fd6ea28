"""What an API server makes of the manifests and the chart: applied, installed, upgraded, rolled back and taken away again.

    cluster.py

Called by scripts/kubernetes-check, which has `kubectl` and `helm` speak to a server of its own. Each check is a line; a
warning of the server's is a failure, too. Ends with 1 if one has failed.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHART = "deploy/helm/downbeat"
# What a user is told to make, by name and key.
SECRETS = {
    "acme-jwt": ["jwt-secret"],
    "connections": ["redis-url", "database-url"],
    "redis-password": ["password"],
    "sentinel-password": ["sentinel-password"],
    "database": ["database-url"],
    "owner": ["database-url"],
    "downbeat-key": ["secret-key", "previous-secret-key"],
    "downbeat-operator": ["operator-key"],
    "redis-ca": ["ca.crt"],
    "company-ca": ["ca.crt"],
}
# What every namespace has, and what uninstalling leaves on purpose: the volume with what was recorded.
ALWAYS_THERE = {"configmap/kube-root-ca.crt", "serviceaccount/default"} | {f"secret/{name}" for name in SECRETS}
KEPT = {"minimal": {"persistentvolumeclaim/lessons-downbeat"}}
RESTRICTED = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn", "audit")]
SECONDS = 60


class Checks:
    def __init__(self):
        self.count = 0
        self.failed = 0
        self.began = time.monotonic()

    def part(self, name):
        print(f"\n-- {name} ({time.monotonic() - self.began:.0f} s)", flush=True)

    def passes(self, what, problem=None):
        """One line; `problem` is nothing if it holds."""
        self.count += 1
        self.failed += bool(problem)
        print(f"{'FAILED' if problem else 'ok':7} {what}", flush=True)
        for line in str(problem or "").splitlines():
            print(f"        {line}", flush=True)
        return not problem

    def attempt(self, part, *arguments):
        """A part that does not find what it looks into has failed, and the others go on."""
        try:
            part(self, *arguments)
        except (RuntimeError, LookupError) as problem:
            self.passes(f"to the end of it: {part.__name__}", f"{type(problem).__name__}: {problem}")

    def same(self, what, found, wanted):
        return self.passes(what, None if found == wanted else f"{found}, and not {wanted}")

    def rolled(self, what, found, before):
        """All nodes are of one ReplicaSet, and it is another than before."""
        return self.passes(what, None if len(found) == 1 and found != before else f"{before}, then {found}")

    def runs(self, *command, given=None, cwd=None):
        """The command succeeds, without a warning. What it printed, or nothing if it failed."""
        ran = call(*command, given=given, cwd=cwd)
        said = ran.stdout + ran.stderr
        warned = warnings_in(ran.stderr)
        passed = self.passes(shown(command), said if ran.returncode or warned else None)
        return ran.stdout if passed else ""

    def refused(self, why, *command, given=None):
        """The command fails: what is checked here can fail."""
        ran = call(*command, given=given)
        told = why in ran.stderr + ran.stdout
        self.passes(f"refused: {shown(command)}", None if ran.returncode and told else ran.stdout + ran.stderr or "not refused")


def shown(command):
    return " ".join(f"'{word}'" if re.search(r"[ $]", word) else word for word in command)


def call(*command, given=None, cwd=None):
    return subprocess.run(command, input=given, cwd=cwd, capture_output=True, text=True, check=False)


def asked(*what):
    ran = call("kubectl", *what, "-o", "json")
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return json.loads(ran.stdout)["items"]


def objects(namespace, kind, *selection):
    return asked("-n", namespace, "get", kind, *selection)


def eventually(problem):
    """What `problem()` finds until the controllers have had their time, or nothing."""
    end = time.monotonic() + SECONDS
    while (found := problem()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def deployments(namespace):
    return objects(namespace, "deployments", "-l", "app.kubernetes.io/component=node")


def replica_sets(namespace):
    """Of the nodes: how many pods each set wants, by its hash."""
    found = objects(namespace, "replicasets", "-l", "app.kubernetes.io/component=node")
    return {of["metadata"]["labels"]["pod-template-hash"]: of["spec"]["replicas"] for of in found}


def serving(namespace):
    """The hash of the set that all nodes are of."""
    return {name for name, wanted in replica_sets(namespace).items() if wanted}


def no_endpoints(namespace, service, port):
    """What is wrong with where a Service leads: to each node, at this port."""
    nodes = deployments(namespace)[0]["spec"]["replicas"]
    found = 0
    for part in objects(namespace, "endpointslices", "-l", f"kubernetes.io/service-name={service}"):
        addresses = sum(len(endpoint["addresses"]) for endpoint in part["endpoints"] or [])
        ports = [open_port["port"] for open_port in part["ports"] or []]
        if addresses and ports != [port]:
            return f"leads to the ports {ports}"
        found += addresses
    return None if found == nodes else f"leads to {found} of {nodes} nodes"


def unevictable(namespace):
    """What is wrong with its disruption budget: all nodes but one, or a fifth of them, must stay."""
    budgets = objects(namespace, "poddisruptionbudgets")
    nodes = deployments(namespace)[0]["spec"]["replicas"]
    status = budgets[0].get("status", {}) if budgets else {}
    if status.get("expectedPods") == nodes and status.get("disruptionsAllowed") == 1:
        return None
    return f"{nodes} nodes, but: {status}"


def is_reached(checks, namespace, name):
    for service, port in ((name, 4000), (f"{name}-metrics", 9464)):
        problem = eventually(lambda service=service, port=port: no_endpoints(namespace, service, port))
        checks.passes(f"in {namespace}, service/{service} leads to each node's port {port}", problem)
    if deployments(namespace)[0]["spec"]["replicas"] > 1:
        problem = eventually(lambda: unevictable(namespace))
        checks.passes(f"in {namespace}, one node at a time may be evicted", problem)


def refusals(checks):
    """That the server is as strict as is said here."""
    checks.runs("kubectl", "create", "namespace", "wrong")
    checks.runs("kubectl", "label", "namespace", "wrong", *RESTRICTED)
    checks.runs("kubectl", "-n", "wrong", "wait", "--for=create", "serviceaccount/default", f"--timeout={SECONDS}s")
    create = ("kubectl", "-n", "wrong", "create", "--validate=strict", "--warnings-as-errors", "-f", "-")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wrong"}}
    checks.refused("selektor", *create, given=json.dumps(service | {"spec": {"selektor": {}, "ports": [{"port": 1}]}}))
    checks.refused("spec.ports[0].port", *create, given=json.dumps(service | {"spec": {"ports": [{"port": 70000}]}}))
    container = {"name": "root", "image": "root"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "wrong"}, "spec": {"containers": [container]}}
    checks.refused("violates PodSecurity", *create, given=json.dumps(pod))
    old = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "wrong"}}
    checks.refused("deprecated", *create, given=json.dumps(old))
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "wrong"}}
    checks.refused("grups", *create, given=json.dumps(rule | {"spec": {"grups": []}}))


def waits_for(namespace, secret):
    """What is wrong with how its nodes wait for a Secret."""
    said = [pod["status"].get("message", "") for pod in objects(namespace, "pods", "-l", "app.kubernetes.io/component=node")]
    return None if said and all(secret in message for message in said) else f"the pods say {said}"


def generations(overlay):
    """The state of each object that an overlay makes. kubectl says `configured` of some that it has not changed."""
    metadata = {(of["kind"], of["metadata"]["name"]): of["metadata"] for of in asked("get", "-k", overlay)}
    return {f"{kind}/{name}": of.get("generation", of["resourceVersion"]) for (kind, name), of in metadata.items()}


def plain(checks, overlay, secret, literals):
    """An overlay of k8s/, as it is."""
    apply = ("kubectl", "apply", "-k", overlay, "--validate=strict", "--warnings-as-errors")
    if not checks.runs(*apply):
        return
    problem = eventually(lambda: waits_for("downbeat", secret))
    checks.passes(f"its pods are made, and wait for the Secret {secret}", problem)
    for name, keys in {"downbeat-tenants": ["school"], secret: literals}.items():
        values = [f"--from-literal={key}=made-up" for key in keys]
        checks.runs("kubectl", "-n", "downbeat", "create", "secret", "generic", name, *values)
    checks.runs("kubectl", "-n", "downbeat", "rollout", "status", "deployment/downbeat", f"--timeout={SECONDS}s")
    checks.runs("kubectl", "-n", "downbeat", "wait", "pod", "--all", "--for=condition=Ready", f"--timeout={SECONDS}s")
    is_reached(checks, "downbeat", "downbeat")
    checks.runs("kubectl", "diff", "-k", overlay)
    before = generations(overlay)
    checks.runs(*apply)
    after = generations(overlay)
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    checks.passes("applied again, it changes nothing", "\n".join(changed))


def own_overlay(checks, folder):
    """An overlay of one's own, as docs/kubernetes.md says to make it: another configuration is another rollout."""
    (folder / "own").mkdir()
    config = Path("k8s/base/downbeat.toml").read_text() + "guests = true\n"
    (folder / "own/downbeat.toml").write_text(config)
    (folder / "own/kustomization.yaml").write_text(
        "resources: [../k8s/overlays/cluster]\n"
        "namespace: downbeat\n"
        "configMapGenerator:\n"
        "  - {name: downbeat-config, behavior: replace, files: [downbeat.toml]}\n"
        "images:\n"
        "  - {name: downbeat, newName: registry.example.org/downbeat, newTag: 0.1.1}\n"
    )
    subprocess.run(["cp", "-r", "k8s", str(folder / "k8s")], check=True)
    before = serving("downbeat")
    rolled_out = ("kubectl", "-n", "downbeat", "rollout", "status", "deployment/downbeat", f"--timeout={SECONDS}s")
    checks.runs("kubectl", "apply", "-k", "own", "--validate=strict", "--warnings-as-errors", cwd=folder)
    checks.runs(*rolled_out)
    checks.rolled("another configuration is another ReplicaSet", serving("downbeat"), before)
    checks.runs("kubectl", "apply", "-k", "k8s/overlays/cluster")
    checks.runs(*rolled_out)
    checks.same("the former one is the former ReplicaSet", serving("downbeat"), before)


def applied_to_more(checks, overlay):
    checks.runs("kubectl", "-n", "downbeat", "scale", "deployment/downbeat", "--replicas=5")
    checks.runs("kubectl", "apply", "-k", overlay)
    nodes = deployments("downbeat")[0]["spec"]["replicas"]
    checks.same("applied again, it leaves the autoscaler's number alone", nodes, 5)


def all_plain(checks, folder):
    tenants = ("downbeat-tenants", ["school"])
    for overlay, needs in {
        "k8s/": tenants,
        "k8s/overlays/single": tenants,
        "k8s/overlays/cluster": tenants,
        "k8s/overlays/production": ("downbeat-connections", ["redis-url", "database-url"]),
    }.items():
        checks.attempt(plain, overlay, *needs)
        if overlay.endswith("cluster"):
            checks.attempt(own_overlay, folder)
        if overlay.endswith("production"):
            checks.attempt(applied_to_more, overlay)
        checks.runs("kubectl", "delete", "-k", overlay, f"--timeout={SECONDS}s")
        gone = call("kubectl", "get", "namespace", "downbeat").returncode
        checks.passes("deleted, nothing is left of it", None if gone else "the namespace downbeat is still there")


def blocks(language):
    """What stands in such blocks of the page's `Five minutes`."""
    page = Path("docs/kubernetes.md").read_text()
    section = page.split("\n## Five minutes\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def warnings_in(stderr):
    """What the server warns of. A client's own note that a watch was begun anew (klog's severity I) is none."""
    lines = [line for line in stderr.splitlines() if not re.match(r"I\d{4} ", line)]
    return re.search(r"warning|deprecated|level=warn", "\n".join(lines), re.IGNORECASE)


def five_minutes(checks, folder):
    """docs/kubernetes.md's first page, line by line: but for the image, and `helm test`, which needs nodes that run."""
    (folder / "deploy").symlink_to(Path("deploy").absolute())
    lines = [line for line in blocks("sh")[0].splitlines() if not re.match("docker |helm .* test ", line)]
    script = "set -eux\n" + "\n".join(lines)
    ran = call("bash", "-c", script, cwd=folder)
    ended = ran.returncode or warnings_in(ran.stderr)
    said = ran.stdout + ran.stderr
    if not checks.passes("the commands of `Five minutes`, but for docker and `helm test`", said if ended else None):
        return
    checks.same("it is one node", len(ready("music")), 1)

    one = (folder / "acme.yaml").read_text()
    three = re.sub("^(replicaCount|redis):.*\n", "", one, flags=re.MULTILINE) + blocks("yaml")[0]
    (folder / "acme.yaml").write_text(three)
    for secret, key in {"redis-password": "password", "database": "database-url"}.items():
        checks.runs("kubectl", "-n", "music", "create", "secret", "generic", secret, f"--from-literal={key}=made-up")
    helm = ("helm", "-n", "music")
    checks.runs(*helm, "upgrade", "lessons", f"{folder}/deploy/helm/downbeat", "--values", f"{folder}/acme.yaml", "--wait")
    checks.same("with the lines for lessons that count, it is three", len(ready("music")), 3)
    (folder / "acme.yaml").write_text(one)
    upgrade = (*helm, "upgrade", "lessons", f"{folder}/deploy/helm/downbeat", "--values", f"{folder}/acme.yaml", "--wait")
    checks.refused("persistence.existingClaim: ", *upgrade)
    checks.runs(*upgrade, "--set", "persistence.existingClaim=lessons-downbeat")
    problem = eventually(lambda: None if len(ready("music")) == 1 else ready("music"))
    checks.passes("with the first lines and its volume, it is one again", problem)


def ready(namespace):
    """Names of the pods that have not been told to go."""
    return [pod["metadata"]["name"] for pod in objects(namespace, "pods") if "deletionTimestamp" not in pod["metadata"]]


def namespace_for(checks, name):
    checks.runs("kubectl", "create", "namespace", name)
    checks.runs("kubectl", "label", "namespace", name, *RESTRICTED)
    for secret, keys in SECRETS.items():
        call("kubectl", "-n", name, "create", "secret", "generic", secret, *(f"--from-literal={key}=made-up" for key in keys))


def left(namespace, kinds):
    """What is in a namespace beyond what every one has."""
    found = call("kubectl", "-n", namespace, "get", kinds, "-o", "name", "--ignore-not-found").stdout.split()
    plain_names = {re.sub(r"\.[a-z0-9.]*/", "/", name) if "/" in name else name for name in found}
    return plain_names - ALWAYS_THERE


def in_revision(namespace, revision):
    return call("helm", "-n", namespace, "get", "manifest", "lessons", "--revision", str(revision)).stdout


def chart(checks, values, kinds):
    """The chart with one of its sets of values, from nothing to nothing."""
    name = values.name.removesuffix("-values.yaml")
    namespace = f"chart-{name}"
    checks.part(values)
    namespace_for(checks, namespace)
    helm = ("helm", "-n", namespace)
    given = ("--values", str(values))
    rendered = checks.runs(*helm, "template", "lessons", CHART, *given, "--validate")
    create = ("kubectl", "-n", namespace, "create", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")
    checks.runs(*create, given=rendered)

    waiting = ("--wait", "--timeout", f"{SECONDS}s")
    if not checks.runs(*helm, "install", "lessons", CHART, *given, *waiting):
        return
    notes = call(*helm, "get", "notes", "lessons").stdout
    made = re.findall(r"create secret generic (\S+) --from-literal=([a-z-]+)=", notes)
    unknown = [f"{secret}/{key}" for secret, key in made if key not in SECRETS.get(secret, [])]
    checks.passes(f"the notes have the Secrets made that are waited for ({len(made)})", "\n".join(unknown) if made else notes)
    told = re.search(r"kubectl .* rollout status .*", notes)
    if checks.passes("the notes say how to watch the rollout", None if told else notes):
        checks.runs(*told.group().split(), f"--timeout={SECONDS}s")
    fullname = deployments(namespace)[0]["metadata"]["name"]
    problem = eventually(lambda: None if len(serving(namespace)) == 1 else replica_sets(namespace))
    checks.passes("the nodes are of one ReplicaSet", problem)
    is_reached(checks, namespace, fullname)

    first = serving(namespace)
    checks.runs(*helm, "upgrade", "lessons", CHART, *given, *waiting)
    checks.same("an upgrade to the same is no rollout", serving(namespace), first)
    checks.runs(*helm, "upgrade", "lessons", CHART, *given, *waiting, "--set", "config.settings.control_lead_ms=175")
    checks.rolled("another setting is another checksum, and another ReplicaSet", serving(namespace), first)
    checks.runs(*helm, "rollback", "lessons", "1", *waiting)
    checks.same("rolled back, it is the first ReplicaSet", serving(namespace), first)
    same = in_revision(namespace, 1) == in_revision(namespace, 4) != in_revision(namespace, 3)
    checks.passes("rolled back, it is the first manifest", None if same else "the manifests of revisions 1 and 4 differ")

    checks.runs(*helm, "uninstall", "lessons", *waiting)
    kept = KEPT.get(name, set())
    problem = eventually(lambda: left(namespace, kinds) ^ kept)
    checks.passes(f"uninstalled, it leaves {', '.join(kept) or 'nothing'}", problem)
    if kept:
        checks.refused("persistence.existingClaim: ", *helm, "install", "lessons", CHART, *given)
        checks.runs(*helm, "install", "lessons", CHART, *given, *waiting, "--set", f"persistence.existingClaim={fullname}")


def main():
    checks = Checks()
    checks.part("the server")
    refusals(checks)
    # One of the sets of values names it.
    checks.runs("kubectl", "create", "priorityclass", "lessons", "--value=1000")
    with tempfile.TemporaryDirectory() as folder:
        checks.part("k8s/")
        all_plain(checks, Path(folder))
        checks.part("docs/kubernetes.md")
        checks.attempt(five_minutes, Path(folder))
    listed = call("kubectl", "api-resources", "--verbs=list", "--namespaced", "-o", "name").stdout.split()
    kinds = ",".join(kind for kind in listed if not kind.startswith(("events", "pods.metrics")))
    for values in sorted(Path(CHART, "ci").glob("*-values.yaml")):
        checks.attempt(chart, values, kinds)
    print(f"\n{checks.count} checks, {checks.failed} failed, {time.monotonic() - checks.began:.0f} s", flush=True)
    return checks.failed > 0


sys.exit(main())
