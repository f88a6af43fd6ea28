// axe finds nothing on any page, in any state, in both themes and at phone size; and nothing large flashes too often.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { violations } from "../harness/axe.mjs";
import { Browser, DESK, PHONE } from "../harness/browser.mjs";
import { call } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { story } from "../harness/story.mjs";
import { span } from "../harness/wait.mjs";

const LOOKS = [
  ["light", DESK.viewport],
  ["dark", DESK.viewport],
  ["dark", PHONE.viewport],
  ["light", PHONE.viewport],
];

let server, browser, token;
before(async () => {
  server = await Server.start({ command: "dev", args: ["--no-browser"] });
  browser = await Browser.launch();
  token = (await call(server, "GET", "/dev/token?role=teacher&sub=teacher")).json.token;
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function isAccessible({ page }, state) {
  for (const [colorScheme, viewport] of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    assert.deepEqual(await violations(page), [], `${state}, ${colorScheme}, ${viewport.width} px wide`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${state} is ${wide} px wider than ${viewport.width} px`);
  }
  await page.setViewportSize(DESK.viewport);
}

describe("axe", () => {
  const test = story();
  let teacher, student, code;

  test("at the doors", async () => {
    teacher = await browser.teacher(server);
    student = await browser.student(server);
    await student.open("/");
    await student.codeField.waitFor();
    await isAccessible(student, "the door");
    await student.button("Join").click();
    await student.isTold("Write the digits on the board first.");
    await isAccessible(student, "the door with a message");
    code = await teacher.makeRoom();
    await teacher.button("All rooms").click();
    await teacher.page.getByRole("link", { name: code }).waitFor();
    await isAccessible(teacher, "the rooms");
  });

  test("in the teacher's lesson and its dialogs", async () => {
    await teacher.page.getByRole("link", { name: code }).click();
    await teacher.code();
    await isAccessible(teacher, "an empty room");
    await student.followLink(code, "Ada");
    await student.isIn();
    await teacher.start();
    await teacher.cell(2, "Ada").click();
    await teacher.button("Mute Ada").click();
    await student.button("Raise hand").click();
    await teacher.button("Lower Ada’s hand").waitFor();
    await teacher.page.getByText("Metre and ramp").click();
    await isAccessible(teacher, "the lesson");
    const dialogs = {
      settings: () => teacher.button("Settings").click(),
      shortcuts: () => teacher.page.keyboard.press("?"),
      report: () => teacher.button("Report").click(),
      removal: () => teacher.button("Remove Ada").click(),
      section: () => teacher.choosesRole("Ada", "New section…"),
      end: () => teacher.button("End lesson").click(),
    };
    for (const [name, open] of Object.entries(dialogs)) {
      await open();
      await teacher.dialog.waitFor();
      await isAccessible(teacher, `the dialog: ${name}`);
      await teacher.page.keyboard.press("Escape");
      await teacher.dialog.waitFor({ state: "detached" });
    }
  });

  test("in the student's lesson, muted and free, and on the projector", async () => {
    await isAccessible(student, "the student, muted");
    await teacher.button("Unmute Ada").click();
    await student.standing.getByText("You are muted").waitFor({ state: "detached" });
    await isAccessible(student, "the student");
    await student.button("How was it?").click();
    await isAccessible(student, "the reflection");
    await student.page.keyboard.press("Escape");
    const projector = await teacher.openProjector();
    await projector.page.getByText("Ada").waitFor();
    await isAccessible(projector, "the projector");
  });

  test("live regions are there before anything is said in them", async () => {
    assert.ok((await student.page.getByRole("status").count()) >= 4);
    assert.ok((await teacher.page.getByRole("status").count()) >= 3);
  });

  test("at the end, with the report", async () => {
    await teacher.endLesson();
    await teacher.region("Lesson report").getByRole("table").waitFor();
    await isAccessible(teacher, "the teacher's end");
    await student.page.getByRole("heading", { name: /^The class is over/ }).waitFor();
    await isAccessible(student, "the student's end");
  });
});

describe("what flashes", () => {
  /** Starts of animations, and changes of colour, of anything that is larger than a hundredth of the window. */
  async function flashes(bpm, { options, before: prepare } = {}) {
    const { json } = await call(server, "POST", "/api/music/rooms", { token, body: { bpm, autostart: true } });
    const student = await browser.student(server, options);
    await student.followLink(json.room_id, "Ada");
    await student.isIn();
    await prepare?.(student);
    await student.knows(({ playing }) => playing);
    // What began before the switch was turned may end.
    if (prepare)
      await student.until(() => document.getAnimations().every(({ effect }) => !effect.target.closest(".beat")));
    await student.page.evaluate(() => {
      globalThis.flashes = [];
      const colours = new Map();
      const begun = new WeakSet();
      const isLarge = (element) => {
        const { width, height } = element.getBoundingClientRect();
        return width * height > 0.01 * innerWidth * innerHeight;
      };
      const look = () => {
        const now = performance.now();
        for (const animation of document.getAnimations())
          if (!begun.has(animation) && isLarge(animation.effect.target)) {
            begun.add(animation);
            globalThis.flashes.push({ now, what: `${animation.effect.target.className} moves` });
          }
        for (const element of document.querySelectorAll(".beat, .beat *")) {
          const { backgroundColor, backgroundImage } = getComputedStyle(element);
          const colour = `${backgroundColor} ${element.className === "beat-glow" ? "" : backgroundImage}`;
          const old = colours.get(element);
          colours.set(element, colour);
          if (old !== undefined && old !== colour && isLarge(element))
            globalThis.flashes.push({ now, what: `${element.className} changes colour` });
        }
        requestAnimationFrame(look);
      };
      look();
    });
    await span(2_500);
    const found = await student.page.evaluate(() => globalThis.flashes);
    await browser.dismiss(student);
    return found;
  }

  const mostInASecond = (found) => {
    const perThing = group(found);
    const most = ([...all]) =>
      Math.max(0, ...all.map(({ now }) => all.filter((other) => other.now >= now && other.now < now + 1_000).length));
    return Math.max(0, ...[...perThing.values()].map(most));
  };
  const group = (found) => {
    const groups = new Map();
    for (const one of found) groups.set(one.what, [...(groups.get(one.what) ?? []), one]);
    return groups;
  };

  test("at 120 the large disc pulses, never more than three times a second", async () => {
    const found = await flashes(120);
    console.log(`at 120: ${JSON.stringify([...group(found)].map(([what, all]) => [what, all.length]))}`);
    assert.ok(found.length >= 3, "this test sees what flashes");
    assert.ok(mostInASecond(found) <= 3, JSON.stringify(found));
  });

  test("above 180 nothing large flashes", async () => {
    assert.deepEqual(await flashes(240), []);
  });

  test("with reduced motion, and with the switch, nothing large moves at all", async () => {
    assert.deepEqual(await flashes(120, { options: { reducedMotion: "reduce" } }), []);
    const switched = async (student) => {
      await student.button("Settings").click();
      await student.dialog.getByLabel("No flashing").check();
      await student.page.keyboard.press("Escape");
      await student.dialog.waitFor({ state: "detached" });
    };
    assert.deepEqual(await flashes(120, { before: switched }), []);
  });
});
