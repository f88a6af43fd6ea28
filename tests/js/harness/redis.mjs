// A real redis-server in a folder of its own: killed, frozen, and brought back with its data or without.
import { execFile, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import { freePort } from "./ports.mjs";
import { Heard, soon } from "./wait.mjs";

/** Where a program of the package `redis-server` is; fails with what to install. */
export function program(name) {
  const paths = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(found, `${name} is not in PATH: run scripts/setup, or install the package redis-server (7.0 or newer)`);
  return found;
}

export class Redis {
  /**
   * @param {object} options
   * @param {string[]} [options.settings] lines of redis.conf
   * @param {string} [options.sentinel] the configuration of a Sentinel, which this is then
   * @param {object} [options.env] more of an environment
   */
  static async start(options = {}) {
    const redis = new Redis(options);
    redis.port = await freePort();
    await redis.launch();
    return redis;
  }

  constructor({ settings = [], sentinel = null, env = {} } = {}) {
    this.env = env;
    this.settings = settings;
    this.sentinel = sentinel;
    this.dir = mkdtempSync(join(tmpdir(), "downbeat-redis-"));
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  get url() {
    return `redis://${this.address}/0`;
  }

  async launch() {
    const common = [`port ${this.port}`, "bind 127.0.0.1", `dir ${this.dir}`, "daemonize no"];
    // Written before the answer and never synced: what was answered survives a kill, and no disk is waited for.
    const data = ['save ""', "appendonly yes", "appendfsync no", "enable-debug-command local"];
    const file = join(this.dir, "redis.conf");
    writeFileSync(file, [...common, ...(this.sentinel ? [this.sentinel] : data), ...this.settings, ""].join("\n"));
    this.log = new Heard(`redis-server on ${this.port}`);
    const env = { ...process.env, ...this.env };
    const kind = this.sentinel ? ["--sentinel"] : [];
    this.child = spawn(program("redis-server"), [file, ...kind], { cwd: this.dir, env });
    this.child.once("error", (error) => this.log.end(error.message));
    createInterface({ input: this.child.stdout }).on("line", (line) => this.log.add(line));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code, signal) => {
        this.log.end(`the process ended with ${signal ?? code}`);
        resolve();
      }),
    );
    await this.log.until("readiness", (line) => /Ready to accept connections|\+monitor master/.test(line));
  }

  /** One command with `redis-cli`, its answer as JSON has it; fails on an error and when the server is away. */
  cli(...words) {
    return redisCli(["-p", String(this.port)], words);
  }

  /** kill -9: what was not written is gone. */
  async kill() {
    this.child.kill("SIGKILL");
    await soon("end of redis-server", this.exited);
  }

  freeze() {
    this.child.kill("SIGSTOP");
  }

  thaw() {
    this.child.kill("SIGCONT");
  }

  /** Comes back on the same port with what it had written. */
  comeBack() {
    return this.launch();
  }

  /** Comes back on the same port, knowing nothing. */
  comeBackEmpty() {
    rmSync(join(this.dir, "appendonlydir"), { recursive: true, force: true });
    return this.launch();
  }

  /** Whatever a test before left dead or frozen runs again. */
  async mended() {
    this.thaw();
    if (this.child.exitCode !== null || this.child.signalCode !== null) await this.comeBack();
  }

  async stop() {
    if (!this.child) return;
    this.child.kill("SIGKILL");
    await soon("end of redis-server", this.exited);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Runs `redis-cli` with `options`; the answer as JSON. */
export function redisCli(options, words) {
  const args = ["-h", "127.0.0.1", ...options, "-e", "--json", ...words.map(String)];
  return new Promise((resolve, reject) => {
    execFile(program("redis-cli"), args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`redis-cli ${words.join(" ")}: ${stderr.trim() || stdout.trim() || error.message}`));
      else resolve(readAnswer(stdout.trim()));
    });
  });
}

/** JSON, but for verbatim texts such as INFO's. */
function readAnswer(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return text;
  }
}
