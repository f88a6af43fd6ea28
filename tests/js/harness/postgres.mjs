// A real PostgreSQL in a folder of its own: killed, frozen, and started again on the same port with what it had.
import { execFile, spawn } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { freePort } from "./ports.mjs";
import { eventually, Heard, soon, span } from "./wait.mjs";

const run = promisify(execFile);
const PROGRAMS = ["initdb", "postgres", "psql"];

/** The folder of an installation: Debian's newest, else that of the `initdb` in PATH. */
function installation() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).filter(Number) : [];
  const newest = versions.sort((a, b) => b - a).map((version) => join(debian, version, "bin"));
  const inPath = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "initdb"))
    .filter(existsSync)
    .map((file) => dirname(realpathSync(file)));
  const whole = (folder) => PROGRAMS.every((name) => existsSync(join(folder, name)));
  const found = [...newest, ...inPath].find(whole);
  assert.ok(found, "PostgreSQL is not here: run scripts/setup, or install the package postgresql");
  return found;
}

/** The user whom it runs as, because it refuses root; null where we are nobody special ourselves. */
function servant() {
  if (process.getuid() !== 0) return null;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.startsWith("postgres:"));
  assert.ok(line, "there is no user postgres: install the package postgresql");
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

export class Postgres {
  /** With an empty database, `downbeat`. */
  static async start() {
    const postgres = new Postgres();
    postgres.port = await freePort();
    try {
      const data = ["--pgdata", postgres.data];
      await postgres.#program("initdb", [
        ...data,
        "--username=downbeat",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-sync",
      ]);
      await postgres.launch();
      await postgres.query("CREATE DATABASE downbeat", "postgres");
    } catch (error) {
      await postgres.stop();
      throw error;
    }
    return postgres;
  }

  constructor() {
    this.programs = installation();
    this.servant = servant();
    this.dir = mkdtempSync(join(tmpdir(), "downbeat-postgres-"));
    this.data = join(this.dir, "data");
    mkdirSync(this.data, { mode: 0o700 });
    if (this.servant) for (const folder of [this.dir, this.data]) chownSync(folder, this.servant.uid, this.servant.gid);
  }

  get url() {
    return this.urlOf("downbeat");
  }

  urlOf(database) {
    return `postgres://downbeat@127.0.0.1:${this.port}/${database}`;
  }

  #words(name, args) {
    const program = join(this.programs, name);
    if (!this.servant) return [program, args];
    const { uid, gid } = this.servant;
    return ["setpriv", [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", program, ...args]];
  }

  async #program(name, args) {
    const { stdout } = await run(...this.#words(name, args), { cwd: this.dir, maxBuffer: 1 << 28, timeout: 60_000 });
    return stdout;
  }

  async launch() {
    // Nothing is synced: what was committed survives a kill of the processes, and no disk is waited for.
    const settings = {
      port: this.port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: this.dir,
      fsync: "off",
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.log = new Heard(`PostgreSQL on ${this.port}`);
    const [program, args] = this.#words("postgres", ["-D", this.data, ...flags]);
    this.child = spawn(program, args, { cwd: this.dir, env: { ...process.env, LC_MESSAGES: "C" } });
    this.child.once("error", (error) => this.log.end(error.message));
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.add(line));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code, signal) => {
        this.log.end(`the process ended with ${signal ?? code}`);
        resolve();
      }),
    );
    await this.log.until("readiness", (line) => line.includes("database system is ready to accept connections"), {
      ms: 60_000,
    });
    this.frozen = false;
  }

  /** What a statement answers, in lines. */
  query(sql, database = "downbeat") {
    const where = ["-h", "127.0.0.1", "-p", this.port, "-U", "downbeat", "-d", database].map(String);
    return this.#program("psql", ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", ...where, "-c", sql]);
  }

  /** The rows of a SELECT, as objects; bytes as `\x` and hexadecimal digits. */
  async rows(select) {
    const text = await this.query(`SELECT coalesce(json_agg(row_to_json(t)), '[]') FROM (${select}) t`);
    return JSON.parse(text);
  }

  async tables() {
    const rows = await this.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'");
    return rows.map(({ name }) => name);
  }

  /** The postmaster, and then its children: each is a session of its own. */
  #pids() {
    const children = readdirSync("/proc")
      .filter(Number)
      .filter((pid) => parentOf(pid) === this.child.pid);
    return [this.child.pid, ...children.map(Number)];
  }

  /** kill -9 of all its processes: connections break, and what was not committed is gone. */
  async kill() {
    this.child.kill("SIGSTOP");
    const pids = this.#pids();
    for (const pid of pids) signal(pid, "SIGKILL");
    await soon("end of PostgreSQL", this.exited);
    const alive = async () => {
      await span(5);
      return pids.filter((pid) => signal(pid, 0));
    };
    await eventually("end of PostgreSQL's children", alive, (left) => left.length === 0);
  }

  comeBack() {
    return this.launch();
  }

  /** SIGSTOP: it keeps its connections, takes new ones into the kernel's queue, and answers nothing. */
  freeze() {
    this.frozen = true;
    this.child.kill("SIGSTOP");
    for (const pid of this.#pids()) signal(pid, "SIGSTOP");
  }

  thaw() {
    this.frozen = false;
    for (const pid of this.#pids().reverse()) signal(pid, "SIGCONT");
  }

  get isUp() {
    return Boolean(this.child) && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whatever a test before left dead or frozen runs again. */
  async mended() {
    if (this.frozen && this.isUp) this.thaw();
    if (!this.isUp) await this.comeBack();
  }

  async stop() {
    if (this.isUp) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function parentOf(pid) {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return null;
  }
}

/** False when there is no such process any more. A zombie is one: its parent, who would bury it, is gone. */
function signal(pid, name) {
  try {
    process.kill(pid, name);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
