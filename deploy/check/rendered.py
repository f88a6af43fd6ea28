"""What the chart renders, set of values by set of values and value by value.

    rendered.py <helm> <chart> <version of Kubernetes>

Two tables: what each of ci/*-values.yaml must render (its objects, its nodes' environment and where each secret comes from),
and what a value alone changes. And what holds for all of it: secrets are never written down, probes, a drain that fits into
the grace period, one node at a time, selectors that meet their pods and no others, no privileges.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

HELM, CHART, KUBERNETES = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

# Every set renders these, and those of `helm test` (unless there is no secret to make a token with).
ALWAYS = Counter(["Deployment", "Service", "Service", "ServiceAccount", "NetworkPolicy", "ConfigMap", "ConfigMap", "Pod"])
CLUSTER = Counter(["PodDisruptionBudget"])
MONITORING = Counter(["ServiceMonitor", "PrometheusRule", "ConfigMap"])
TENANT = "acme-jwt/jwt-secret"
PASSWORD = {"REDIS_PASSWORD": "redis-password/password"}
SENTINEL = {"REDIS_SENTINEL_PASSWORD": "sentinel-password/sentinel-password"}
THREE = "sentinel-0.sentinel:26379,sentinel-1.sentinel:26379,sentinel-2.sentinel:26379"
# Of each set: what it renders beyond ALWAYS, what its nodes are told of Redis, and the Secret and key of everything else
# that is secret, by the name of its variable.
SETS = {
    "minimal": (Counter(["PersistentVolumeClaim"]), None, {}),
    "redis-standalone": (CLUSTER, "redis://redis:6379", {}),
    "redis-sentinel": (
        CLUSTER,
        f"redis-sentinel://:$(REDIS_PASSWORD)@{THREE}/mymaster/0"
        "?replicas=1&sentinel_username=sentinel&sentinel_password=$(REDIS_SENTINEL_PASSWORD)",
        PASSWORD | SENTINEL,
    ),
    "redis-cluster": (
        CLUSTER,
        "redis-cluster://:$(REDIS_PASSWORD)@redis-0.redis:6379,redis-1.redis:6379?tls=true&replicas=1",
        PASSWORD,
    ),
    "redis-tls": (CLUSTER, "rediss://downbeat:$(REDIS_PASSWORD)@redis.example.org:6380/3?prefix=music:", PASSWORD),
    "redis-url": (CLUSTER + Counter(["Job"]), "connections/redis-url", {"DATABASE_URL": "connections/database-url"}),
    "ingress-nginx": (CLUSTER + Counter(["Ingress"]), "redis://redis:6379", {}),
    "ingress-alb": (CLUSTER + Counter(["Ingress"]), "redis://redis:6379", {}),
    "ingress-traefik": (CLUSTER + Counter(["Ingress"]), "redis://redis:6379", {}),
    "gateway": (CLUSTER + Counter(["HTTPRoute"]), "redis://redis:6379", {}),
    "autoscaled": (CLUSTER + Counter(["HorizontalPodAutoscaler"]), "redis://redis:6379", {}),
    # No tenant, so no `helm test`.
    "operator": (
        Counter({"PodDisruptionBudget": 1, "ConfigMap": -1, "Pod": -1}),
        "redis://redis:6379",
        {"DOWNBEAT_SECRET_KEY": "downbeat-key/secret-key", "DOWNBEAT_OPERATOR_KEY": "downbeat-operator/operator-key"},
    ),
    "maximal": (
        CLUSTER + MONITORING + Counter(["Job", "Ingress", "HTTPRoute", "HorizontalPodAutoscaler"]),
        f"redis-sentinel://downbeat:$(REDIS_PASSWORD)@{THREE}/mymaster/1"
        "?tls=true&replicas=1&sentinel_username=sentinel&sentinel_password=$(REDIS_SENTINEL_PASSWORD)",
        PASSWORD
        | SENTINEL
        | {
            "DATABASE_URL": "database/database-url",
            "DOWNBEAT_SECRET_KEY": "downbeat-key/secret-key",
            "DOWNBEAT_PREVIOUS_SECRET_KEY": "downbeat-key/previous-secret-key",
            "DOWNBEAT_OPERATOR_KEY": "downbeat-operator/operator-key",
        },
    ),
}
# Of a migration, by the set.
OWNERS = {"redis-url": "owner/database-url", "maximal": "owner/database-url"}


def render(values, *settings):
    """The objects, or what Helm says against it."""
    command = [HELM, "template", "lesson", str(CHART), "--kube-version", KUBERNETES, "--values", str(values)]
    command += [word for setting in settings for word in ("--set", setting)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ValueError(ran.stderr)
    return [document for document in yaml.safe_load_all(ran.stdout) if document]


def of_kind(objects, kind):
    return [found for found in objects if found["kind"] == kind]


def one(objects, kind):
    found = of_kind(objects, kind)
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def pod_of(found):
    """The metadata and specification of the pods that an object makes, or nothing."""
    if found["kind"] == "Pod":
        return found
    return found["spec"]["template"] if found["kind"] in ("Deployment", "Job", "StatefulSet") else None


def nodes_of(objects):
    """The nodes' pod, and the container that is Downbeat."""
    pod = pod_of(one(objects, "Deployment"))["spec"]
    return pod, pod["containers"][0]


