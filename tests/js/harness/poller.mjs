// Long poll by hand: what phoenix.js's LongPoll does over HTTP, and what it never would.
import assert from "node:assert/strict";
import { PATIENCE_MS } from "./wait.mjs";

/** One session, or the attempt at one. */
export class Poller {
  constructor(server, { token, vsn = "2.0.0", path = "/socket/longpoll", headers = {}, query = "" } = {}) {
    this.server = server;
    this.headers = headers;
    this.path = path;
    // phoenix.js sends the app's own `token` first and the session's behind it, in one query.
    this.query = [token && `token=${token}`, vsn && `vsn=${vsn}`, query].filter(Boolean).join("&");
    this.session = null;
    this.messages = [];
  }

  /** Opens a session: the first poll must answer 410 and a token. */
  static async open(server, options) {
    const poller = new Poller(server, options);
    const body = await poller.poll();
    assert.equal(body.status, 410, JSON.stringify(body));
    assert.equal(typeof body.token, "string");
    return poller;
  }

  url(session = this.session) {
    return `${this.server.url}${this.path}?${this.query}&token=${session === null ? "null" : encodeURIComponent(session)}`;
  }

  /** One GET; what it brought is in `messages` too, parsed. */
  async poll({ url = this.url(), headers = {}, signal } = {}) {
    const response = await fetch(url, { headers: { accept: "application/json", ...this.headers, ...headers }, signal });
    assert.equal(response.status, 200, "long poll answers 200 whatever happened");
    const body = await response.json();
    if (body.token) this.session = body.token;
    for (const message of body.messages ?? []) {
      assert.equal(typeof message, "string", "phoenix.js parses each message itself");
      this.messages.push(JSON.parse(message));
    }
    return body;
  }

  async post(body, { type = "application/x-ndjson", url = this.url(), headers = {} } = {}) {
    const sent = { method: "POST", body, headers: { "content-type": type, ...this.headers, ...headers } };
    const response = await fetch(url, sent);
    assert.equal(response.status, 200, "long poll answers 200 whatever happened");
    return response.json();
  }

  send(...frames) {
    return this.post(frames.map((frame) => JSON.stringify(frame)).join("\n"));
  }

  /** Polls until a message fits. */
  async until(what, fits, ms = PATIENCE_MS) {
    const end = Date.now() + ms;
    for (;;) {
      const found = this.messages.find(fits);
      if (found) return found;
      assert.ok(Date.now() < end, `no ${what}; got ${JSON.stringify(this.messages).slice(0, 500)}`);
      const { status } = await this.poll();
      assert.ok([200, 204].includes(status), `poll for ${what}: ${status}`);
    }
  }

  /** The payload of the reply to `ref` (V2). */
  async reply(ref) {
    const frame = await this.until(`reply to ${ref}`, (one) => one[1] === ref && one[3] === "phx_reply");
    return frame[4];
  }
}
