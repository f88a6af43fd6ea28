// A developer's app on the unmodified supabase-js, and the stage for it: one node, or two on one Redis.
import { after, before, describe } from "node:test";
import assert from "node:assert/strict";
import WebSocket from "ws";
import * as newest from "supabase-newest";
import * as older from "supabase-a-year-older";
import { Cluster } from "./cluster.mjs";
import { RawSocket } from "./raw.mjs";
import { Redis } from "./redis.mjs";
import { Server } from "./server.mjs";
import { studentToken } from "./token.mjs";
import { Heard, soon } from "./wait.mjs";

/** The packages that must work unmodified. */
export const VERSIONS = { newest, "a year older": older };

/** A user's app: one supabase client. */
export class App {
  /**
   * @param {object} options
   * @param {"newest" | "a year older"} options.version
   * @param {{url: string}} options.node a server, or a balancer
   * @param {string} options.token the user's own
   * @param {string} [options.key] the app's key, if it is not the user's token too
   * @param {string} [options.vsn] the protocol's version, else the package's default
   * @param {object} [options.realtime] more of realtime-js' options
   */
  constructor({ version, node, name, token, key = token, vsn, realtime = {} }) {
    this.token = token;
    this.name = name;
    this.url = node.url;
    this.heard = new Heard(`${name} (supabase-js, ${version})`);
    this.supabase = VERSIONS[version].createClient(node.url, key, {
      // What Supabase's documentation tells users of a Node without a WebSocket of its own.
      realtime: { transport: WebSocket, logger: this.#log, ...(vsn ? { vsn } : {}), ...realtime },
      // The way for apps that sign their users in elsewhere; asked for at every connection and join.
      accessToken: async () => this.token,
    });
    this.seats = [];
  }

  /** Every message of the server, as both versions log it: `status topic event (ref)`. */
  #log = (kind, message, payload) => {
    if (kind !== "receive") return;
    const [event, topic] = message
      .replace(/ \([^)]*\)$/, "")
      .split(" ")
      .reverse();
    this.heard.add({ topic, event, payload });
  };

  /** A channel that is not subscribed yet; `presence: true` listens to presence, as `config` can be given too. */
  seat(topic, { presence, postgres, ...config } = {}) {
    const seat = new Seat(this, topic, { presence, postgres, config });
    this.seats.push(seat);
    return seat;
  }

  /** A channel that is subscribed. */
  async sit(topic, options) {
    const seat = this.seat(topic, options);
    await seat.subscribed();
    return seat;
  }

  /** The user's token was renewed; what an app does in its own refresh. */
  async renew(token) {
    this.token = token;
    await calling(() => this.supabase.realtime.setAuth());
  }

  /** The first message of this event that fits. */
  async hears(event, { fits = () => true, ...options } = {}) {
    return (await this.heard.until(event, (one) => one.event === event && fits(one.payload, one), options)).payload;
  }

  leave() {
    calling(() => this.supabase.realtime.disconnect());
    for (const channel of this.supabase.getChannels()) channel.teardown();
  }
}

/** realtime-js alone, without the rest of supabase-js. */
export function realtimeClient(version, node, key) {
  const { RealtimeClient } = VERSIONS[version];
  return new RealtimeClient(`${node.ws}/realtime/v1`, { params: { apikey: key }, transport: WebSocket });
}

/** How many calls are under way whose timers must not hold up the end of a file's tests. */
let unawaited = 0;
const { setTimeout } = globalThis;
globalThis.setTimeout = (...args) => {
  const timer = setTimeout(...args);
  return unawaited > 0 ? timer.unref() : timer;
};

/** A call of the package: it leaves timers of ten seconds behind, for answers that do not come, and at a disconnect. */
export function calling(act) {
  unawaited++;
  const done = () => unawaited--;
  let result;
  try {
    result = act();
  } catch (error) {
    done();
    throw error;
  }
  if (!(result instanceof Promise)) done();
  else result.then(done, done);
  return result;
}

/** One channel of an app, and all that its callbacks were told. */
export class Seat {
  constructor(app, topic, { presence, postgres, config }) {
    this.app = app;
    this.topic = topic;
    const name = `${app.heard.name} on ${topic}`;
    this.statuses = new Heard(`${name}: statuses`);
    this.broadcasts = new Heard(`${name}: broadcasts`);
    this.presences = new Heard(`${name}: presences`);
    const key = typeof presence === "string" ? { presence: { key: presence, enabled: true } } : {};
    this.channel = app.supabase.channel(topic, { config: { ...key, ...config } });
    this.channel.on("broadcast", { event: "*" }, (message) => this.broadcasts.add(message));
    if (presence) {
      for (const event of ["sync", "join", "leave"])
        this.channel.on("presence", { event }, (change) =>
          this.presences.add({ ...change, event, keys: Object.keys(this.state()).sort() }),
        );
    }
    if (postgres) this.channel.on("postgres_changes", postgres, () => {});
  }