def environment(container):
    """Each variable's value, or the Secret and key that it comes from."""
    found = {}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        secret = source.get("secretKeyRef")
        found[variable["name"]] = f"{secret['name']}/{secret['key']}" if secret else variable.get("value", json.dumps(source))
    return found


def equal(found, wanted, what):
    assert found == wanted, f"{what}: {found}, and not {wanted}"


def is_unprivileged(objects):
    for found in filter(pod_of, objects):
        pod = pod_of(found)["spec"]
        where = f"{found['kind']} {found['metadata']['name']}"
        equal(pod.get("automountServiceAccountToken"), False, f"{where}: automountServiceAccountToken")
        context = pod["securityContext"]
        equal((context["runAsNonRoot"], context["runAsUser"]), (True, 65532), f"{where}: user")
        equal(context["seccompProfile"], {"type": "RuntimeDefault"}, f"{where}: seccompProfile")
        # What users add is theirs, but the examples show how.
        for container in pod["containers"] + pod.get("initContainers", []):
            inside = container.get("securityContext", {})
            equal(inside.get("allowPrivilegeEscalation"), False, f"{where}, {container['name']}: allowPrivilegeEscalation")
            equal(inside.get("capabilities"), {"drop": ["ALL"]}, f"{where}, {container['name']}: capabilities")
            equal(inside.get("readOnlyRootFilesystem"), True, f"{where}, {container['name']}: readOnlyRootFilesystem")


def has_limits(objects):
    for found in filter(pod_of, objects):
        resources = pod_of(found)["spec"]["containers"][0]["resources"]
        assert "memory" in resources["limits"] and {"cpu", "memory"} <= resources["requests"].keys(), resources
        assert "cpu" not in resources["limits"], "a CPU limit makes beats late"


def is_probed(objects):
    container = nodes_of(objects)[1]
    for probe, path in {"livenessProbe": "/livez", "readinessProbe": "/readyz", "startupProbe": "/livez"}.items():
        equal(container[probe]["httpGet"], {"path": path, "port": "http"}, probe)
    equal({port["name"]: port["containerPort"] for port in container["ports"]}, {"http": 4000, "metrics": 9464}, "ports")


def drains(objects):
    pod, container = nodes_of(objects)
    hook = container["lifecycle"]["preStop"]
    before = hook["sleep"]["seconds"] if "sleep" in hook else int(hook["exec"]["command"][-1])
    drain = int(environment(container)["DOWNBEAT_DRAIN_S"])
    grace = pod["terminationGracePeriodSeconds"]
    assert before >= 5 and grace >= before + drain + 5, f"preStop {before}, drain {drain}, grace period {grace}"


