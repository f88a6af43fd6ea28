// A primary, its replicas, and a Sentinel that promotes one soon after the primary is gone.
import { freePort } from "./ports.mjs";
import { Redis } from "./redis.mjs";
import { eventually } from "./wait.mjs";

const SERVICE = "downbeat";
const DOWN_AFTER_MS = 1_000;

export class Sentinel {
  /** @param {number} replicas how many; one of them is still a replica after a failover if there are two */
  static async start(replicas = 2) {
    const group = new Sentinel();
    group.primary = await Redis.start();
    group.replicas = [];
    for (let index = 0; index < replicas; index++) {
      const replica = await Redis.start({ settings: [`replicaof 127.0.0.1 ${group.primary.port}`] });
      group.replicas.push(replica);
      await eventually(
        "the replica's link",
        () => replica.cli("INFO", "replication"),
        (info) => info.includes("master_link_status:up"),
      );
    }
    const watch = [
      `sentinel monitor ${SERVICE} 127.0.0.1 ${group.primary.port} 1`,
      `sentinel down-after-milliseconds ${SERVICE} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${SERVICE} 5000`,
    ];
    group.watcher = await Redis.start({ sentinel: watch.join("\n") });
    await eventually(
      "Sentinel's knowledge of the replica",
      () => group.watcher.cli("SENTINEL", "REPLICAS", SERVICE),
      (known) => known.length === replicas,
    );
    return group;
  }

  get url() {
    return `redis-sentinel://${this.watcher.address}/${SERVICE}/0`;
  }

  /** To whichever server is the primary now. */
  async cli(...words) {
    const [, port] = await this.watcher.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE);
    const server = [this.primary, ...this.replicas].find((one) => String(one.port) === String(port));
    return server.cli(...words);
  }

  /** Kills the primary and waits until Sentinel has put the replica in its place. */
  async failOver() {
    const mark = this.watcher.log.mark();
    await this.primary.kill();
    await this.watcher.log.until("+switch-master", (line) => line.includes("+switch-master"), { from: mark });
  }

  /** The old primary comes back, as a replica of the new one. */
  async oldPrimaryComesBack() {
    await this.primary.comeBack();
  }

  async stop() {
    for (const server of [this.watcher, ...this.replicas, this.primary]) await server?.stop();
  }
}

/** A Redis Cluster of three primaries that share the slots. */
export class RedisCluster {
  static async start() {
    const cluster = new RedisCluster();
    cluster.servers = [];
    for (let index = 0; index < 3; index++) {
      const bus = await freePort();
      const settings = ["cluster-enabled yes", "cluster-node-timeout 2000", `cluster-port ${bus}`];
      cluster.servers.push(await Redis.start({ settings }));
    }
    await cluster.share();
    return cluster;
  }

  get url() {
    return `redis-cluster://${this.servers.map((server) => server.address).join(",")}`;
  }

  /** Introduces the servers to each other and gives each a third of the slots. */
  async share() {
    const [first, ...others] = this.servers;
    for (const [index, server] of this.servers.entries()) {
      const slots = [Math.ceil((index * 16384) / 3), Math.ceil(((index + 1) * 16384) / 3) - 1];
      await server.cli("CLUSTER", "ADDSLOTSRANGE", ...slots);
      await server.cli("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    }
    for (const server of others) {
      const [, bus] = /cluster-port (\d+)/.exec(server.settings.join("\n"));
      await first.cli("CLUSTER", "MEET", "127.0.0.1", server.port, bus);
    }
    for (const server of this.servers) {
      await eventually(
        "a whole cluster",
        () => server.cli("CLUSTER", "INFO"),
        (info) => info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3"),
      );
    }
  }

  /** To whichever server has the key: `redis-cli -c` asks on. */
  async cli(...words) {
    for (const server of this.servers) {
      try {
        return await server.cli(...words);
      } catch (error) {
        if (!error.message.includes("MOVED")) throw error;
      }
    }
    throw new Error(`no server has the slot of ${words.join(" ")}`);
  }

  async stop() {
    for (const server of this.servers) await server?.stop();
  }
}