  subscribe() {
    this.channel.subscribe((status, error) => this.statuses.add({ status, message: error?.message ?? null }));
    return this;
  }

  /** Subscribes if need be, and waits until it is. */
  subscribed(options) {
    if (!this.channel.joinedOnce) this.subscribe();
    return this.statuses.until("SUBSCRIBED", ({ status }) => status === "SUBSCRIBED", options);
  }

  /** The subscription must fail with these words; the channel is given up, or its client would try for ever. */
  async refused(words) {
    if (!this.channel.joinedOnce) this.subscribe();
    const { message } = await this.statuses.until("CHANNEL_ERROR", ({ status }) => status === "CHANNEL_ERROR");
    await this.channel.unsubscribe();
    // The older version quotes the words once more.
    assert.equal(message.replace(/^"(.*)"$/, "$1"), words);
  }

  send(event, payload) {
    return soon(
      `answer to ${event}`,
      calling(() => this.channel.send({ type: "broadcast", event, payload })),
    );
  }

  /** The first broadcast of this event, its payload. */
  async hears(event, { fits = () => true, ...options } = {}) {
    return this.broadcasts.until(event, (one) => one.event === event && fits(one.payload, one), options);
  }

  /** Presences by key, without the references. */
  state() {
    return Object.fromEntries(
      Object.entries(this.channel.presenceState()).map(([key, metas]) => [
        key,
        metas.map(({ presence_ref, ...meta }) => meta),
      ]),
    );
  }

  /** Waits until exactly this is present. */
  async sees(state, options) {
    const wanted = sorted(state);
    if (sorted(this.state()) === wanted) return;
    await this.presences.until(`presences ${wanted}`, () => sorted(this.state()) === wanted, options);
  }
}

/** A JSON that does not depend on the order of keys or metas. */
function sorted(state) {
  const byKey = (object) => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(
    byKey(state).map(([key, metas]) => [key, metas.map((meta) => JSON.stringify(byKey(meta))).sort()]),
  );
}

/** The servers of one file's tests, shared by all of them. */
const TOPOLOGIES = {
  "one node": async () => {
    const server = await Server.start();
    return { nodes: [server], end: () => server.stop() };
  },
  "two nodes": async () => {
    const redis = await Redis.start();
    const cluster = await Cluster.start({ redis, names: ["a", "b"] }).catch(async (error) => {
      await redis.stop();
      throw error;
    });
    return { nodes: cluster.all, cluster, end: () => cluster.stop().finally(() => redis.stop()) };
  },
};

let topics = 0;

/** Servers and whoever came to them. */
export class Stage {
  async open(topology) {
    this.guests = [];
    Object.assign(this, await TOPOLOGIES[topology]());
  }

  async close() {
    await this.everybodyLeaves();
    await this.end?.();
  }

  /** A node by number; with one node, all numbers are that one. */
  node(number) {
    return this.nodes[number % this.nodes.length];
  }

  /**
   * An app of a user named `sub`, on a node by number; `claims` go into its token.
   * @param {{sub: string, on?: number, claims?: object, token?: string}} options and those of `App`
   */
  app(version, { sub, on = 0, claims = {}, node = this.node(on), token = studentToken(sub, claims), ...options }) {
    const app = new App({ version, node, name: sub, token, ...options });
    this.guests.push(() => app.leave());
    return app;
  }

  /** A socket that speaks by hand. */
  async raw({ sub = "raw", on = 0, claims = {}, token = studentToken(sub, claims), vsn = "2.0.0" } = {}) {
    const socket = await RawSocket.open(this.node(on), { token, vsn, path: "/realtime/v1/websocket" });
    this.guests.push(() => socket.ws.terminate());
    return socket;
  }

  /** A topic that no other test has. */
  topic(name) {
    return `${name}-${++topics}`;
  }

  everybodyLeaves() {
    return Promise.all(this.guests.splice(0).map((leave) => leave()));
  }
}

/** Plays the scenarios against each topology; a scenario finds the versions in `VERSIONS` itself. */
export function stages(subject, scenarios) {
  for (const topology of Object.keys(TOPOLOGIES)) {
    describe(`${subject} on ${topology}`, () => {
      const stage = new Stage();
      before(() => stage.open(topology));
      after(() => stage.close());
      scenarios(stage);
    });
  }
}

/**
 * Plays the scenarios with each version against each topology.
 * @param {string} subject
 * @param {(stage: Stage, play: {version: string, app: (options: object) => App}) => void} scenarios
 */
export function matrix(subject, scenarios) {
  stages(subject, (stage) => {
    for (const version of Object.keys(VERSIONS)) {
      describe(`with supabase-js, ${version}`, () => {
        after(() => stage.everybodyLeaves());
        scenarios(stage, { version, app: (options) => stage.app(version, options) });
      });
    }
  });
}
