// A loaded cluster under a real Prometheus, one of its nodes dead on the way: what dashboard and alerts make of it. Run by
// scripts/dashboard-check.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { eventually, span } from "../harness/wait.mjs";
import { now } from "../harness/witness.mjs";
import { Dashboard } from "./dashboard.mjs";
import { Deployment, seconds } from "./deployment.mjs";
import { draw } from "./picture.mjs";
import { Prometheus } from "./prometheus.mjs";
import { School } from "./school.mjs";
import { Strangers } from "./strangers.mjs";

/** Queries that have nothing to say of a cluster in which nothing of the kind has happened, by a part of their text. */
const RIGHTLY_EMPTY = [];
/** Alerts that a busy machine may cause by itself; told, and not judged. */
const OF_THE_MACHINE = ["DownbeatBeatsLate", "DownbeatRelayLoses"];
/** What a node's death must bring, and nothing else. */
const OF_A_DEATH = ["DownbeatNodeDied"];

const { values: options } = parseArgs({
  options: {
    manifests: { type: "string" },
    rooms: { type: "string", default: "8" },
    people: { type: "string", default: "8" },
    calm: { type: "string", default: "75" },
    after: { type: "string", default: "60" },
    picture: { type: "string" },
    answers: { type: "string" },
  },
});
const begun = now();
const say = (text) => console.log(`${seconds(now() - begun).padStart(8)}  ${text}`);
const stretch = (s) => span(Number(s) * 1_000);
const judged = (alerts) => alerts.filter((name) => !OF_THE_MACHINE.includes(name));
let [deployment, prometheus, school, strangers] = [null, null, null, null];
const checks = [];
const check = (what, wrongs) => checks.push({ what, wrongs });
try {
  deployment = await Deployment.start(JSON.parse(readFileSync(options.manifests, "utf8")));
  prometheus = await Prometheus.start(deployment.folder, deployment.running);
  const start = Date.now() / 1_000;
  say("three nodes are scraped");
  const { front, schoolSecret: secret } = deployment;
  school = await School.open({ front, secret, rooms: Number(options.rooms), people: Number(options.people) });
  school.work();
  strangers = Strangers.come(school);
  say(`${school.lessons.length} lessons of ${options.people} have begun`);
  await stretch(options.calm);

  const healthy = await prometheus.firing();
  check("no alert fires while all is well", judged(healthy));
  say(`before the death these fire: ${healthy.join(", ") || "none"}`);
  const victim = await conductorOfMost(prometheus, deployment);
  await victim.kill();
  deployment.lost(victim);
  say(`${victim.name}, which conducted most, was killed`);
  const fired = new Set();
  const fires = async () => {
    await span(500);
    for (const name of await prometheus.firing()) fired.add(name);
    return OF_A_DEATH.every((name) => fired.has(name));
  };
  const expected = eventually("the alerts of a node's death", fires, Boolean, Number(options.after) * 1_000);
  await stretch(Number(options.after) / 3);
  const heir = await deployment.replace();
  prometheus.setTargets(deployment.running);
  say(`${heir.name} is there in its place`);
  await expected.catch(() => {});
  await stretch((Number(options.after) * 2) / 3);
  for (const name of await prometheus.firing()) fired.add(name);
  say(`after it these have fired: ${[...fired].join(", ")}`);
  check(
    "a node's death is told by an alert",
    OF_A_DEATH.filter((name) => !fired.has(name)),
  );
  const strange = judged([...fired].filter((name) => !OF_A_DEATH.includes(name) && !healthy.includes(name)));
  check("and by no other", strange);

  const rules = await prometheus.rules();
  check(
    `each of the ${rules.length} rules is evaluated without an error`,
    rules
      .filter(({ health }) => health !== "ok")
      .map(({ name, health, lastError }) => `${name}: ${health} ${lastError}`),
  );
  check("the autoscaler finds each node's connections", await wrongsOfAutoscaler(prometheus, deployment));
  const dashboard = new Dashboard({ scrapeS: prometheus.scrapeS });
  const range = { start, end: Date.now() / 1_000, step: 2 };
  const answers = await dashboard.answers(prometheus, range);
  const lists = [...answers.values()].flat();
  const empty = lists.filter(
    ({ series }) => !series.some(({ values }) => values.some(([, value]) => Number.isFinite(value))),
  );
  const excused = ({ expr }) => RIGHTLY_EMPTY.some((part) => expr.includes(part));
  const wrongs = empty.filter((one) => !excused(one)).map(({ expr }) => `no data: ${expr}`);
  check(
    `each of the ${lists.length} queries of ${answers.size} panels has data, but for ${RIGHTLY_EMPTY.length}`,
    wrongs,
  );
  const needless = RIGHTLY_EMPTY.filter((part) => !empty.some(({ expr }) => expr.includes(part)));
  check("those excused are empty indeed", needless);
  if (options.picture) await draw({ dashboard, answers, range, file: options.picture });
  if (options.answers) writeFileSync(options.answers, JSON.stringify({ range, answers: [...answers] }));

  console.log("");
  for (const { what, wrongs } of checks) {
    console.log(`${wrongs.length === 0 ? "ok  " : "FAIL"}  ${what}`);
    for (const wrong of wrongs) console.log(`        ${wrong}`);
  }
  process.exitCode = checks.every(({ wrongs }) => wrongs.length === 0) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await strangers?.leave().catch(() => {});
  await school?.rest().catch(() => {});
  await school?.close().catch(() => {});
  await prometheus?.stop();
  await deployment?.stop();
}
// phoenix.js keeps trying, whatever is over.
process.exit();

/** The chart's metric, asked for as docs/kubernetes.md has the metrics adapter ask. */
async function wrongsOfAutoscaler(prometheus, { running, workload }) {
  const read = (file) => readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
  const [, metric] = /pods:\s+metric:\s+name: (\w+)/.exec(read("deploy/helm/downbeat/templates/hpa.yaml"));
  const [, rule] = /metricsQuery: '(.*)'/.exec(read("docs/kubernetes.md"));
  const names = running.map(({ name }) => name);
  const query = rule
    .replace("<<.Series>>", metric)
    .replace("<<.LabelMatchers>>", `namespace="${workload.namespace}",pod=~"${names.join("|")}"`)
    .replace("<<.GroupBy>>", "pod");
  const found = (await prometheus.query(query)).map((one) => one.metric.pod);
  return names.filter((name) => !found.includes(name)).map((name) => `${query} says nothing of ${name}`);
}

async function conductorOfMost(prometheus, { running }) {
  const [most] = await prometheus.query("topk(1, downbeat_rooms)");
  return running.find(({ name }) => name === most.metric.instance);
}
