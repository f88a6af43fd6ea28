// A class hears one beat: the moments at which four real pages let the same beat sound, on the machine's one clock,
// while every piece of the network comes 40 ± 20 ms late, each way.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Browser } from "../harness/browser.mjs";
import { median } from "../harness/ear.mjs";
import { ListeningClass } from "../harness/listening_class.mjs";
import { Server } from "../harness/server.mjs";
import { SlowProxy } from "../harness/slow_proxy.mjs";
import { Spread } from "../harness/spread.mjs";
import { span } from "../harness/wait.mjs";

const DELAY = { leastMs: 20, mostMs: 60 };
/** Five seconds after it has come into the room, a page is in time. */
const SETTLING_MS = 5_000;
const BPM = 240;
/** Each window begins with new pages, whose clocks know nothing: another four estimates, another chance. */
const WINDOWS = 3;
/**
 * What it must be: on a machine that has nothing else to do. `DOWNBEAT_STRICT=1` holds it to that. Four browsers on two busy
 * cores are measured as well, and held to what no page comes near whose clock goes by the network's delay.
 */
const GOAL = process.env.DOWNBEAT_STRICT ? { p50: 2, p99: 5 } : { p50: 6, p99: 25 };
const BEATS = 20;

describe("with 40 ± 20 ms of delay each way", () => {
  let server, proxy, browser, room;
  const windows = [];

  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    proxy = await SlowProxy.start({ port: Number(server.listen.split(":")[1]), seed: 6, ...DELAY });
    browser = await Browser.launch();
    const enter = async (teacher) => {
      const code = await teacher.makeRoom({ bpm: BPM });
      await teacher.start();
      return code;
    };
    room = await ListeningClass.open({ browser, door: () => proxy, enter });
  });
  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await server?.stop();
  });

  /** Four pages as they come, five seconds, then the beats. */
  async function listen(fresh) {
    if (fresh) {
      await Promise.all(room.people.map(({ page }) => page.reload()));
      await room.listen();
    }
    await span(SETTLING_MS);
    await Promise.all(room.ears.map((ear) => ear.anew()));
    await Promise.all(room.ears.map((ear) => ear.hears(BEATS + 1)));
    // The last beats lie ahead: their place on the true clock is told by what is read after them.
    await span(1_000);
    return room.records();
  }

  test("the same beat sounds everywhere within 2 ms for the most part, within 5 ms nearly always", async () => {
    for (let window = 0; window < WINDOWS; window++) {
      const records = await listen(window > 0);
      const { pairs, widest, server: late } = compared(records);
      assert.ok(widest.length >= BEATS * 0.8, `of ${BEATS} beats ${widest.length} were heard by all four`);
      windows.push({ pairs: new Spread(pairs), widest: new Spread(widest), late });
      console.log(`window ${window + 1}: between any two pages: ${windows.at(-1).pairs}`);
      console.log(`          the two farthest apart:  ${windows.at(-1).widest}`);
      console.log(
        `          beside the timeline:     ${late.map((ms) => ms.toFixed(2)).join(", ")} ms (each page's median)`,
      );
    }
    const p50 = median(windows.map(({ pairs }) => pairs.p50));
    const p99 = median(windows.map(({ pairs }) => pairs.p99));
    console.log(`the machine itself made the network later by ${new Spread(proxy.extra)}`);
    console.log(`medians of ${WINDOWS} windows: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
    assert.ok(p50 <= GOAL.p50, `p50 ${p50} ms`);
    assert.ok(p99 <= GOAL.p99, `p99 ${p99} ms`);
  });

  test("and the clock on which this was measured is one: no page is aside from this process", async () => {
    for (const ear of room.ears) {
      const { least, most } = await ear.aside();
      assert.ok(least <= 0.5 && most >= -0.5, `${ear.name}: ${least} to ${most} ms aside`);
    }
  });
});

/** The differences of all pairs for each beat, the greatest of each beat, and each page's distance from the timeline. */
function compared(records) {
  const times = records.map((record) => record.times());
  const shared = [...times[0].keys()].filter((key) => times.every((one) => Number.isFinite(one.get(key))));
  const pairs = shared.flatMap((key) =>
    times.flatMap((one, index) => times.slice(index + 1).map((other) => Math.abs(one.get(key) - other.get(key)))),
  );
  const widest = shared.map((key) => {
    const moments = times.map((one) => one.get(key));
    return Math.max(...moments) - Math.min(...moments);
  });
  const late = records.map((record) =>
    median(record.scheduled.map(({ when, at }) => record.trueTime(when) - at).filter(Number.isFinite)),
  );
  return { pairs, widest, server: late };
}
