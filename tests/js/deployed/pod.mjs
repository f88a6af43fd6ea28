// A pod as the kubelet runs it: the image's root file system, read-only, with the declared volumes; the declared command as
// the declared user with exactly the declared environment; probed, and stopped, as the manifests say. It is a process of this
// machine with an address of its own on the loopback in place of a pod's network.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { downbeatBin } from "../harness/server.mjs";
import { Heard, soon, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";

/** In a mount and host name space of its own: volumes, then all read-only, then the program, which keeps the process id. */
const START = `
set -e
root=$1 name=$2 uid=$3 gid=$4
shift 4
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
    shift 3
done
shift
mount -o remount,bind,ro "$root"
hostname "$name"
exec env -u PWD -u OLDPWD -u SHLVL -u _ setpriv --no-new-privs chroot "--userspec=$uid:$gid" "--groups=$gid" "$root" "$@"
`;

/** The image's root file system, laid out once by what lays it out for the image. */
export class Image {
  constructor(folder) {
    assert.equal(process.getuid(), 0, "mounting a pod's volumes takes root");
    this.root = join(folder, "image");
    execFileSync(fileURLToPath(new URL("../../../deploy/root-fs", import.meta.url)), [downbeatBin(), this.root]);
    mkdirSync(join(this.root, "proc"));
  }

  /** A runtime makes the places that volumes are mounted at. */
  makePlace(path) {
    mkdirSync(join(this.root, path), { recursive: true });
  }
}

export class Pod {
  /** @param {{workload: import("./manifests.mjs").Workload, image: Image, folder: string, name: string, ip: string}} options */
  constructor({ workload, image, folder, name, ip }) {
    Object.assign(this, { workload, image, name, ip, folder: join(folder, name) });
    this.log = new Heard(`pod ${name}`);
    /** What readiness became, as it becomes it. */
    this.states = new Heard(`readiness of ${name}`);
    this.ready = false;
    this.terminating = false;
    this.wrongs = [];
    this.peakKib = 0;
  }

  get url() {
    return `http://${this.ip}:${this.workload.port("http")}`;
  }

  get metricsAddress() {
    return `${this.ip}:${this.workload.port("metrics")}`;
  }

  start() {
    this.begun = now();
    const { uid, gid } = this.#user();
    const volumes = this.#volumes().flatMap(({ source, path, readOnly }) => [source, path, readOnly ? "ro" : "rw"]);
    const words = [this.image.root, this.name, uid, gid, ...volumes, "--", ...this.workload.command].map(String);
    this.environment = this.workload.environment(this);
    this.child = spawn("unshare", ["--mount", "--uts", "--", "sh", "-c", START, "sh", ...words], {
      env: this.environment,
      cwd: "/",
    });
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.add(read(line)));
    createInterface({ input: this.child.stdout }).on("line", (line) => this.log.add(read(line)));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code, signal) => {
        this.end = { code, signal, at: now() };
        this.log.end(`the process ended with ${signal ?? code}`);
        this.#becomes(false);
        resolve(this.end);
      }),
    );
    this.#kubelet().catch((error) => this.wrongs.push(`${this.name}: ${error.message}`));
  }

  #user() {
    const { uid, gid } = this.workload.image;
    const { runAsUser = uid, runAsGroup = gid } = this.workload.pod.securityContext ?? {};
    return { uid: runAsUser, gid: runAsGroup };
  }

  #volumes() {
    return this.workload.volumes().map(({ path, readOnly, files }) => {
      const source = join(this.folder, path);
      mkdirSync(source, { recursive: true });
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(source, name)), { recursive: true });
        writeFileSync(join(source, name), text);
      }
      this.image.makePlace(path);
      return { source, path, readOnly };
    });
  }

  /** Nothing else counts until the startup probe has passed; then liveness and readiness, each at its own pace. */
  async #kubelet() {
    const startup = this.workload.probe("startup");
    let failures = 0;
    if (startup) await span(startup.delayMs);
    while (startup && this.isUp && !(await this.#ask(startup))) {
      failures += 1;
      if (failures >= startup.failureThreshold) return this.wrongs.push(`${this.name} was never live`);
      await span(startup.periodMs);
    }
    if (!this.isUp) return this.wrongs.push(`${this.name} ended before it was live: ${this.logTail()}`);
    this.liveAt = now();
    this.#assertAsDeclared();
    await Promise.all([this.#watch("liveness"), this.#watch("readiness")]);
  }

  async #watch(kind) {
    const probe = this.workload.probe(kind);
    await span(probe.delayMs);
    let failures = 0;
    // A pod that is to stop is not restarted any more; its readiness is still looked at.
    while (this.isUp && !(kind === "liveness" && this.terminating)) {
      failures = (await this.#ask(probe)) ? 0 : failures + 1;
      if (kind === "liveness" && failures >= probe.failureThreshold && !this.terminating)
        this.wrongs.push(`${this.name} did not answer its liveness probe ${failures} times: it would be restarted`);
      if (kind === "readiness" && failures === 0) this.#becomes(true);
      if (kind === "readiness" && failures >= probe.failureThreshold) this.#becomes(false);
      this.#measure();
      await Promise.race([span(probe.periodMs), this.exited]);
    }
  }

  async #ask({ path, port, timeoutMs }) {
    try {
      const { status } = await fetch(`http://${this.ip}:${port}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
      return status >= 200 && status < 400;
    } catch {
      return false;
    }
  }

  #becomes(ready) {
    if (this.ready === ready) return;
    this.ready = ready;
    this.readyAt ??= now();
    if (!ready) this.unreadyAt = now();
    this.states.add(ready);
  }

  /** The process has what the manifests declare, and nothing else. */
  #assertAsDeclared() {
    const at = (file) => readFileSync(`/proc/${this.child.pid}/${file}`, "utf8");
    const environment = Object.fromEntries(
      at("environ")
        .split("\0")
        .filter(Boolean)
        .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
    );
    assert.deepEqual(environment, this.environment, "the process has another environment than the one declared");
    assert.deepEqual(at("cmdline").split("\0").slice(0, -1), this.workload.command);
    const status = at("status");
    const { uid } = this.#user();
    assert.match(status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t`, "m"));
    assert.match(status, /^CapEff:\t0+$/m, "the process has capabilities");
  }

  #measure() {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
      this.peakKib = Math.max(this.peakKib, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
    } catch {
      // It has just ended.
    }
  }

  get isUp() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  isReady(ms = 90_000) {
    return this.states.until("readiness", (state) => state, { ms });
  }

  /**
   * As the kubelet stops a pod: preStop, SIGTERM, and SIGKILL when the grace period, which began before preStop, is over.
   * @param {{preStopMs?: number, signal?: string}} broken what to do otherwise, to see that it is noticed
   */
  async terminate({ preStopMs = this.workload.preStopMs, signal = "SIGTERM" } = {}) {
    this.terminating = true;
    this.deletedAt = now();
    await Promise.race([span(Math.min(preStopMs, this.workload.graceMs)), this.exited]);
    this.#measure();
    this.signalledAt = now();
    this.child.kill(signal);
    const left = this.workload.graceMs - (this.signalledAt - this.deletedAt);
    if ((await Promise.race([this.exited, span(left).then(() => null)])) === null) {
      this.wrongs.push(`${this.name} did not end within ${this.workload.graceMs / 1_000} s, and was killed`);
      this.child.kill("SIGKILL");
    }
    await soon(`end of ${this.name}`, this.exited);
    if (this.end.code !== 0) this.wrongs.push(`${this.name} ended with ${this.end.signal ?? this.end.code}, not 0`);
    if (this.peakKib > this.workload.memoryLimitKib)
      this.wrongs.push(`${this.name} took ${this.peakKib} KiB, more than its limit`);
  }

  /** kill -9, as a machine dies. */
  async kill() {
    this.terminating = true;
    this.child.kill("SIGKILL");
    await soon(`end of ${this.name}`, this.exited);
  }

  /** Panics and errors in its log. */
  faults() {
    const lines = this.log.items.filter((line) => line.level === "ERROR" || JSON.stringify(line).includes("panicked"));
    return lines.map((line) => `${this.name} logged ${JSON.stringify(line)}`);
  }

  logTail(lines = 12) {
    return this.log.items
      .slice(-lines)
      .map((line) => JSON.stringify(line))
      .join("\n");
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function read(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { text: line };
  }
}