def rolls(objects):
    deployment = one(objects, "Deployment")
    volumes = [volume for volume in nodes_of(objects)[0]["volumes"] if "persistentVolumeClaim" in volume]
    strategy = deployment["spec"]["strategy"]
    if volumes:
        equal(strategy, {"type": "Recreate"}, "strategy")
        equal(deployment["spec"]["replicas"], 1, "replicas")
        return
    equal(strategy, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, "strategy")
    equal("replicas" in deployment["spec"], not of_kind(objects, "HorizontalPodAutoscaler"), "replicas without autoscaler")
    assert re.fullmatch("[0-9a-f]{64}", deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


def is_spread(objects):
    constraints = nodes_of(objects)[0]["topologySpreadConstraints"]
    equal([of["topologyKey"] for of in constraints], ["topology.kubernetes.io/zone", "kubernetes.io/hostname"], "spread over")
    for constraint in constraints:
        equal((constraint["maxSkew"], constraint["matchLabelKeys"]), (1, ["pod-template-hash"]), "spread")


def meets(selector, found):
    return selector.items() <= found["metadata"]["labels"].items()


def selects(objects):
    """Every selector meets the nodes' pods, and no other pods."""
    selectors = [of["spec"]["selector"] for of in of_kind(objects, "Service")]
    matching = of_kind(objects, "Deployment") + of_kind(objects, "PodDisruptionBudget")
    selectors += [of["spec"]["selector"]["matchLabels"] for of in matching]
    selectors += [of["spec"]["podSelector"]["matchLabels"] for of in of_kind(objects, "NetworkPolicy")]
    selectors += [of["labelSelector"]["matchLabels"] for of in nodes_of(objects)[0].get("topologySpreadConstraints", [])]
    for selector in selectors:
        met = {found["kind"] for found in filter(pod_of, objects) if meets(selector, pod_of(found))}
        equal(met, {"Deployment"}, f"pods that {selector} meets")
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        met = [of["metadata"]["name"] for of in of_kind(objects, "Service") if meets(selector, of)]
        assert len(met) == 1 and met[0].endswith("-metrics"), f"services that the ServiceMonitor meets: {met}"


def refers(objects):
    """What leads to another object by name leads to one that is there, and only to the HTTP port."""
    services = {
        of["metadata"]["name"]: {port["name"]: port["port"] for port in of["spec"]["ports"]} for of in of_kind(objects, "Service")
    }
    for route in of_kind(objects, "HTTPRoute"):
        for backend in (backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"]):
            equal(backend["port"], services[backend["name"]]["http"], "the route's port")
    for ingress in of_kind(objects, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            assert backend["port"]["name"] == "http" in services[backend["name"]], backend
    accounts = [of["metadata"]["name"] for of in of_kind(objects, "ServiceAccount")]
    equal([nodes_of(objects)[0]["serviceAccountName"]], accounts, "the nodes' account")
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        equal(scaler["spec"]["scaleTargetRef"]["name"], one(objects, "Deployment")["metadata"]["name"], "what is scaled")


def hides_secrets(objects):
    """No Secret is made, and nothing that is named like a secret has its value written down."""
    equal(of_kind(objects, "Secret"), [], "Secrets")
    for found in filter(pod_of, objects):
        for container in pod_of(found)["spec"]["containers"]:
            for variable in container.get("env", []):
                if re.search("(PASSWORD|SECRET|KEY|TOKEN|DATABASE_URL)$", variable["name"]):
                    assert "secretKeyRef" in variable.get("valueFrom", {}), f"{variable['name']} is written down"
                written = re.findall(r"(?:://[^/@]*:|password=)(?!\$\()[^@&]*[@&]", variable.get("value", ""))
                assert not written, f"{variable['name']} has a password in it"
    for config in of_kind(objects, "ConfigMap"):
        written = re.search(r"^\s*(jwt_)?secret *=", config["data"].get("downbeat.toml", ""), re.MULTILINE)
        assert not written, "a secret in downbeat.toml"


ALL = [is_unprivileged, has_limits, is_probed, drains, rolls, selects, refers, hides_secrets]


def check_set(name, values):
    extra, redis, secrets = SETS[name]
    objects = render(values)
    equal(Counter(found["kind"] for found in objects), ALWAYS + extra, "objects")
    for rule in ALL:
        rule(objects)
    if redis:
        is_spread(objects)
    pod, container = nodes_of(objects)
    given = environment(container)
    equal(given.get("DOWNBEAT_REDIS_URL"), redis, "DOWNBEAT_REDIS_URL")
    from_secrets = {of["name"] for of in container["env"] if "secretKeyRef" in of.get("valueFrom", {})} - {"DOWNBEAT_REDIS_URL"}
    equal({of: given[of] for of in from_secrets}, secrets, "secrets")
    sources = [source["secret"] for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    tenants = [] if name == "operator" else [TENANT]
    equal([f"{of['name']}/{of['items'][0]['key']}" for of in sources], tenants, "the tenants' secrets")
    for job in of_kind(objects, "Job"):
        equal(environment(pod_of(job)["spec"]["containers"][0])["DATABASE_URL"], OWNERS[name], "the migration's database")


def variable(name, wanted):
    return lambda objects: equal(environment(nodes_of(objects)[1]).get(name), wanted, name)


def without(*kinds):
    return lambda objects: equal([found["kind"] for found in objects if found["kind"] in kinds], [], "objects")


def trusts(objects):
    """Nodes and migration have the authority's certificate where they are told."""
    pod, container = nodes_of(objects)
    variable("SSL_CERT_FILE", "/etc/downbeat-ca/ca.crt")(objects)
    for spec in (pod, pod_of(one(objects, "Job"))["spec"]):
        volume = next(of for of in spec["volumes"] if of["name"] == "ca")["secret"]
        equal(volume, {"secretName": "authority", "items": [{"key": "root.pem", "path": "ca.crt"}]}, "the authority's Secret")
        mounts = {of["name"]: of["mountPath"] for of in spec["containers"][0]["volumeMounts"]}
        equal(mounts["ca"], "/etc/downbeat-ca", "where the authority is mounted")


def whole_file(objects):
    volume = next(of for of in nodes_of(objects)[0]["volumes"] if of["name"] == "config")
    equal(volume["secret"], {"secretName": "file"}, "the configuration")
    without("ConfigMap", "Pod")(objects)


def in_spec(path, wanted):
    def look(objects):
        found = one(objects, "Deployment")["spec"]["template"]["spec"]
        for step in path.split("."):
            found = found[int(step)] if step.isdigit() else found.get(step)
        equal(found, wanted, path)

    return look


DIGEST = "sha256:" + 64 * "d"
STANDALONE, MINIMAL, MIGRATED = "redis-standalone", "minimal", "redis-url"
# A set, what is set besides, and what must come of it.
CHANGES = [
    (MINIMAL, ["operatorKey.existingSecret=op"], variable("DOWNBEAT_OPERATOR_KEY", "op/operator-key")),
    (MINIMAL, ["operatorKey.existingSecret=op", "operatorKey.key=k"], variable("DOWNBEAT_OPERATOR_KEY", "op/k")),
    (STANDALONE, ["secretKey.existingSecret=now"], variable("DOWNBEAT_SECRET_KEY", "now/secret-key")),
    (STANDALONE, ["secretKey.existingSecret=now"], variable("DOWNBEAT_PREVIOUS_SECRET_KEY", None)),
    (
        STANDALONE,
        ["secretKey.existingSecret=now", "secretKey.previous.existingSecret=then", "secretKey.previous.key=k"],
        variable("DOWNBEAT_PREVIOUS_SECRET_KEY", "then/k"),
    ),
    (STANDALONE, ["database.existingSecret=db", "database.urlKey=k"], variable("DATABASE_URL", "db/k")),
    (MINIMAL, ["database.existingSecret=db"], variable("DATABASE_URL", "db/database-url")),
    (STANDALONE, ["redis.existingSecret=r", "redis.passwordKey=k"], variable("REDIS_PASSWORD", "r/k")),
    (MIGRATED, ["redis.urlKey=k"], variable("DOWNBEAT_REDIS_URL", "connections/k")),
    (MIGRATED, ["caBundle.existingSecret=authority", "caBundle.key=root.pem"], trusts),
    (STANDALONE, ["config.tenants=null", "config.defaultTenant=", "config.existingSecret=file"], whole_file),
    (STANDALONE, ["tests.enabled=false"], without("Pod")),
    (STANDALONE, ["networkPolicy.enabled=false"], without("NetworkPolicy")),
    (STANDALONE, ["podDisruptionBudget.enabled=false"], without("PodDisruptionBudget")),
    (STANDALONE, ["serviceAccount.create=false"], in_spec("serviceAccountName", "default")),
    (MINIMAL, ["persistence.existingClaim=old"], without("PersistentVolumeClaim")),
    (STANDALONE, ["topologySpread.enabled=false"], in_spec("topologySpreadConstraints", None)),
    (STANDALONE, ["preStop.mode=none"], in_spec("containers.0.lifecycle", None)),
    (STANDALONE, ["drainSeconds=100"], in_spec("terminationGracePeriodSeconds", 120)),
    (STANDALONE, ["terminationGracePeriodSeconds=90"], in_spec("terminationGracePeriodSeconds", 90)),
    (STANDALONE, ["image.repository=r", "image.tag=t"], in_spec("containers.0.image", "r:t")),
    (STANDALONE, ["image.tag=t", f"image.digest={DIGEST}"], in_spec("containers.0.image", f"downbeat@{DIGEST}")),
    (STANDALONE, ["otlp.endpoint=http://collector:4318"], variable("DOWNBEAT_OTLP_ENDPOINT", "http://collector:4318")),
    (STANDALONE, [], variable("DOWNBEAT_OTLP_ENDPOINT", None)),
    (STANDALONE, ["log.filter=debug"], variable("DOWNBEAT_LOG", "debug")),
]


def checksum(values, *settings):
    return one(render(values, *settings), "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]


def check_checksum(values):
    """It changes with the configuration, and with nothing else."""
    first = checksum(values)
    equal(checksum(values, "podLabels.a=b", "replicaCount=5"), first, "checksum of the same configuration")
    for setting in ("config.settings.control_lead_ms=175", "config.tenants[0].guests=true", "config.defaultTenant=other"):
        assert checksum(values, setting) != first, f"the checksum does not change with {setting}"


def main():
    values = {file.name.removesuffix("-values.yaml"): file for file in CHART.glob("ci/*-values.yaml")}
    problems = []

    def attempt(what, rule, *arguments):
        try:
            rule(*arguments)
        except (AssertionError, ValueError, KeyError, IndexError, TypeError, StopIteration) as problem:
            problems.append(f"{what}: {type(problem).__name__}: {problem}")

    attempt("ci/", equal, set(values), set(SETS), "the sets of values that are told about here")
    for name in sorted(set(values) & set(SETS)):
        attempt(name, check_set, name, values[name])
    for name, settings, rule in CHANGES:
        attempt(f"{name} with {', '.join(settings)}", lambda: rule(render(values[name], *settings)))
    attempt("checksum/config", check_checksum, values[STANDALONE])
    for problem in problems:
        print(f"deploy-check: the chart: {problem}", file=sys.stderr)
    if not problems:
        print(f"deploy-check: the chart: renders what {len(SETS)} sets of values and {len(CHANGES)} single changes must give")
    return bool(problems)


sys.exit(main())
