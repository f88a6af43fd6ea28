// Plain frames, for what no well-behaved client would send.
import { request } from "node:http";
import WebSocket from "ws";
import { Heard, soon } from "./wait.mjs";

/** A socket that speaks V1 or V2 by hand. */
export class RawSocket {
  static async open(server, options = {}) {
    const socket = new RawSocket(server, options);
    await soon("open socket", socket.opened);
    return socket;
  }

  constructor(server, { vsn = "2.0.0", token, path = "/socket/websocket", query = {}, protocols, headers } = {}) {
    const search = new URLSearchParams({ ...(vsn ? { vsn } : {}), ...(token ? { token } : {}), ...query });
    this.vsn = vsn;
    this.heard = new Heard(`socket ${path} vsn ${vsn}`);
    this.nextRef = 1;
    this.ws = new WebSocket(`${server.ws}${path}?${search}`, protocols, { headers });
    this.opened = new Promise((resolve, reject) => {
      this.ws.once("open", resolve);
      this.ws.once("error", reject);
    });
    this.closed = new Promise((resolve) =>
      this.ws.once("close", (code, reason) => {
        this.heard.end(`closed with ${code} ${reason}`);
        resolve({ code, reason: reason.toString() });
      }),
    );
    this.ws.on("error", () => {});
    this.ws.on("message", (data, isBinary) => this.heard.add(isBinary ? readBinary(data) : readText(data.toString())));
  }

  /** Sends a text frame: JSON of whatever is no string. */
  text(frame) {
    this.ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  binary(bytes) {
    this.ws.send(bytes, { binary: true });
  }

  /** Bytes as a text frame, valid UTF-8 or not. */
  rawText(bytes) {
    this.ws.send(bytes, { binary: false });
  }

  reply(ref, options) {
    return this.heard.until(`reply to ref ${ref}`, (one) => one.event === "phx_reply" && one.ref === ref, options);
  }

  event(name, { fits = () => true, ...options } = {}) {
    return this.heard.until(name, (one) => one.event === name && fits(one), options);
  }

  /** Pushes on V2 text with a fresh ref and gives the reply. */
  ask(joinRef, topic, event, payload = {}) {
    const ref = `r${this.nextRef++}`;
    this.text([joinRef, ref, topic, event, payload]);
    return this.reply(ref);
  }

  join(topic, payload = {}, joinRef = "1") {
    this.text([joinRef, joinRef, topic, "phx_join", payload]);
    return this.reply(joinRef);
  }

  /** Proof that the socket still lives and is served. */
  async heartbeat() {
    const ref = `hb${this.nextRef++}`;
    this.text(
      this.vsn?.startsWith("2")
        ? [null, ref, "phoenix", "heartbeat", {}]
        : { topic: "phoenix", event: "heartbeat", payload: {}, ref },
    );
    return this.reply(ref);
  }

  async close() {
    this.ws.close();
    await soon("close", this.closed);
  }

  closeCode() {
    return soon("close by the server", this.closed).then(({ code }) => code);
  }
}

function readText(text) {
  const frame = JSON.parse(text);
  if (!Array.isArray(frame)) return { kind: "v1", raw: frame, ...frame };
  const [joinRef, ref, topic, event, payload] = frame;
  return { kind: "v2", raw: frame, joinRef, ref, topic, event, payload };
}

function readBinary(bytes) {
  const kind = bytes[0];
  const names = [
    ["joinRef", "topic", "event"],
    ["joinRef", "ref", "topic", "status"],
    ["topic", "event"],
  ][kind];
  if (!names) return { kind: `binary ${kind}`, raw: bytes };
  let offset = 1 + names.length;
  const fields = {};
  names.forEach((name, index) => {
    fields[name] = bytes.subarray(offset, offset + bytes[1 + index]).toString();
    offset += bytes[1 + index];
  });
  const payload = bytes.subarray(offset);
  if (kind === 1)
    return { kind: "binary", event: "phx_reply", ...fields, payload: { status: fields.status, response: payload } };
  return { kind: "binary", ...fields, payload };
}

/** A client's binary push: `00 jr# ref# topic# event#`, the fields, the payload. */
export function binaryPush(joinRef, ref, topic, event, payload = Buffer.alloc(0)) {
  const fields = [joinRef, ref, topic, event].map((field) => Buffer.from(field));
  return Buffer.concat([Buffer.from([0, ...fields.map((field) => field.length)]), ...fields, payload]);
}

/** An upgrade by hand, for tokens and origins that a WebSocket client would not send; ends what it opened. */
export function upgrade(server, { path = "/socket/websocket", query = "vsn=2.0.0", headers = {} } = {}) {
  const [host, port] = server.listen.split(":");
  const handshake = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
  const key = { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
  return soon(
    "answer to the upgrade",
    new Promise((resolve, reject) => {
      const sent = request({ host, port, path: `${path}?${query}`, headers: { ...handshake, ...key, ...headers } });
      sent.once("error", reject);
      sent.once("upgrade", (response, socket) => {
        socket.on("error", () => {});
        socket.destroy();
        resolve({ status: response.statusCode, headers: response.headers, body: "" });
      });
      sent.once("response", (response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      });
      sent.end();
    }),
  );
}
