// A real `downbeat` process: started, stopped, killed and started again on the same port and data.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { SECRETS } from "./token.mjs";
import { Heard, soon } from "./wait.mjs";

/** The program under test: `DOWNBEAT_BIN`, else the release build, else the debug build. */
export function downbeatBin() {
  const built = ["release", "debug"].map((profile) =>
    fileURLToPath(new URL(`../../../target/${profile}/downbeat`, import.meta.url)),
  );
  const found = [process.env.DOWNBEAT_BIN, ...built].find((path) => path && existsSync(path));
  assert.ok(found, "no downbeat to test: build it with `cargo build --release`, or set DOWNBEAT_BIN");
  return found;
}

/** The tenants that most tests use: an ordinary one, a stranger, one open to guests, and some with small limits. */
export const TENANTS = `
default_tenant = "acme"

[[tenants]]
id = "acme"
jwt_secret = "${SECRETS.acme}"
hosts = ["acme.example.org"]
origins = ["https://*.acme.org"]

[[tenants]]
id = "globex"
jwt_secret = "${SECRETS.globex}"
hosts = ["globex.example.org"]
origins = ["*"]

[[tenants]]
id = "tiny"
jwt_secret = "${SECRETS.tiny}"
origins = ["*"]
[tenants.limits]
max_concurrent_users = 2
max_channels_per_client = 2
max_rooms_per_tenant = 3
max_students_per_room = 2

[[tenants]]
id = "open"
jwt_secret = "${SECRETS.open}"
origins = ["*"]
guests = true

[[tenants]]
id = "hasty"
jwt_secret = "${SECRETS.hasty}"
origins = ["*"]
[tenants.limits]
max_joins_per_second = 4

[[tenants]]
id = "quiet"
jwt_secret = "${SECRETS.quiet}"
origins = ["*"]
[tenants.limits]
max_events_per_second = 20
`;

/** One node and its directory. */
export class Server {
  /** @param {{toml?: string, args?: string[], command?: string}} options `command` is `serve` or `dev` */
  static async start(options = {}) {
    const server = new Server(options);
    await server.launch();
    return server;
  }

  constructor({ toml = TENANTS, args = [], command = "serve" } = {}) {
    this.command = command;
    this.args = args;
    /** Players that would reconnect for ever, and so keep a failed test's process alive. */
    this.players = new Set();
    this.dir = mkdtempSync(join(tmpdir(), "downbeat-js-"));
    this.configFile = join(this.dir, "downbeat.toml");
    writeFileSync(this.configFile, toml);
    this.listen = "127.0.0.1:0";
    this.metricsListen = "127.0.0.1:0";
  }

  async launch() {
    const config = this.command === "serve" ? ["--config", this.configFile] : [];
    const flags = ["--listen", this.listen, "--metrics-listen", this.metricsListen];
    const data = ["--data-dir", join(this.dir, "data"), "--log-format", "json"];
    this.log = new Heard(`downbeat ${this.command}`);
    this.stdout = "";
    // The directory as working directory too: whatever defaults to a relative path stays inside it.
    this.child = spawn(downbeatBin(), [this.command, ...config, ...flags, ...data, ...this.args], { cwd: this.dir });
    this.child.stdout.on("data", (chunk) => (this.stdout += chunk));
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.add(readLogLine(line)));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code, signal) => {
        this.log.end(`the process ended with ${signal ?? code}`);
        resolve({ code, signal });
      }),
    );
    const { fields } = await this.log.until("the line `listening`", (line) => line.fields?.message === "listening");
    // From now on the ports stay, so that clients find the restarted server again.
    this.listen = fields["http.address"];
    this.metricsListen = fields["metrics.address"];
    this.url = `http://${this.listen}`;
    this.ws = `ws://${this.listen}`;
    this.metricsUrl = `http://${this.metricsListen}/metrics`;
  }

  /** Asks the node to leave; it must drain within its time and end well. */
  async terminate() {
    this.child.kill("SIGTERM");
    const end = await soon("end after SIGTERM", this.exited, 30_000);
    assert.deepEqual(end, { code: 0, signal: null }, `SIGTERM must end the node well; log:\n${this.logTail()}`);
  }

  /** The power cut: no drain, no goodbye. */
  async kill() {
    this.child.kill("SIGKILL");
    await soon("end after SIGKILL", this.exited);
  }

  /** Ends the server for good, and fails the test if anything in it panicked meanwhile. */
  async stop() {
    for (const player of this.players) player.socket.disconnect();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      const end = await Promise.race([this.exited, soon("end", this.exited, 30_000).catch(() => null)]);
      if (end === null) await this.kill();
    }
    const panics = this.log.items.filter((line) => JSON.stringify(line).includes("panicked"));
    rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(panics, [], "the server panicked");
  }

  /** Resident memory in KiB. */
  rssKib() {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8"))[1]);
  }

  logTail(lines = 20) {
    return this.log.items
      .slice(-lines)
      .map((line) => JSON.stringify(line))
      .join("\n");
  }
}

function readLogLine(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { text: line };
  }
}
