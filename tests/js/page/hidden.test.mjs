// Tabs that nobody looks at: one for a minute behind another tab; and one that the browser freezes.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { assertBeatsKept } from "../harness/beat_sheet.mjs";
import { Ear, readAudioClocks } from "../harness/ear.mjs";
import { Player } from "../harness/player.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { Tabs } from "../harness/tabs.mjs";
import { span } from "../harness/wait.mjs";

const BPM = 120;
const HIDDEN_MS = 60_000;
const FROZEN_MS = 20_000;
/** How late a page may tell of a beat that is due, ms: it is drawn once in a while, on a busy machine. */
const TOLD_LATE_MS = 250;

describe("tabs that are hidden while the class plays", { concurrency: true }, () => {
  let server, tabs, teacher, hidden, icy;

  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    const { json } = await call(server, "GET", "/dev/token?role=teacher&sub=teacher");
    const room = await makeRoom(server, { bpm: BPM, autostart: false }, json.token);
    teacher = new Player({ server, room, id: "teacher", token: () => json.token });
    await teacher.join();
    await teacher.ok("start_clock", {});
    tabs = await Tabs.launch();
    const enter = async (name) => {
      const script = `(${readAudioClocks})()`;
      const tab = await tabs.open({ url: `${server.url}/?room=${room}&lang=en`, script });
      await tab.type("[autocomplete=given-name]", name);
      await tab.click("form button");
      tab.ear = await Ear.on(tab, name);
      await tab.ear.isOn();
      await tab.ear.isSettled();
      return tab;
    };
    [hidden, icy] = [await enter("Ada"), await enter("Cem")];
  });
  after(async () => {
    await tabs?.close();
    await server?.stop();
  });

  /** What the page shows is the beat that the room is at. */
  async function showsTheBeat(tab, name) {
    const right = () => {
      const room = globalThis.downbeatRoom;
      const shown = Number(document.querySelector(".beat").dataset.beat);
      return room.state.clock.quality === "good" && shown === room.currentBeat()?.beat;
    };
    await tab.waitForFunction(right).catch((error) => assert.fail(`${name}: ${error.message}`));
  }

  const shownBeat = () => ({
    shown: Number(document.querySelector(".beat").dataset.beat),
    due: globalThis.downbeatRoom.currentBeat().beat,
  });

  test("a minute behind another tab: every beat is scheduled once and in its place; on return the right one shows", async () => {
    await hidden.hide();
    await hidden.ear.anew();
    await span(HIDDEN_MS);
    const record = await hidden.ear.record();
    console.log(`hidden: off the timeline by ${assertBeatsKept(record)}`);
    const ticks = (record.timers / HIDDEN_MS) * 1_000;
    console.log(
      `hidden: ${record.scheduled.length} beats; the page's own timers ran ${ticks.toFixed(1)} times a second`,
    );
    const least = (HIDDEN_MS / 60_000) * BPM - 3;
    assert.ok(record.scheduled.length >= least, `${record.scheduled.length} beats in the hidden minute`);
    await hidden.show();
    const { shown, due } = await hidden.evaluate(shownBeat);
    assert.ok(due - shown <= 1, `beat ${shown} is shown when ${due} sounds`);
    await showsTheBeat(hidden, "Ada");
    // And on from there.
    await hidden.ear.hears(4);
    assertBeatsKept(await hidden.ear.record());
  });

  test("twenty seconds frozen: no burst of old beats, and the right one at once", async () => {
    await icy.hide();
    await icy.ear.anew();
    await icy.ear.hears(4);
    await icy.freeze();
    const before = await icy.ear.record();
    await span(FROZEN_MS);
    assert.equal((await icy.ear.record()).told.length, before.told.length, "nothing runs in a frozen page");
    await icy.thaw();
    await icy.show();
    await showsTheBeat(icy, "Cem");
    await icy.ear.hears(4);
    const { origin, told, scheduled } = await icy.ear.record();
    const [slept, ...burst] = told.filter((one, index) => index > 0 && one.beat > told[index - 1].beat + 1);
    assert.deepEqual(burst, [], "one gap only");
    assert.ok(
      slept.beat > before.told.at(-1).beat + (FROZEN_MS / 60_000) * BPM - 4,
      "the beats of the sleep are left out",
    );
    const late = told.map(({ at, moment }) => origin + moment - at);
    assert.ok(Math.max(...late) < TOLD_LATE_MS, `a beat was told of ${Math.max(...late)} ms late`);
    const past = scheduled.filter(({ at, handed }) => origin + handed > at + 50);
    assert.deepEqual(past, [], "no beat is scheduled after its time");
    assert.equal(new Set(scheduled.map(({ beat }) => beat)).size, scheduled.length, "none twice");
  });
});
