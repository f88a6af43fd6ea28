// A real Prometheus with the scrape configuration and the rules that Compose ships; the targets alone are those that are here.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { freePort } from "../harness/ports.mjs";
import { eventually, Heard, soon, span } from "../harness/wait.mjs";

const DEPLOY = new URL("../../../deploy/", import.meta.url);
const RULES = fileURLToPath(new URL("helm/downbeat/files/rules.yaml", DEPLOY));

export class Prometheus {
  static async start(folder, pods) {
    const prometheus = new Prometheus(join(folder, "prometheus"));
    await prometheus.#launch(pods);
    return prometheus;
  }

  constructor(folder) {
    this.folder = folder;
    mkdirSync(folder);
    const shipped = readFileSync(new URL("compose/prometheus.yml", DEPLOY), "utf8");
    const targets = / +static_configs:\n +- targets: \[.*\]\n/;
    assert.match(shipped, targets, "deploy/compose/prometheus.yml has no list of targets any more");
    assert.match(shipped, /- rules.yaml\n/);
    this.scrapeS = Number(/scrape_interval: (\d+)s/.exec(shipped)[1]);
    /** The targets come from a file that is read again when it changes, and are named as the ServiceMonitor names them. */
    this.targets = join(folder, "targets.json");
    const found = `    file_sd_configs:\n      - files: ["${this.targets}"]\n        refresh_interval: 1s\n`;
    this.config = join(folder, "prometheus.yml");
    writeFileSync(this.config, shipped.replace(targets, found).replace("- rules.yaml", `- ${RULES}`));
  }

  /** Which pods it asks: those that Kubernetes knows, ready or not; with the labels that the ServiceMonitor gives them. */
  setTargets(pods) {
    const labels = ({ name, workload: { namespace } }) => ({ instance: name, pod: name, namespace });
    const target = (pod) => ({ targets: [pod.metricsAddress], labels: labels(pod) });
    writeFileSync(this.targets, JSON.stringify(pods.map(target)));
  }

  async #launch(pods) {
    this.setTargets(pods);
    this.url = `http://127.0.0.1:${await freePort()}`;
    const flags = {
      "config.file": this.config,
      "storage.tsdb.path": join(this.folder, "data"),
      "web.listen-address": this.url.replace("http://", ""),
    };
    const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    this.log = new Heard("prometheus");
    this.child = spawn("prometheus", words, { stdio: ["ignore", "ignore", "pipe"] });
    this.child.once("error", ({ message }) => this.log.end(`${message}: apt-get install prometheus`));
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.add(line));
    this.exited = new Promise((resolve) => this.child.once("close", resolve));
    await this.log.until("readiness", (line) => line.includes("Server is ready to receive web requests"));
    const asked = () => span(100).then(() => this.query("count(up == 1)"));
    await eventually("the first scrapes", asked, (found) => Number(found[0]?.value[1]) === pods.length, 30_000);
  }

  async ask(path, params = {}) {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(params)}`);
    const answer = await response.json();
    assert.equal(answer.status, "success", `${path} ${JSON.stringify(params)}: ${answer.error}`);
    return answer.data;
  }

  async query(query) {
    return (await this.ask("query", { query })).result;
  }

  /** Series as `{metric, values: [[s, number]]}`, times in seconds. */
  async range(query, { start, end, step }) {
    const { result } = await this.ask("query_range", { query, start, end, step });
    return result.map(({ metric, values }) => ({ metric, values: values.map(([at, value]) => [at, Number(value)]) }));
  }

  async rules() {
    const { groups } = await this.ask("rules");
    return groups.flatMap(({ rules }) => rules);
  }

  /** The names of the alerts that fire. */
  async firing() {
    const { alerts } = await this.ask("alerts");
    return [...new Set(alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels.alertname))];
  }

  async stop() {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await soon("end of Prometheus", this.exited);
  }
}
