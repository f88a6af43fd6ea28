// The balancer that deploy/compose ships, in a real nginx: the file as it is, but for the port, the places of its logs and its
// pid, and the list of nodes, which Docker's names fill there and the ready pods fill here.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { freePort } from "../harness/ports.mjs";
import { program } from "../harness/redis.mjs";
import { eventually, soon, span } from "../harness/wait.mjs";

const shipped = (file) => readFileSync(new URL(`../../../deploy/compose/${file}`, import.meta.url), "utf8");

export class Front {
  /** @param {{folder: string, nodes: string[]}} options `nodes`: `address:port` of each that is ready */
  static async start({ folder, nodes }) {
    const front = new Front(join(folder, "nginx"));
    front.port = await freePort();
    front.#writeMain();
    front.#writeNodes(nodes);
    await front.#launch();
    return front;
  }

  constructor(folder) {
    this.folder = folder;
    mkdirSync(folder);
    this.reloads = 0;
    /** What the harness' clients take a server for. */
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

  #writeMain() {
    const put = (text, from, to) => {
      assert.ok(from.test(text), `deploy/compose/nginx.conf has no ${from} any more`);
      return text.replace(from, to);
    };
    let text = shipped("nginx.conf");
    text = put(text, /^pid .*;$/m, `pid ${this.folder}/pid;`);
    text = put(text, /^error_log \S+ crit;$/m, `error_log ${this.folder}/error.log crit;`);
    text = put(text, /access_log \S+ quiet;/, `access_log ${this.folder}/access.log quiet;`);
    text = put(text, /listen 8080;/, `listen ${this.listen};`);
    writeFileSync(join(this.folder, "nginx.conf"), text);
  }

  #writeNodes(nodes) {
    const text = shipped("nginx-nodes.conf");
    const line = /^( *server )downbeat-\d:4000 resolve (.*)$/m;
    const [, before, after] = line.exec(text);
    const servers = nodes.map((node) => `${before}${node} ${after}`).join("\n");
    const rest = text
      .split("\n")
      .filter((one) => !/^resolver /.test(one))
      .map((one) => (line.test(one) ? null : one))
      .filter((one) => one !== null);
    const at = rest.findIndex((one) => /^\s*keepalive/.test(one));
    rest.splice(at, 0, servers);
    writeFileSync(join(this.folder, "nodes.conf"), rest.join("\n"));
  }

  async #launch() {
    const args = ["-c", join(this.folder, "nginx.conf"), "-g", "daemon off;"];
    this.child = spawn(program("nginx"), args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    this.child.stderr.on("data", (text) => (said += text));
    this.exited = new Promise((resolve) => this.child.once("close", resolve));
    const answers = async () => {
      await span(20);
      assert.equal(this.child.exitCode, null, `nginx ended: ${said}`);
      return fetch(`${this.url}/api/ping`).then(
        ({ status }) => status,
        () => null,
      );
    };
    await eventually("an answer through nginx", answers, (status) => status === 200);
  }

  /** From now on these nodes alone get new requests; open sockets stay where they are. */
  setNodes(nodes) {
    this.#writeNodes(nodes);
    this.reloads += 1;
    this.child.kill("SIGHUP");
  }

  /** How many answers there were, by method, kind of path and status. */
  answers() {
    const counts = new Map();
    for (const line of readFileSync(join(this.folder, "access.log"), "utf8").split("\n")) {
      const [, method, path, status] = /"(\S+) (\S+)" (\d+) /.exec(line) ?? [];
      if (!method) continue;
      const kind = /(websocket|longpoll)/.exec(path)?.[1] ?? "rest";
      const name = `${kind} ${method} ${status}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /** The lines of answers that nobody should get; 499 is a client's own going. */
  failures() {
    const lines = readFileSync(join(this.folder, "access.log"), "utf8").split("\n");
    return lines.filter((line) => /" [45]\d\d /.test(line) && !/" 499 /.test(line));
  }

  async stop() {
    if (this.child?.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await soon("end of nginx", this.exited);
  }
}
