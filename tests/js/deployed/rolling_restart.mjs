// A rolling restart of what the manifests declare, under load, and what the clients and the database say of it. Run by
// scripts/rolling-restart; its head says what can be broken on purpose.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Spread } from "../harness/spread.mjs";
import { span } from "../harness/wait.mjs";
import { latenesses } from "../harness/invariants.mjs";
import { LoopNoise, now } from "../harness/witness.mjs";
import { Deployment, seconds } from "./deployment.mjs";
import { figuresOf, School } from "./school.mjs";

/** What may be done wrong when a pod is stopped. */
const BREAKS = {
  kill: { signal: "SIGKILL" },
  prestop: { preStopMs: 0 },
};

const { values: options } = parseArgs({
  options: {
    manifests: { type: "string" },
    rooms: { type: "string", default: "10" },
    people: { type: "string", default: "10" },
    calm: { type: "string", default: "5" },
    break: { type: "string" },
  },
});
const begun = now();
const say = (text) => console.log(`${seconds(now() - begun).padStart(8)}  ${text}`);
const documents = JSON.parse(readFileSync(options.manifests, "utf8"));
let loop = null;
let deployment = null;
let school = null;
try {
  deployment = await Deployment.start(documents);
  say(
    `three pods are ready: ${deployment.pods.map((pod) => `${pod.name} ${seconds(pod.readyAt - pod.begun)}`).join(", ")}`,
  );
  school = await School.open({
    front: deployment.front,
    secret: deployment.schoolSecret,
    rooms: Number(options.rooms),
    people: Number(options.people),
  });
  const lessons = school.lessons;
  say(`${lessons.length} lessons of ${options.people} have begun`);
  loop = new LoopNoise();
  school.work();
  await span(Number(options.calm) * 1_000);
  const old = await deployment.roll({ broken: BREAKS[options.break] ?? {}, report: say });
  await span(Number(options.calm) * 1_000);
  await school.rest();
  say("the load has ended");

  const checks = [];
  const check = (what, wrongs) => checks.push({ what, wrongs });
  await school.isWhole().then(
    () => check("everybody is back, and hears a note of each room's teacher", []),
    (error) => check("everybody is back, and hears a note of each room's teacher", [error.message]),
  );
  check(
    "each client: beats in order, none twice, none unknown, on the timeline; epochs rise",
    lessons.flatMap((one) => one.wrongsHeard()),
  );
  check(
    "each room: no beat that nobody heard",
    lessons.flatMap((one) => one.wrongsOfAll()),
  );
  check(
    "each acknowledged order is in force",
    lessons.flatMap((one) => (one.view ? one.wrongsOfOrders() : ["not known"])),
  );
  const record = await Promise.all(lessons.map((one) => one.wrongsOfRecord(deployment.postgres)));
  check("PostgreSQL has each acknowledged note once, and none that was not played", record.flat());
  check("REST: every GET was answered with 200", school.looks.failed);
  check("nginx: nobody was refused, on WebSockets and long polls neither", deployment.front.failures());
  check(
    "the nodes that are there now took no room over from a dead one, lost nothing, did not fail inside",
    await deployment.losses(),
  );
  check(
    "pods: as declared, live throughout, ended with 0 in their grace period; no error in a log",
    deployment.wrongs(),
  );

  console.log("\npods that left       preStop  SIGTERM to its end  most memory");
  for (const pod of old) {
    const took = [pod.signalledAt - pod.deletedAt, pod.end.at - pod.signalledAt].map(seconds);
    console.log(
      `${pod.name.padEnd(28)} ${took[0]}  ${took[1].padStart(14)}  ${(pod.peakKib / 1024).toFixed(0).padStart(6)} MiB`,
    );
  }
  for (const line of story(school, deployment, loop)) console.log(line);
  console.log("");
  for (const { what, wrongs } of checks) {
    console.log(`${wrongs.length === 0 ? "ok  " : "FAIL"}  ${what}`);
    for (const wrong of wrongs.slice(0, 8)) console.log(`        ${wrong.split("\n")[0]}`);
    if (wrongs.length > 8) console.log(`        … ${wrongs.length - 8} more`);
  }
  process.exitCode = checks.every(({ wrongs }) => wrongs.length === 0) ? 0 : 1;
} catch (error) {
  console.error(error);
  for (const pod of deployment?.pods ?? []) console.error(`${pod.name}\n${pod.logTail(5)}`);
  process.exitCode = 1;
} finally {
  loop?.stop();
  await school?.close().catch(() => {});
  await deployment?.stop();
}
// phoenix.js keeps trying, whatever is over.
process.exit();

/** What happened, for people to read; nothing of it is judged. */
function story(school, { front }, loop) {
  const figures = school.witnesses.map(figuresOf);
  const late = new Spread(school.witnesses.flatMap(({ frames }) => latenesses(frames).map((one) => one.late)));
  const orders = school.lessons.map((one) => one.orders);
  const refused = new Map();
  for (const { passing } of orders)
    for (const [why, count] of passing) refused.set(why, (refused.get(why) ?? 0) + count);
  const pupils = school.lessons.flatMap((one) => one.pupils);
  const sum = (of, read) => of.reduce((total, one) => total + read(one), 0);
  const most = (of, read) => Math.max(...of.map(read));
  const said = (counts) =>
    [...counts]
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") || "none";
  const kinds = [...new Set(figures.map(({ kind }) => kind))];
  const rows = kinds.flatMap((kind) => {
    const these = figures.filter((one) => one.kind === kind);
    const told = `${sum(these, (one) => one.told)} (one at most ${most(these, (one) => one.told)})`;
    const back = `came back ${sum(these, (one) => one.returns)} times (one at most ${most(these, (one) => one.returns)})`;
    const silent = `silent for ${seconds(most(these, (one) => one.silence))} at most`;
    return [
      [`${these.length} on ${kind}`, `${back}, ${silent}`],
      ["  beats heard; told by a timeline alone", `${sum(these, (one) => one.beats)}; ${told}`],
    ];
  });
  const stood = `the clients' process itself stood still for up to ${loop.worst().toFixed(0)} ms`;
  const slowest = seconds(most(orders, (one) => one.slowest));
  rows.push(
    ["beats late", `${late}; ${stood}`],
    [
      "orders acknowledged; refused for a moment",
      `${sum(orders, (one) => one.acknowledged)}, the slowest in ${slowest}; ${said(refused)}`,
    ],
    [
      "notes acknowledged; never answered",
      `${sum(pupils, (one) => one.acknowledged.length)}; ${sum(pupils, (one) => one.unanswered.length)}`,
    ],
    ["GETs", `${school.looks.count}, the slowest in ${seconds(school.looks.slowest)}`],
    ["answers of nginx", said(front.answers())],
  );
  return ["", ...rows.map(([name, value]) => `${name.padEnd(42)} ${value}`), ""];
}
