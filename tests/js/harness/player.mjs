// A person in the class: the unmodified phoenix package, one socket, one room.
import assert from "node:assert/strict";
import WebSocket from "ws";
import * as newest from "phoenix";
import * as v1815 from "phoenix-1-8-15";
import * as v17 from "phoenix-1-7";
import { Heard, soon } from "./wait.mjs";

/** The packages that must work unmodified. */
export const PACKAGES = { newest, "1.8.15": v1815, "1.7.21": v17 };

export class Player {
  /**
   * @param {object} options
   * @param {import("./server.mjs").Server} options.server
   * @param {string} options.room a code
   * @param {string} options.id for messages; the server learns who it is from the token
   * @param {() => string} options.token asked for at every connection
   * @param {object} [options.join] the join's params
   * @param {"newest" | "1.8.15" | "1.7.21"} [options.phoenix]
   * @param {"websocket" | "longpoll"} [options.transport]
   */
  constructor({ server, room, id, token, join = {}, phoenix = "newest", transport = "websocket" }) {
    const { Socket, LongPoll, Presence } = PACKAGES[phoenix];
    this.id = id;
    this.heard = new Heard(`${id} (phoenix ${phoenix}, ${transport})`);
    this.socket = new Socket(`${server.ws}/socket`, {
      params: () => ({ token: token() }),
      transport: transport === "longpoll" ? LongPoll : WebSocket,
    });
    server.players.add(this);
    this.channel = this.socket.channel(`music_room:${room}`, join);
    // The hook that phoenix.js documents for this: every message, before its own handlers see it.
    this.channel.onMessage = (event, payload) => {
      if (!event.startsWith("chan_reply_")) this.heard.add({ event, payload });
      return payload;
    };
    this.presence = new Presence(this.channel);
    this.presenceLog = new Heard(`${id}'s presence`);
    this.presence.onJoin((key, before, now) => this.presenceLog.add({ kind: "join", key, before, now }));
    this.presence.onLeave((key, left, gone) => this.presenceLog.add({ kind: "leave", key, left, gone }));
    this.presence.onSync(() => this.presenceLog.add({ kind: "sync", keys: this.presenceKeys() }));
  }

  /** Joins; the promise is the join's first answer. Later rejoins are in `heard` as `joined`. */
  join() {
    this.socket.connect();
    const push = this.channel.join();
    push.receive("ok", (response) => this.heard.add({ event: "joined", payload: response }));
    return soon(`join of ${this.id}`, answer(push));
  }

  push(event, payload = {}) {
    return soon(`answer to ${event} of ${this.id}`, answer(this.channel.push(event, payload)));
  }

  /** A push that must succeed; gives the response. */
  async ok(event, payload = {}) {
    const { status, response } = await this.push(event, payload);
    assert.equal(
      status,
      "ok",
      `${this.id}: ${event} ${JSON.stringify(payload)} was refused: ${JSON.stringify(response)}`,
    );
    return response;
  }

  /** A push that must be refused with exactly this reason. */
  async refused(reason, event, payload = {}) {
    const { status, response } = await this.push(event, payload);
    assert.equal(status, "error", `${this.id}: ${event} ${JSON.stringify(payload)} must be refused with ${reason}`);
    assert.equal(response.reason, reason);
  }

  /** The payload of the first `event` from `from` on that fits. */
  async hears(event, { fits = () => true, from = 0, ms } = {}) {
    const item = await this.heard.until(event, (one) => one.event === event && fits(one.payload), { from, ms });
    return item.payload;
  }

  all(event, from = 0) {
    return this.heard
      .since(from)
      .filter((one) => one.event === event)
      .map((one) => one.payload);
  }

  presenceKeys() {
    return this.presence.list((key) => key).sort();
  }

  /** Invariant I1: between one join and the next, each beat of a run once, in order, +1 each. */
  assertUnbrokenBeats() {
    let last = null;
    for (const { event, payload } of this.heard.items) {
      if (event === "joined") last = null;
      if (event !== "beat") continue;
      if (last && payload.run === last.run) {
        assert.equal(payload.beat, last.beat + 1, `${this.heard.name}: beat ${payload.beat} followed ${last.beat}`);
      } else if (last) {
        assert.ok(payload.run > last.run, `${this.heard.name}: run ${payload.run} followed run ${last.run}`);
      }
      last = payload;
    }
  }

  leave() {
    return soon(`leave of ${this.id}`, answer(this.channel.leave()));
  }

  disconnect() {
    return new Promise((resolve) => this.socket.disconnect(resolve));
  }
}

/** What a push came to; a timeout is a status too. */
function answer(push) {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, (response) => resolve({ status, response }));
    }
  });
}
