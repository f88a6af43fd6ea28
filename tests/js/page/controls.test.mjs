// Every control that the protocol gives a teacher is on the teacher's page, and is taken by the server.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Browser } from "../harness/browser.mjs";
import { Server } from "../harness/server.mjs";
import { eventually } from "../harness/wait.mjs";

/** The rows of the protocol's table that are for teachers. */
function controlsOfTheProtocol() {
  const document = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const rows = document.split("\n").filter((line) => /^\| `.*\| teacher[^|]*\|[^|]*\|$/.test(line));
  // What follows the events' own colon says what their values may be.
  const events = rows.map((row) => row.split("|")[1].split("`:")[0] + "`");
  return events.flatMap((cell) => [...cell.matchAll(/`([a-z_]+)[ `]/g)].map(([, event]) => event));
}

/** What a page pushes, with the server's answer. */
class Pushes {
  constructor(page) {
    this.sent = new Map();
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => this.#add(payload));
      socket.on("framereceived", ({ payload }) => this.#answer(payload));
    });
  }

  #add(payload) {
    const [, ref, , event, given] = JSON.parse(payload);
    this.sent.set(ref, { event, given, status: null });
  }

  #answer(payload) {
    if (typeof payload !== "string") return;
    const [, ref, , event, { status }] = JSON.parse(payload);
    if (event === "phx_reply" && this.sent.has(ref)) this.sent.get(ref).status = status;
  }

  /** The payloads of all that were taken, by event. */
  taken(event) {
    return [...this.sent.values()]
      .filter((push) => push.event === event && push.status === "ok")
      .map(({ given }) => given);
  }
}

let server, browser, teacher, student, pushes;
before(async () => {
  server = await Server.start({ command: "dev", args: ["--no-browser"] });
  browser = await Browser.launch();
  teacher = await browser.teacher(server);
  pushes = new Pushes(teacher.page);
  const code = await teacher.makeRoom();
  student = await browser.student(server);
  await student.followLink(code, "Ada");
  await student.isIn();
  await teacher.row("Ada").waitFor();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** What each control is reached by; the last ones end the lesson. */
const REACHED = {
  async start_clock() {
    await teacher.start({ countIn: "2 bars" });
    await teacher.button("Stop").click();
    await teacher.button("Go on").click();
    await teacher.button("Stop").waitFor();
  },
  async set_tempo() {
    for (const [when, bpm] of Object.entries({ "at once": 100, "on the next beat": 110, "on the next bar": 120 })) {
      await teacher.page.getByLabel("Changes take effect").selectOption({ label: when });
      await teacher.page.getByLabel("Tempo in beats a minute").fill(String(bpm));
      await teacher.page.getByLabel("Tempo in beats a minute").press("Enter");
      await teacher.knows(({ bpm: now }, wanted) => now === wanted, bpm);
    }
  },
  async reset_clock() {
    await teacher.button("Back to bar 1").click();
  },
  async stop_clock() {
    await teacher.button("Stop").click();
  },
  async set_meter() {
    await teacher.page.getByText("Metre and ramp").click();
    await teacher.page.getByLabel("Beats per bar").fill("3");
    await teacher.button("Set metre").click();
  },
  async ramp_tempo() {
    await teacher.page.getByLabel("Ramp to tempo").fill("140");
    await teacher.button("Start ramp").click();
  },
  async mute_student() {
    await teacher.button("Mute Ada").click();
  },
  async unmute_student() {
    await teacher.button("Unmute Ada").click();
    await teacher.button("Mute Ada").waitFor();
  },
  async mute_all() {
    await teacher.button("Mute all").click();
  },
  async unmute_all() {
    await teacher.button("Unmute all").click();
  },
  async assign_beat() {
    await teacher.cell(1, "Ada").click();
    await teacher.cell(3, "Ada").click();
  },
  async clear_beat() {
    await teacher.button("Clear beat 3").click();
  },
  async clear_beats() {
    await teacher.button("Clear all beats").click();
    await teacher.knows(({ assignments }) => assignments.size === 0);
    await teacher.button("One beat each").click();
    await teacher.knows(({ assignments }) => assignments.get(1)?.length === 1);
  },
  async assign_role() {
    for (const role of ["Solo", "Listens", "Co-teacher", "Plays along"]) await teacher.choosesRole("Ada", role);
  },
  async lock_room() {
    await teacher.button("Lock room").click();
  },
  async unlock_room() {
    await teacher.button("Unlock room").click();
    await teacher.button("Lock room").waitFor();
  },
  async remove_student() {
    await teacher.button("Remove Ada").click();
    await teacher.dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await student.page.getByRole("heading", { name: "The teacher has taken you out of this class." }).waitFor();
  },
  async close_room() {
    await teacher.endLesson();
  },
};

test("the protocol's table of the teacher's controls is what this test knows", () => {
  const listed = controlsOfTheProtocol();
  console.log(`the teacher's controls: ${listed.join(", ")}`);
  assert.deepEqual([...listed].sort(), Object.keys(REACHED).sort());
});

for (const [event, reach] of Object.entries(REACHED)) {
  test(`${event} is on the teacher's page`, async () => {
    await reach();
    await eventually(
      `the server's ok to ${event}`,
      () => teacher.page.title(),
      () => pushes.taken(event).length > 0,
    );
  });
}

test("with all that can be chosen", () => {
  assert.deepEqual(pushes.taken("start_clock").slice(0, 2), [{ count_in: 8 }, { resume: true }]);
  assert.deepEqual(
    pushes.taken("set_tempo").map(({ at }) => at),
    ["now", "beat", "bar"],
  );
  assert.deepEqual(
    pushes.taken("assign_role").map(({ role }) => role),
    ["soloist", "listener", "co_teacher", "none"],
  );
  teacher.watch.assertQuiet("the teacher");
});
