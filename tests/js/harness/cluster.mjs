// Several nodes over one Redis, and what Redis says of their rooms.
import assert from "node:assert/strict";
import { Balancer } from "./balancer.mjs";
import { freePort } from "./ports.mjs";
import { makeRoom } from "./rest.mjs";
import { Server, TENANTS } from "./server.mjs";
import { eventually, span } from "./wait.mjs";

/** Long poll sessions are signed by one node and read by another. */
const SECRET_KEY = Buffer.alloc(32, 7).toString("base64");

/** More rooms than a school has, so that a test may make rooms until one lies where it should. */
const MANY_ROOMS = TENANTS.replace(/origins = .*\n(?=\n)/g, "$&[tenants.limits]\nmax_rooms_per_tenant = 1900\n");

export class Node extends Server {
  /** @param {{id: string, redisUrl: string, wire: Balancer | null, args: string[]}} options */
  constructor({ id, redisUrl, wire, args }) {
    const cluster = ["--node-id", id, "--redis-url", redisUrl, "--secret-key", SECRET_KEY, "--drain-s", "2"];
    super({ toml: MANY_ROOMS, args: [...cluster, ...args] });
    this.id = id;
    /** Its connections to Redis, if the test wants to cut them. */
    this.wire = wire;
    this.frozen = false;
    /** Logs of its earlier processes. */
    this.past = [];
  }

  get port() {
    return Number(this.listen.split(":")[1]);
  }

  get pid() {
    return this.child.pid;
  }

  /** SIGSTOP: it keeps its ports, its sockets and its belief, and does nothing. */
  freeze() {
    this.frozen = true;
    this.child.kill("SIGSTOP");
  }

  thaw() {
    this.frozen = false;
    this.child.kill("SIGCONT");
  }

  /** Starts again under the same name, on the same ports. */
  async comeBack() {
    this.past.push(...this.log.items);
    await this.launch();
  }

  async stop() {
    this.thaw();
    await super.stop();
    await this.wire?.stop();
  }
}

export class Cluster {
  /**
   * @param {object} options
   * @param {{url: string, cli: Function}} options.redis a `Redis`, `Sentinel` or `RedisCluster`
   * @param {string[]} [options.names] the nodes
   * @param {boolean} [options.wired] each node reaches Redis through a wire of its own, which can be cut
   * @param {string[]} [options.args] more flags for every node
   */
  static async start({ redis, names = ["a", "b", "c"], wired = false, args = [] }) {
    const cluster = new Cluster(redis);
    for (const id of names) {
      const wire = wired ? await Balancer.start(() => [redis.port]) : null;
      const redisUrl = wire ? `redis://${wire.listen}/0` : redis.url;
      const node = new Node({ id, redisUrl, wire, args });
      node.listen = `127.0.0.1:${await freePort()}`;
      node.metricsListen = `127.0.0.1:${await freePort()}`;
      cluster.nodes.set(id, node);
    }
    try {
      await Promise.all([...cluster.all].map((node) => node.launch()));
      await cluster.ready();
    } catch (error) {
      await cluster.stop().catch(() => {});
      throw error;
    }
    cluster.balancer = await Balancer.start(() => cluster.all.map((node) => node.port));
    return cluster;
  }

  constructor(redis) {
    this.redis = redis;
    this.nodes = new Map();
    this.balancer = null;
  }

  get all() {
    return [...this.nodes.values()];
  }

  node(id) {
    return this.nodes.get(id);
  }

  others(...ids) {
    return this.all.filter((node) => !ids.includes(node.id));
  }

  /** Waits until these nodes say that they are ready and Redis has a lease of each. */
  async ready(nodes = this.all, ms = 20_000) {
    await eventually(
      `readiness of ${nodes.map(({ id }) => id)}`,
      async () => {
        const states = await Promise.all(nodes.map((node) => this.#state(node)));
        if (!states.every((state) => state === "ready")) await span(50);
        return states;
      },
      (states) => states.every((state) => state === "ready"),
      ms,
    );
  }

  async #state(node) {
    try {
      const { status } = await fetch(`${node.url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      if (status !== 200) return `readyz ${status}`;
      return (await this.redis.cli("EXISTS", `lease:{${node.id}}`)) === 1 ? "ready" : "no lease";
    } catch (error) {
      return error.message;
    }
  }

  /** Whatever a test before left dead or frozen runs again. */
  async mended() {
    for (const node of this.all) {
      node.wire?.heal();
      if (node.frozen) node.thaw();
      if (node.child.exitCode !== null || node.child.signalCode !== null) await node.comeBack();
    }
    await this.ready();
  }

  /** The room's record as Redis has it, every field a text; null when there is none. */
  async record(code, tenant = "acme") {
    const record = await this.redis.cli("HGETALL", `room:{${tenant}:${code}}`);
    return record === null || Object.keys(record).length === 0 ? null : record;
  }

  /** The id of the node that conducts, or null. */
  async conductorOf(code, tenant = "acme") {
    return this.redis.cli("HGET", `room:{${tenant}:${code}}`, "owner");
  }

  /** A new room that this node conducts; the ring decides, so rooms are made until one lies there. */
  async roomOn(id, settings = {}) {
    for (let attempt = 0; attempt < 60; attempt++) {
      const room = await makeRoom(
        this.all.find((node) => !node.frozen),
        settings,
      );
      const owner = await eventually("a conductor", () => this.conductorOf(room), Boolean);
      assert.ok(this.nodes.has(owner), `room ${room} has the owner ${owner}, which is no node's name`);
      if (owner === id) return room;
    }
    return assert.fail(`of 60 rooms not one went to ${id}`);
  }

  /** Waits until the record fits; fails with the last one. */
  recordThat(code, what, fits, { tenant = "acme", ms } = {}) {
    const ask = async () => {
      const record = await this.record(code, tenant).catch((error) => ({ error: error.message }));
      await span(20);
      return record;
    };
    return eventually(`room ${code}: ${what}`, ask, (record) => record !== null && !record.error && fits(record), ms);
  }

  async stop() {
    await this.balancer?.stop();
    const ends = await Promise.allSettled(this.all.filter((node) => node.child).map((node) => node.stop()));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
  }
}
