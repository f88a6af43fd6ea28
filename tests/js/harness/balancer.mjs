// A plain TCP round robin, as stands before a cluster; and the wire to one server, to be cut.
import { connect, createServer } from "node:net";

export class Balancer {
  /** @param {() => number[]} ports of 127.0.0.1, asked for at every connection */
  static async start(ports) {
    const balancer = new Balancer();
    balancer.ports = ports;
    balancer.server = createServer((client) => balancer.#accept(client));
    await new Promise((resolve) => balancer.server.listen(0, "127.0.0.1", resolve));
    balancer.port = balancer.server.address().port;
    return balancer;
  }

  constructor() {
    this.next = 0;
    this.links = new Set();
    this.refusing = false;
    this.stalled = false;
    this.delayMs = 0;
    /** What `Player` asks of whoever it connects to. */
    this.players = new Set();
  }

  get listen() {
    return `127.0.0.1:${this.port}`;
  }

  get url() {
    return `http://${this.listen}`;
  }

  get ws() {
    return `ws://${this.listen}`;
  }

  /** New connections go to these ports only. */
  only(...ports) {
    this.ports = () => ports;
  }

  /** Every connection breaks at once, and none is taken until `heal`. */
  sever() {
    this.refusing = true;
    for (const link of this.links) link.destroy();
  }

  /** Nothing passes any more, in either direction, and nobody is told: a cable that was pulled. */
  stall() {
    this.stalled = true;
    for (const link of this.links) link.pause();
  }

  /** After a cut; what the kernels held of stalled connections flows on. */
  heal() {
    this.refusing = false;
    this.stalled = false;
    for (const link of this.links) link.resume();
  }

  async stop() {
    for (const player of this.players) player.socket.disconnect();
    for (const link of this.links) link.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #accept(client) {
    client.on("error", () => client.destroy());
    if (this.refusing) return client.resetAndDestroy();
    client.pause();
    const server = await this.#reach();
    if (server === null) return client.resetAndDestroy();
    if (client.destroyed) return server.destroy();
    const link = new Link(client, server, this);
    this.links.add(link);
    link.closed.then(() => this.links.delete(link));
    if (!this.stalled) link.resume();
  }

  /** The next target that accepts, or null. */
  async #reach() {
    const ports = this.ports();
    for (let attempt = 0; attempt < ports.length; attempt++) {
      const server = await dial(ports[this.next++ % ports.length]);
      if (server !== null) return server;
    }
    return null;
  }
}

/** Two sockets, each the other's far end. */
class Link {
  constructor(client, server, balancer) {
    this.ends = [client, server];
    let left = 2;
    this.closed = new Promise((resolve) => {
      for (const [from, to] of [this.ends, [server, client]]) {
        from.setNoDelay(true);
        from.on("data", (bytes) => {
          if (balancer.delayMs > 0) setTimeout(() => to.write(bytes), balancer.delayMs);
          else to.write(bytes);
        });
        from.on("error", () => from.destroy());
        from.on("close", () => {
          to.destroy();
          if (--left === 0) resolve();
        });
      }
    });
  }

  pause() {
    for (const end of this.ends) end.pause();
  }

  resume() {
    for (const end of this.ends) end.resume();
  }

  destroy() {
    for (const end of this.ends) end.resetAndDestroy();
  }
}

function dial(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.pause();
    socket.once("connect", () => {
      resolve(socket);
    });
    socket.on("error", () => resolve(null));
  });
}
