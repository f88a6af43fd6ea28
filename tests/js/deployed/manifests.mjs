// What Kubernetes is given, read as the kubelet reads it: a container's command, its exact environment, its volumes, its probes
// and how it is to be stopped.
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

const REPOSITORY = new URL("../../../", import.meta.url);

/** What a container's runtime gives to every process. */
const RUNTIME_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What `deploy/Dockerfile` says of its last stage. */
export function imageConfig() {
  const text = readFileSync(new URL("deploy/Dockerfile", REPOSITORY), "utf8").replaceAll(/\\\n\s*/g, "");
  const stage = text.slice(text.lastIndexOf("\nFROM "));
  const last = (word) => [...stage.matchAll(new RegExp(`^${word} (.*)$`, "gm"))].at(-1)?.[1];
  const env = Object.fromEntries(
    last("ENV")
      .split(/\s+/)
      .map((pair) => pair.split("=")),
  );
  const [uid, gid] = last("USER").split(":").map(Number);
  return { entrypoint: JSON.parse(last("ENTRYPOINT")), cmd: JSON.parse(last("CMD")), env, uid, gid };
}

/** The one Deployment of a list of manifests, and what its pods mount. */
export class Workload {
  /**
   * @param {object[]} documents as `deploy/check/manifests` prints them
   * @param {Record<string, Record<string, string>>} secrets what the cluster's own Secrets hold
   */
  constructor(documents, secrets) {
    this.secrets = secrets;
    const of = (kind) => documents.filter((one) => one.kind === kind);
    this.configMaps = Object.fromEntries(of("ConfigMap").map((one) => [one.metadata.name, one.data]));
    const [deployment, ...more] = of("Deployment");
    assert.equal(more.length, 0, "more than one Deployment");
    this.name = deployment.metadata.name;
    this.namespace = deployment.metadata.namespace ?? "default";
    const { strategy, replicas, template } = deployment.spec;
    assert.equal(strategy.type, "RollingUpdate");
    this.maxSurge = strategy.rollingUpdate.maxSurge;
    this.maxUnavailable = strategy.rollingUpdate.maxUnavailable;
    const [autoscaler] = of("HorizontalPodAutoscaler");
    this.replicas = replicas ?? autoscaler.spec.minReplicas;
    this.pod = template.spec;
    [this.container] = template.spec.containers;
    this.image = imageConfig();
  }

  get command() {
    return [...(this.container.command ?? this.image.entrypoint), ...(this.container.args ?? this.image.cmd)];
  }

  /** Exactly what the process finds, but for listening on the pod's own address alone: the others share this machine. */
  environment({ name, ip }) {
    const fields = { "metadata.name": name, "metadata.namespace": this.namespace, "status.podIP": ip };
    const found = { PATH: RUNTIME_PATH, HOSTNAME: name, ...this.image.env };
    for (const { name: variable, value, valueFrom } of this.container.env ?? []) {
      const given = valueFrom === undefined ? (value ?? "") : this.#from(valueFrom, fields);
      if (given === undefined) continue;
      const whole = given.replaceAll(/\$\((\w+)\)/g, (text, other) => found[other] ?? text);
      found[variable] = whole.replace(/^0\.0\.0\.0(?=:\d+$)/, ip);
    }
    return found;
  }

  #from({ fieldRef, secretKeyRef }, fields) {
    if (fieldRef) {
      assert.ok(fieldRef.fieldPath in fields, `fieldRef ${fieldRef.fieldPath} is not known here`);
      return fields[fieldRef.fieldPath];
    }
    const { name, key, optional } = secretKeyRef;
    const value = this.secrets[name]?.[key];
    assert.ok(value !== undefined || optional, `the Secret ${name} has no ${key}: a pod would wait for it`);
    return value;
  }

  /** `{path, readOnly, files}` for each mount; `files` by name, null for an empty volume. */
  volumes() {
    const byName = Object.fromEntries((this.pod.volumes ?? []).map((one) => [one.name, one]));
    return (this.container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
      const { configMap, secret, projected } = byName[name];
      const sources = projected?.sources ?? [{ configMap, secret }];
      const files = Object.assign({}, ...sources.map((source) => this.#files(source)));
      return { path: mountPath, readOnly, files };
    });
  }

  #files({ configMap, secret }) {
    const name = configMap?.name ?? secret?.secretName ?? secret?.name;
    const data = configMap ? this.configMaps[name] : this.secrets[name];
    assert.ok(data, `neither a ConfigMap nor a Secret ${name} is there: a pod would wait for it`);
    const items = (configMap ?? secret).items;
    if (!items) return data;
    return Object.fromEntries(items.map(({ key, path }) => [path, data[key]]));
  }

  /** A probe with Kubernetes' own defaults put in, times in ms; null where there is none. */
  probe(kind) {
    const spec = this.container[`${kind}Probe`];
    if (!spec) return null;
    const { httpGet, initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3 } = spec;
    return {
      path: httpGet.path,
      port: this.port(httpGet.port),
      delayMs: initialDelaySeconds * 1_000,
      periodMs: periodSeconds * 1_000,
      timeoutMs: timeoutSeconds * 1_000,
      failureThreshold,
    };
  }

  port(name) {
    return typeof name === "number" ? name : this.container.ports.find((one) => one.name === name).containerPort;
  }

  get preStopMs() {
    return (this.container.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1_000;
  }

  get graceMs() {
    return (this.pod.terminationGracePeriodSeconds ?? 30) * 1_000;
  }

  /** In KiB; Infinity where there is none. */
  get memoryLimitKib() {
    const limit = this.container.resources?.limits?.memory;
    const [, number, unit] = /^(\d+)(Ki|Mi|Gi)$/.exec(limit ?? "") ?? [];
    return number ? Number(number) * { Ki: 1, Mi: 1024, Gi: 1024 ** 2 }[unit] : Infinity;
  }
}
