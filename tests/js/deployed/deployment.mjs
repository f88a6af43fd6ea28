// A Deployment behind the balancer: what Kubernetes' controllers do with its pods, on one machine.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import { Postgres } from "../harness/postgres.mjs";
import { Redis } from "../harness/redis.mjs";
import { span } from "../harness/wait.mjs";
import { Front } from "./front.mjs";
import { Workload } from "./manifests.mjs";
import { Image, Pod } from "./pod.mjs";

/** From a change of a pod's readiness, or its deletion, until the balancer has heard of it. */
const ENDPOINTS_TAKE_MS = 2_000;

const LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const suffix = (length) => Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join("");

export class Deployment {
  /** @param {object[]} documents what Kubernetes would be given */
  static async start(documents) {
    const deployment = new Deployment();
    deployment.#stopOnSignals();
    try {
      await deployment.#start(documents);
    } catch (error) {
      await deployment.stop();
      throw error;
    }
    return deployment;
  }

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "downbeat-deployed-"));
    this.pods = [];
    /** The second half of the addresses: runs at the same time do not meet. */
    this.network = `127.${64 + (randomBytes(1)[0] % 128)}.${randomBytes(1)[0]}`;
    this.heard = [];
  }

  async #start(documents) {
    [this.redis, this.postgres] = await Promise.all([Redis.start(), Postgres.start()]);
    /** The key that the school signs its tokens with. */
    this.schoolSecret = randomBytes(32).toString("hex");
    this.workload = new Workload(documents, {
      "downbeat-tenants": { school: this.schoolSecret },
      "downbeat-connections": {
        "redis-url": this.redis.url,
        "database-url": this.postgres.url,
        "secret-key": randomBytes(32).toString("base64"),
      },
    });
    assert.equal(this.workload.maxUnavailable, 0, "these controllers know maxUnavailable 0 alone");
    assert.equal(this.workload.maxSurge, 1, "these controllers know maxSurge 1 alone");
    this.image = new Image(this.folder);
    this.#newTemplate();
    for (let count = 0; count < this.workload.replicas; count++) this.#create();
    await Promise.all(this.pods.map((pod) => pod.isReady()));
    this.front = await Front.start({ folder: this.folder, nodes: this.#endpoints() });
  }

  /** Another template is another name for the pods to come. */
  #newTemplate() {
    this.template = `${this.workload.name}-${suffix(10)}`;
  }

  #create() {
    const { workload, image, folder } = this;
    const ip = `${this.network}.${this.pods.length + 1}`;
    const pod = new Pod({ workload, image, folder, name: `${this.template}-${suffix(5)}`, ip });
    this.pods.push(pod);
    pod.start();
    this.#tellOfReadiness(pod);
    return pod;
  }

  /** The pods that are there and are not on their way out. */
  get running() {
    return this.pods.filter((pod) => !pod.terminating && pod.isUp);
  }

  #endpoints() {
    const ready = this.running.filter((pod) => pod.ready);
    return ready.map((pod) => `${pod.ip}:${this.workload.port("http")}`);
  }

  async #tellOfReadiness(pod) {
    const add = pod.states.add.bind(pod.states);
    pod.states.add = (state) => {
      add(state);
      this.#tellEndpoints();
    };
  }

  /** The endpoints as they are now, heard by the balancer a while later. */
  async #tellEndpoints() {
    const nodes = this.#endpoints();
    await span(ENDPOINTS_TAKE_MS);
    // A Service without endpoints refuses; nginx refuses an empty list, and nobody is here to hear either.
    if (this.stopped || !this.front || nodes.length === 0 || String(nodes) === String(this.heard)) return;
    this.heard = nodes;
    this.front.setNodes(nodes);
  }

  /**
   * A rolling update as the Deployment's controller makes it: one pod more, and as soon as that is ready one of the old is
   * deleted, and the next is made at once: pods that are on their way out do not count.
   * @param {object} broken what to do otherwise when a pod is stopped; see `Pod.terminate`
   */
  async roll({ broken = {}, report = () => {} } = {}) {
    const old = this.running;
    this.#newTemplate();
    const ends = [];
    for (const leaving of old) {
      const fresh = this.#create();
      await fresh.isReady();
      report(
        `${fresh.name} is ready ${seconds(fresh.readyAt - fresh.begun)} after its start; ${leaving.name} is to stop`,
      );
      const end = leaving.terminate(broken);
      this.#tellEndpoints();
      ends.push(end.then(() => report(`${leaving.name} ended with ${leaving.end.signal ?? leaving.end.code}`)));
    }
    await Promise.all(ends);
    return old;
  }

  /** A pod's machine has died: the endpoints are told when Kubernetes notices, which is here at once. */
  lost(pod) {
    assert.ok(!pod.isUp, `${pod.name} lives`);
    this.#tellEndpoints();
  }

  /** Another pod in place of one that was lost, once it is ready. */
  async replace() {
    const fresh = this.#create();
    await fresh.isReady();
    return fresh;
  }

  /** What the nodes themselves count that a graceful end of their neighbours must not bring. */
  async losses() {
    const bad = /^downbeat_(reigns_total\{kind="taken_over"\}|losses_total\{.*\}|panics_total\{.*\}) [1-9]/;
    const found = this.running.map(async (pod) => {
      const text = await (await fetch(`http://${pod.metricsAddress}/metrics`)).text();
      return text
        .split("\n")
        .filter((line) => bad.test(line))
        .map((line) => `${pod.name}: ${line}`);
    });
    return (await Promise.all(found)).flat();
  }

  /** What went wrong with the pods themselves. */
  wrongs() {
    return this.pods.flatMap((pod) => [...pod.wrongs, ...pod.faults()]);
  }

  /** Whoever stops the script leaves nothing behind. */
  #stopOnSignals() {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => this.stop().finally(() => process.exit(1)));
  }

  async stop() {
    this.stopped = true;
    const up = this.pods.filter((pod) => pod.isUp);
    await Promise.allSettled([this.front?.stop(), ...up.map((pod) => pod.kill())]);
    await Promise.allSettled([this.redis?.stop(), this.postgres?.stop()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const seconds = (ms) => `${(ms / 1_000).toFixed(1)} s`;
