// A whole lesson on the real pages: a teacher, three students and the projector, from making the room to the report.
import { after, before, describe } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Browser, PHONE } from "../harness/browser.mjs";
import { Server } from "../harness/server.mjs";
import { story } from "../harness/story.mjs";
import { eventually, span } from "../harness/wait.mjs";
import { Watch } from "../harness/watch.mjs";

const TAP_GAP_MS = 375;

describe("a lesson on the pages of `downbeat dev`", () => {
  const test = story();
  let server, browser, teacher, code, projector;
  /** Three students: by the link, by typing the digits, and by typing as children do. */
  let ada, ben, cem;
  /** Notes that the server has taken, by name. */
  const played = { Ada: 0, Ben: 0, Cem: 0 };
  const everybody = () => [teacher, ada, ben, cem];
  const all = (doing) => Promise.all(everybody().map(doing));

  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    browser = await Browser.launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("the teacher makes a room and sees its code and its link", async () => {
    teacher = await browser.teacher(server);
    code = await teacher.makeRoom({ name: "Tuesday band", bpm: 120 });
    await teacher.page.getByRole("heading", { level: 1, name: "Tuesday band" }).waitFor();
    await teacher.page.getByRole("img", { name: `QR code of the link to ${code}` }).waitFor();
    await teacher.page.getByRole("heading", { name: "Class of 0" }).waitFor();
    const link = teacher.region("Students join with").getByRole("link");
    assert.equal(await link.getAttribute("href"), `${server.url}/?room=${code}`);
  });

  test("students come in by the link, by the digits, and by a code that is typed as children type", async () => {
    [ada, ben, cem] = await Promise.all([
      browser.student(server),
      browser.student(server),
      browser.student(server, PHONE),
    ]);
    await ada.followLink(code, "Ada");
    await ben.type(code.slice("MUSIC-".length), "Ben");
    await cem.type(code.toLowerCase().replace("-", " "), "  Cem ");
    await Promise.all([ada, ben, cem].map((student) => student.isIn()));
    await teacher.page.getByRole("heading", { name: "Class of 3" }).waitFor();
    for (const name of ["Ada", "Ben", "Cem"]) await teacher.row(name).getByText("here").waitFor();
    for (const name of ["Ada (you)", "Ben", "Cem"])
      await ada.region("Class").getByText(name, { exact: true }).waitFor();
    assert.equal(new Set([ada.id, ben.id, cem.id]).size, 3, "three people");
    assert.equal(new URL(ben.page.url()).searchParams.get("room"), code, "a reload finds the room again");
  });

  test("a start with a count-in: everybody's page counts, and shows the same beats at about the same time", async () => {
    projector = await teacher.openProjector();
    await projector.page.getByRole("heading", { name: `Join code ${code}` }).waitFor();
    assert.equal(new URL(projector.page.url()).hash, "", "the token has left the address");
    await Promise.all([...everybody(), projector].map((person) => person.takeNotes()));
    await teacher.start({ countIn: "1 bar" });
    const pages = { teacher, ada, ben, cem, projector };
    const beats = {};
    for (const [who, person] of Object.entries(pages)) {
      await person.until(() => globalThis.seen.beats.some(({ beat }) => beat >= 8));
      beats[who] = new Map((await person.seen()).beats.map(({ beat, at }) => [beat, at]));
      assert.ok(Math.min(...beats[who].keys()) < 0, `${who} was counted in`);
    }
    const spreads = [];
    for (const [beat, at] of beats.teacher) {
      const times = Object.values(beats).map((shown) => shown.get(beat));
      if (times.every((time) => time !== undefined)) spreads.push(Math.max(...times) - Math.min(...times));
      assert.ok(at > 0);
    }
    spreads.sort((one, other) => one - other);
    const median = spreads[Math.floor(spreads.length / 2)];
    console.log(
      `${spreads.length} beats shown on 5 pages: ${median.toFixed(1)} ms apart (median), ${spreads.at(-1).toFixed(1)} ms at most`,
    );
    assert.ok(spreads.length >= 8, `${spreads.length} beats were shown on all pages`);
    assert.ok(median < 125, `a quarter of a beat at most: ${median} ms`);
  });

  test("a note is heard by everybody, by mouse, by letters and by touch; the pages show who plays", async () => {
    await teacher.reads("As soon as somebody plays, it shows here.");
    const lit = teacher.page.locator('.roster-row[data-lit="true"]', { hasText: "Ada" }).waitFor();
    const face = ben.page.locator(`[data-student="${ada.id}"] [data-note="C4"]`).waitFor();
    await ada.key("C4").click();
    await Promise.all([lit, face, ...everybody().map((person) => person.hears(60, ada.id))]);
    await ben.page.keyboard.press("d");
    await all((person) => person.hears(52, ben.id));
    Object.assign(played, { Ada: 1, Ben: 1 });
    for (const person of everybody()) {
      const { notes } = await person.seen();
      assert.deepEqual(
        notes.map(({ midi, studentId, own }) => ({ midi, studentId, own })),
        [
          { midi: 60, studentId: ada.id, own: person === ada },
          { midi: 52, studentId: ben.id, own: person === ben },
        ],
        "each note once, in order, with its player",
      );
      for (const { velocity, beat } of notes) assert.ok(velocity > 0 && velocity < 128 && Number.isFinite(beat));
    }
  });

  test("who has played and who has not yet shows while the lesson goes on", async () => {
    const panel = teacher.region("Taking part");
    await panel.getByText("2 of 3 have played").waitFor();
    await panel.getByRole("listitem").filter({ hasText: "Ada" }).getByText("1 note", { exact: true }).waitFor();
    await panel.getByRole("heading", { name: "Not yet" }).waitFor();
    assert.deepEqual(
      await panel.locator(".not-yet").getByRole("listitem").allTextContents(),
      ["CCem"],
      "initial and name",
    );
    await cem.key("E4").tap();
    played.Cem += 1;
    await all((person) => person.hears(64, cem.id));
    await panel.getByText("3 of 3 have played").waitFor();
    await panel.getByText("Everybody has played.").waitFor();
  });

  test("the tempo: by number, slider, steps, taps and keyboard", async () => {
    const { page } = teacher;
    const tempo = page.getByLabel("Tempo in beats a minute");
    await tempo.fill("96");
    await tempo.press("Enter");
    await all((person) => person.knows(({ bpm }) => bpm === 96));
    await cem.page.getByRole("img", { name: "Playing, 96 beats a minute, 4 beats a bar" }).waitFor();
    await page.getByLabel("Tempo slider").fill("150");
    await all((person) => person.knows(({ bpm }) => bpm === 150));
    await teacher.button("Slower by one").click();
    await all((person) => person.knows(({ bpm }) => bpm === 149));
    await teacher.button("Faster by one").click();
    await all((person) => person.knows(({ bpm }) => bpm === 150));
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Shift+ArrowDown");
    await all((person) => person.knows(({ bpm }) => bpm === 146));
    await page.evaluate(() => {
      globalThis.taps = [];
      addEventListener("pointerdown", ({ timeStamp }) => globalThis.taps.push(timeStamp), true);
    });
    for (let tap = 0; tap < 6; tap++) {
      await teacher.button("Tap tempo").click();
      await span(TAP_GAP_MS);
    }
    const taps = await page.evaluate(() => globalThis.taps);
    const gaps = taps.slice(1).map((at, i) => at - taps[i]);
    const median = gaps.sort((one, other) => one - other)[2];
    await all((person) => person.knows(({ bpm }, wanted) => Math.abs(bpm - wanted) <= 1, 60_000 / median));
  });

  test("the metre and its groups, a ramp, and back to bar 1", async () => {
    await teacher.page.getByText("Metre and ramp").click();
    const { page } = teacher;
    await page.getByLabel("Beats per bar").fill("7");
    await page.getByLabel("Accent groups").fill("3+3");
    await teacher.button("Set metre").click();
    await teacher.reads("The groups must add up to 7.");
    await page.getByLabel("Accent groups").fill("2+2+3");
    await teacher.button("Set metre").click();
    await all((person) => person.knows(({ timeline }) => String(timeline.meter.groups) === "2,2,3"));
    await ada.page.getByRole("img", { name: /, 7 beats a bar$/ }).waitFor();
    assert.equal(await ada.beat.locator(".beat-arc").count(), 7, "an arc for each beat of the bar");
    await page.getByLabel("Ramp to tempo").fill("180");
    await page.getByLabel("Over how many beats").fill("4");
    await teacher.button("Start ramp").click();
    await all((person) =>
      person.knows(({ timeline }) => timeline.segments.some(({ ramp }) => ramp?.to_milli_bpm === 180_000)),
    );
    await projector.page.getByRole("img", { name: "Playing, 180 beats a minute, 7 beats a bar" }).waitFor();
    const { timeline } = await teacher.state();
    await teacher.button("Back to bar 1").click();
    await all((person) => person.knows(({ timeline: now }, run) => now.run > run, timeline.run));
    await page.getByLabel("Beats per bar").fill("4");
    await page.getByLabel("Accent groups").fill("");
    await teacher.button("Set metre").click();
    await page.getByLabel("Tempo in beats a minute").fill("90");
    await page.getByLabel("Tempo in beats a minute").press("Enter");
    await all((person) => person.knows(({ bpm, timeline: now }) => bpm === 90 && now.meter.beats_per_bar === 4));
  });

  test("a muted student's keys say so and the server refuses, one and all", async () => {
    await teacher.button("Mute Ada").click();
    await ada.standing.getByText("You are muted. Listen for a moment.").waitFor();
    assert.equal(await ada.key("C4").getAttribute("aria-disabled"), "true");
    assert.equal(await ada.refusal("playNote", 60), "muted");
    await teacher.row("Ada").getByText("muted").waitFor();
    await teacher.button("Unmute Ada").click();
    await ada.standing.getByText("You are muted").waitFor({ state: "detached" });
    assert.equal(await ada.refusal("playNote", 60), null);
    played.Ada += 1;
    await teacher.button("Mute all").click();
    for (const student of [ada, ben, cem]) assert.equal(await refusedBy(student), "muted");
    await teacher.button("Unmute all").click();
    await Promise.all([ada, ben, cem].map((one) => one.knows(({ members }) => members.every(({ muted }) => !muted))));
  });

  /** Waits for what the page shows, then asks the server itself. */
  async function refusedBy(student) {
    await student.page.locator('.standing[data-silent="true"]').waitFor();
    return student.refusal("playNote", 60);
  }

  test("a solo silences the others, a listener listens, a section has its name", async () => {
    await teacher.choosesRole("Ben", "Solo");
    await ben.standing.getByText("You play the solo.").waitFor();
    await ada.standing.getByText("Listen: somebody is playing a solo.").waitFor();
    assert.equal(await refusedBy(ada), "only_soloist_can_play");
    assert.equal(await ben.refusal("playNote", 55), null);
    played.Ben += 1;
    await teacher.choosesRole("Ben", "Plays along");
    await teacher.choosesRole("Ada", "Listens");
    await ada.standing.getByText("You are listening.").waitFor();
    assert.equal(await refusedBy(ada), "listener_cannot_play");
    await teacher.choosesRole("Ada", "New section…");
    await teacher.dialog.getByLabel("Name of the section").fill("Drums");
    await teacher.dialog.getByRole("button", { name: "Put into section" }).click();
    await ada.standing.getByText("Section Drums").waitFor();
    await teacher.choosesRole("Ada", "Plays along");
    await ada.standing.getByText("Section Drums").waitFor({ state: "detached" });
  });

  test("beats are given out on the grid; students and the projector see whose they are, and the beat that sounds", async () => {
    await teacher.cell(2, "Ada").click();
    await teacher.cell(4, "Ben").click();
    await ada.region("Your beats").getByText("Your beats: 2").first().waitFor();
    assert.deepEqual(await ada.page.locator('.pattern-beat[data-mine="true"]').allTextContents(), ["2"]);
    const grid = projector.page.getByRole("region", { name: "Beats and who plays them" });
    assert.deepEqual(await grid.getByRole("listitem").allInnerTexts(), ["1", "2\nAda", "3", "4\nBen"]);
    // Once round: the column that lights up on each page is the beat that each of them shows.
    for (const place of [1, 2, 3, 4]) {
      await Promise.all([
        teacher.page.locator(`th[data-place="${place}"][data-now]`).waitFor(),
        grid.locator('[data-now="true"]').getByText(String(place), { exact: true }).waitFor(),
        ada.page.locator('.pattern-beat[data-now="true"]').getByText(String(place), { exact: true }).waitFor(),
      ]);
    }
    await ada.reads("Your beat!");
    await teacher.button("Clear beat 4").click();
    await ben.knows(({ assignments }) => assignments.size === 1);
  });

  test("a note on one's own beat is marked early or late, as it was", async () => {
    await ada.knows(({ clock }) => clock.quality === "good");
    await ada.page.evaluate(() => {
      addEventListener("keydown", ({ timeStamp }) => {
        const room = globalThis.downbeatRoom;
        const time = room.now() - (performance.now() - timeStamp);
        globalThis.struck = time - room.timeAt(Math.round(room.beatAt(time)));
      });
    });
    for (const ahead of [0.25, -0.2]) {
      // Place 2 of the pattern: one beat after the bar's first.
      await ada.page.evaluate((early) => {
        const room = globalThis.downbeatRoom;
        const now = room.beatAt(room.now());
        const first = room.state.timeline.meter.bar0_ub / 1e6 + 1 - early;
        const next = first + Math.ceil((now + 0.2 - first) / 4) * 4;
        return new Promise((resolve) => setTimeout(resolve, room.timeAt(next) - room.now()));
      }, ahead);
      await ada.page.keyboard.press("f");
      played.Ada += 1;
      const mark = ada.region("Your beats").getByText(/ms early|ms late|On the beat/);
      const said = await mark.textContent();
      const offset = await ada.page.evaluate(() => globalThis.struck);
      const told = said === "On the beat" ? 0 : Number.parseInt(said, 10) * (said.endsWith("early") ? -1 : 1);
      console.log(`struck ${offset.toFixed(1)} ms off: “${said}”`);
      if (said === "On the beat") assert.ok(Math.abs(offset) <= 60, `${offset} ms is not on the beat`);
      else assert.ok(Math.abs(told - offset) <= 10, `${offset} ms is not “${said}”`);
      await mark.waitFor({ state: "detached" });
    }
  });

  test("a raised hand shows, and comes down by either", async () => {
    await ben.button("Raise hand").click();
    await teacher.roster.getByText("1 hand up").waitFor();
    await ada.region("Class").getByRole("img", { name: "has raised a hand" }).waitFor();
    await teacher.button("Lower Ben’s hand").click();
    await ben.button("Raise hand").click();
    await ben.button("Lower hand").click();
    await teacher.roster.getByText("1 hand up").waitFor({ state: "detached" });
  });

  test("who comes to a locked room is told so; unlocked, they are in; removed, they are told and stay out", async () => {
    const dora = await browser.student(server);
    await teacher.button("Lock room").click();
    await teacher.reads("Locked: nobody new can join");
    await dora.followLink(code, "Dora");
    await dora.isTold("The teacher has locked this class: nobody can join just now.");
    await teacher.button("Unlock room").click();
    await teacher.button("Lock room").waitFor();
    await dora.button("Join").click();
    await dora.isIn();
    await teacher.button("Remove Dora").click();
    await teacher.dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await dora.page.getByRole("heading", { name: "The teacher has taken you out of this class." }).waitFor();
    await dora.speaksHuman();
    await teacher.page.getByRole("heading", { name: "Class of 3" }).waitFor();
    dora.watch.assertQuiet("Dora", /status of 40[39]/);
    await browser.dismiss(dora);
  });

  test("a student's reflection is in the teacher's list", async () => {
    await ada.button("How was it?").click();
    await ada.dialog.getByRole("radio", { name: "great" }).check();
    await ada.dialog
      .getByLabel("What do you want to remember of this lesson?")
      .fill("I waited for my beat; “2” is mine, é, 🎵");
    await ada.dialog.getByRole("radio", { name: "Playing together" }).check();
    await ada.dialog.getByRole("button", { name: "Send" }).click();
    await ada.dialog.getByText("Thank you. It is sent.").waitFor();
    await ada.dialog.getByRole("button", { name: "Close" }).last().click();
    await teacher.button("Report").click();
    const written = teacher.dialog.getByText("“2” is mine, é, 🎵");
    await eventually(
      "the reflection in the report",
      async () => {
        await teacher.dialog.getByRole("button", { name: "Bring up to date" }).click();
        return written.count();
      },
      (count) => count === 1,
    );
    await teacher.dialog.getByText("Ada · Mood 5 of 5").waitFor();
    await teacher.dialog.getByRole("button", { name: "Close" }).click();
  });

  test("at the end everybody is told, and the report has what was played", async () => {
    await teacher.endLesson();
    for (const student of [ada, ben, cem]) {
      await student.page.getByRole("heading", { name: "The class is over. Thank you for playing!" }).waitFor();
      await student.speaksHuman();
    }
    await projector.page.getByRole("heading", { name: "The class is over." }).waitFor();
    await ada.reads("Your teacher has your reflection.");
    const report = teacher.region("Lesson report");
    const refresh = report.getByRole("button", { name: "Bring up to date" });
    await eventually(
      "a report with all notes",
      async () => {
        await refresh.click();
        return reportedNotes(report);
      },
      (notes) => JSON.stringify(notes) === JSON.stringify({ ...played, Dora: 0 }),
    );
    const sum = Object.values(played).reduce((one, other) => one + other);
    await report.getByText(new RegExp(`, 4 students, ${sum} notes\\.`)).waitFor();
    await report
      .getByText("Had no turn")
      .waitFor({ state: "attached" })
      .catch(() => {});
    await report.getByText("“2” is mine").waitFor();
  });

  /** The column of notes, by name. */
  async function reportedNotes(report) {
    const rows = await report
      .locator("table.figures tbody tr")
      .evaluateAll((lines) => lines.map((line) => [line.cells[0].textContent, Number(line.cells[2].textContent)]));
    return Object.fromEntries(rows.sort(([one], [other]) => one.localeCompare(other)));
  }

  test("the report is saved as a table and opens as a page to print", async () => {
    const report = teacher.region("Lesson report");
    const saved = teacher.page.waitForEvent("download");
    await report.getByRole("button", { name: "Download as table (CSV)" }).click();
    const file = await saved;
    assert.equal(file.suggestedFilename(), `${code}-participation.csv`);
    const [head, ...lines] = (await readFile(await file.path(), "utf8")).trim().split(/\r?\n/);
    const columns = cellsOf(head.replace(/^\uFEFF/, ""));
    const [name, notes] = [columns.indexOf("name"), columns.indexOf("notes")];
    assert.ok(name >= 0 && notes >= 0, head);
    const figures = Object.fromEntries(lines.map(cellsOf).map((cells) => [cells[name], Number(cells[notes])]));
    assert.deepEqual(figures, { ...played, Dora: 0 });

    const written = teacher.page.waitForEvent("download");
    await report.getByRole("button", { name: "Download reflections (CSV)" }).click();
    assert.match(await readFile(await (await written).path(), "utf8"), /is mine, é, 🎵/);

    const opened = teacher.context.waitForEvent("page");
    await report.getByRole("button", { name: "Page to print" }).click();
    const printed = await opened;
    const watch = new Watch(printed, server.url);
    for (const text of ["Ada", "Ben", "Cem"]) await printed.getByText(text, { exact: true }).first().waitFor();
    const table = printed.getByRole("table").first();
    // Its style is put in by the page that opened it: that takes a moment.
    await eventually(
      "the printed page's style",
      () => table.evaluate((element) => getComputedStyle(element).borderCollapse),
      (style) => style === "collapse",
    );
    watch.assertQuiet("the printed page");
    await printed.close();
  });

  /** A line of a table in which every text is in quotes and none has a quote in it. */
  function cellsOf(line) {
    return line.split(",").map((cell) => cell.replace(/^"|"$/g, ""));
  }

  test("nothing went wrong unseen, and no page asked another host for anything", () => {
    for (const [who, person] of Object.entries({ teacher, ada, ben, cem, projector })) person.watch.assertQuiet(who);
  });
});
