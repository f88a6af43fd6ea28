// A network between a browser and a server, as bad as a test wants it: late, uneven, thin, silent or cut.
import { connect, createServer } from "node:net";
import { Random } from "./random.mjs";

/** What a test may ask of it. Both ways are alike; TCP's order is kept. */
const GOOD = {
  /** How late every piece is: at random from `leastMs` to `mostMs`, each way. */
  leastMs: 0,
  mostMs: 0,
  /** What passes each way; a piece waits for those before it. */
  bytesPerSecond: Infinity,
};

export class SlowProxy {
  /** @param {{port: number, seed?: number, leastMs?: number, mostMs?: number, bytesPerSecond?: number}} options */
  static async start({ port, seed = 1, ...network }) {
    const proxy = new SlowProxy(port, seed);
    proxy.becomes(network);
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  constructor(port, seed) {
    this.target = port;
    this.random = new Random(seed);
    this.links = new Set();
    /** By how much more than was asked for each piece came late, ms: the machine's own part. */
    this.extra = [];
    this.refusing = false;
    this.silent = false;
    this.server = createServer((near) => this.#accept(near));
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** From now on the network is like this; what is under way arrives as it would have. */
  becomes(network) {
    this.network = { ...GOOD, ...network };
  }

  /** Every connection is reset, and none is taken until `heal`. */
  cut() {
    this.refusing = true;
    for (const link of this.links) link.reset();
  }

  /** Nothing passes any more, in either direction, and nobody is told; new connections hear nothing either. */
  swallow() {
    this.silent = true;
    for (const link of this.links) link.pause();
  }

  /** After `cut` or `swallow`. What TCP would have sent again passes now. */
  heal() {
    this.refusing = false;
    this.silent = false;
    for (const link of this.links) link.resume();
  }

  async stop() {
    for (const link of this.links) link.reset();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(near) {
    near.on("error", () => near.destroy());
    if (this.refusing) return near.resetAndDestroy();
    const link = new Link(near, connect({ port: this.target, host: "127.0.0.1" }), this);
    this.links.add(link);
    link.closed.then(() => this.links.delete(link));
    if (this.silent) link.pause();
  }
}

/** One connection through the proxy: two ways, each a queue. */
class Link {
  constructor(near, far, proxy) {
    this.ways = [new Way(near, far, proxy), new Way(far, near, proxy)];
    this.closed = Promise.all(this.ways.map((way) => way.closed));
  }

  pause() {
    for (const way of this.ways) way.pause();
  }

  resume() {
    for (const way of this.ways) way.resume();
  }

  reset() {
    for (const way of this.ways) way.reset();
  }
}

class Way {
  constructor(from, to, proxy) {
    [this.from, this.to, this.proxy] = [from, to, proxy];
    this.queue = [];
    this.free = 0;
    this.paused = false;
    this.timer = null;
    from.setNoDelay(true);
    from.on("data", (bytes) => this.#take(bytes));
    from.on("error", () => from.destroy());
    this.closed = new Promise((resolve) =>
      from.once("close", () => {
        this.#take(null);
        resolve();
      }),
    );
  }

  pause() {
    this.paused = true;
    clearTimeout(this.timer);
  }

  resume() {
    this.paused = false;
    this.#pass();
  }

  reset() {
    this.queue = [];
    clearTimeout(this.timer);
    this.from.resetAndDestroy();
  }

  /** `null`: the end. */
  #take(bytes) {
    const { leastMs, mostMs, bytesPerSecond } = this.proxy.network;
    const arrives = performance.now() + leastMs + this.proxy.random.next() * (mostMs - leastMs);
    this.free = Math.max(this.free, arrives) + ((bytes?.length ?? 0) / bytesPerSecond) * 1_000;
    this.queue.push({ due: this.free, bytes });
    if (this.queue.length === 1) this.#pass();
  }

  #pass() {
    clearTimeout(this.timer);
    if (this.paused) return;
    while (this.queue.length > 0) {
      const wait = this.queue[0].due - performance.now();
      if (wait > 0) {
        this.timer = setTimeout(() => this.#pass(), wait);
        return;
      }
      const { bytes } = this.queue.shift();
      this.proxy.extra.push(-wait);
      if (bytes === null) this.to.destroy();
      else this.to.write(bytes);
    }
  }
}
