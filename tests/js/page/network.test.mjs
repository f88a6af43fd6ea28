// A bad network, of each kind at once: the teacher's is thin, one student's is a second late, another's swallows all, and
// a third one's is cut. Music goes on from the timeline; the pages say what is wrong, and come back by themselves.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { assertBeatsKept, assertOnceEach } from "../harness/beat_sheet.mjs";
import { Browser } from "../harness/browser.mjs";
import { ListeningClass } from "../harness/listening_class.mjs";
import { Server } from "../harness/server.mjs";
import { SlowProxy } from "../harness/slow_proxy.mjs";
import { span } from "../harness/wait.mjs";

const GONE = "The connection is gone. The beat goes on; trying to come back…";
const UNCERTAIN = "The network is slow and uneven: the beat may be a little off here.";
const CUT_MS = 10_000;
/** A dead line is found out after one to two heartbeats, of 10 s each. */
const FOUND_OUT_MS = 30_000;
const THIN = { bytesPerSecond: 56_000 / 8 };
/** A second from question to answer. */
const LATE = { leastMs: 500, mostMs: 500 };
const BEFORE_BPM = 120;
const AFTER_BPM = 126;

describe("a class on bad networks", { concurrency: true }, () => {
  let server, browser, room, teacher, ada, ben, cem;
  const ways = {};
  const ears = {};
  /** Settled when the teacher has changed the tempo, which three of the pages learn late. */
  let tempoChanged;

  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    for (const [seed, name] of ["teacher", "Ada", "Ben", "Cem"].entries())
      ways[name] = await SlowProxy.start({ port: Number(server.listen.split(":")[1]), seed });
    browser = await Browser.launch();
    const enter = (one) => one.makeRoom({ bpm: BEFORE_BPM });
    room = await ListeningClass.open({ browser, door: (name) => ways[name], enter });
    [teacher, ada, ben, cem] = room.people;
    [ears.teacher, ears.Ada, ears.Ben, ears.Cem] = room.ears;
    await teacher.start();
    await Promise.all(room.ears.map((ear) => ear.isSettled()));
    await Promise.all(room.ears.map((ear) => ear.hears(4)));
    await Promise.all(room.ears.map((ear) => ear.anew()));

    ways.teacher.becomes(THIN);
    ways.Ada.becomes(LATE);
    ways.Ben.swallow();
    ways.Cem.cut();
    tempoChanged = span(CUT_MS / 2).then(async () => {
      const tempo = teacher.page.getByLabel("Tempo in beats a minute");
      await tempo.fill(String(AFTER_BPM));
      await tempo.press("Enter");
    });
  });
  after(async () => {
    await browser?.close();
    for (const way of Object.values(ways)) await way.stop();
    await server?.stop();
  });

  const knowsTheTempo = (person) =>
    person.knows((state, bpm) => state.connection === "online" && state.bpm === bpm, AFTER_BPM);

  /** In order, none twice; left out are only those that were over when the page learned of the new tempo. */
  function assertTakenOver(record) {
    const { name, scheduled, origin, states } = record;
    const learned = origin + states.find(({ bpm }) => bpm === AFTER_BPM).moment;
    for (const [index, { beat, at }] of scheduled.entries()) {
      const before = scheduled[index - 1];
      if (!before) continue;
      assert.ok(beat > before.beat, `${name}: beat ${beat} after beat ${before.beat}`);
      if (beat === before.beat + 1) continue;
      const missed = at - 60_000 / AFTER_BPM;
      assert.ok(
        missed < learned + 20,
        `${name}: beat ${beat} follows ${before.beat}, ${missed - learned} ms after it knew`,
      );
    }
  }

  test("56 kbit/s: the teacher conducts, and every beat is in its place", async () => {
    await tempoChanged;
    await knowsTheTempo(teacher);
    await ears.teacher.hears(16);
    const record = await ears.teacher.record();
    console.log(`at 56 kbit/s: off the timeline by ${assertBeatsKept(record)}`);
    assert.ok(
      record.states.every(({ connection }) => connection === "online"),
      "it stays online",
    );
  });

  test("a second of delay: the beat stays, what is new comes late; who comes in then is told that it is uncertain", async () => {
    await tempoChanged;
    await knowsTheTempo(ada);
    await ears.Ada.hears(8);
    const record = await ears.Ada.record();
    assertTakenOver(record);
    console.log(`a second late: off the timeline by ${assertBeatsKept(record)}`);
    assert.equal(await ada.refusal("playNote", 64), null, "a note gets through, later");

    await ada.page.reload();
    await ada.reads(UNCERTAIN);
    const { clock } = await ada.state();
    assert.ok(clock.uncertaintyMs > 450, `half of the way there and back: ${clock.uncertaintyMs} ms`);
    ways.Ada.becomes({});
    await ada.knows((state) => state.clock.quality === "good");
    await ada.page.getByText(UNCERTAIN).waitFor({ state: "detached" });
  });

  test("cut for ten seconds: plays on, says so, refuses in human words, comes back with the new tempo", async () => {
    const cut = performance.now();
    await cem.reads(GONE);
    assert.equal(await cem.refusal("playNote", 64), "offline");
    await cem.button("Raise hand").click();
    await cem.reads("The connection is gone, so this did not get through. Try again in a moment.");
    await cem.speaksHuman();
    await span(CUT_MS - (performance.now() - cut));
    const alone = await ears.Cem.record();
    assertBeatsKept(alone);
    assert.ok(
      alone.scheduled.length >= (CUT_MS / 60_000) * BEFORE_BPM - 3,
      `${alone.scheduled.length} beats while cut off`,
    );
    assert.ok(
      alone.scheduled.every(({ at }, i, all) => i === 0 || Math.abs(at - all[i - 1].at - 500) < 1),
      "as before",
    );
    ways.Cem.heal();
    await isBack(cem, ears.Cem);
  });

  test("silence: plays on, finds it out, says so, comes back with the new tempo", async () => {
    await ben.button("Raise hand").click();
    await ben.reads(/No answer came\. Try once more\.|The connection is gone, so this did not get through\./);
    await ben.page.getByText(GONE).waitFor({ timeout: FOUND_OUT_MS });
    await ben.speaksHuman();
    assertBeatsKept(await ears.Ben.record());
    ways.Ben.heal();
    await isBack(ben, ears.Ben);
  });

  async function isBack(person, ear) {
    await tempoChanged;
    await knowsTheTempo(person);
    await person.page.getByText(GONE).waitFor({ state: "detached" });
    await ear.hears(8);
    const record = await ear.record();
    assertTakenOver(record);
    assertOnceEach({ ...record, told: record.told.slice(-6) }, "told");
    assert.equal(await person.refusal("playNote", 64), null, "notes get through again");
    await person.knows((state) => state.clock.quality === "good");
  }
});
