// Every failure in human words: at the door, in the room, and where the network or the server is away.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Balancer } from "../harness/balancer.mjs";
import { Browser } from "../harness/browser.mjs";
import { speaksHuman } from "../harness/pages.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { inSeconds, studentToken, teacherToken } from "../harness/token.mjs";

/** What Chromium writes for answers that the tests bring about. */
const REFUSED = /status of (401|403|404|409|429)/;
const AWAY = /net::ERR_|WebSocket connection|status of 5/;

let browser;
before(async () => {
  browser = await Browser.launch();
});
after(() => browser?.close());

/** A heading that says how it is, and nothing else that only programmers read. */
async function heads(person, text) {
  await person.page.getByRole("heading", { name: text }).waitFor();
  await speaksHuman(person.page);
}

describe("on a server for everybody, `downbeat dev`", () => {
  let server, wire, token;
  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    wire = await Balancer.start(() => [Number(server.listen.split(":")[1])]);
    token = (await call(server, "GET", "/dev/token?role=teacher&sub=teacher")).json.token;
  });
  after(async () => {
    await wire?.stop();
    await server?.stop();
  });
  const room = (settings = {}) => makeRoom(server, { bpm: 120, ...settings }, token);
  const act = async (code, action, body = {}) => {
    const { status, text } = await call(server, "POST", `/api/music/rooms/${code}/actions/${action}`, { token, body });
    assert.ok(status < 300, text);
  };
  const one = async (doing, options) => {
    const student = await browser.student(options?.server ?? server, options);
    await doing(student);
    student.watch.assertQuiet("the student", options?.expected ?? REFUSED);
    await browser.dismiss(student);
  };

  test("nothing written, and a wrong code", () =>
    one(async (student) => {
      await student.open("/");
      await student.button("Join").click();
      await student.isTold("Write the digits on the board first.");
      await student.codeField.fill("0000");
      await student.nameField.fill("   ");
      await student.button("Join").click();
      await student.isTold("Write your name first.");
      await student.nameField.fill("Ada");
      await student.button("Join").click();
      await student.isTold("There is no class with this code. Look at the board again.");
      assert.equal(await student.codeField.inputValue(), "0000", "what was written stays");
      assert.equal(await student.nameField.inputValue(), "Ada");
    }));

  test("a room that is full", async () => {
    const code = await room({ max_students: 1 });
    await one(async (first) => {
      await first.followLink(code, "Ada");
      await first.isIn();
      await one(async (second) => {
        await second.followLink(code, "Ben");
        await second.isTold("This class is full.");
      });
    });
  });

  test("a room that is closed; and the way on", async () => {
    const code = await room();
    await one(async (student) => {
      await student.followLink(code, "Ada");
      await student.isIn();
      await act(code, "close_room");
      await heads(student, "The class is over. Thank you for playing!");
      await student.button("Join another class").click();
      await student.codeField.waitFor();
      assert.equal(await student.codeField.inputValue(), "");
    });
  });

  test("leaving, and coming back as the same person", async () => {
    const code = await room();
    await one(async (student) => {
      await student.followLink(code, "Ada");
      const { id } = await student.isIn();
      await student.button("Leave").click();
      await heads(student, "You have left the class.");
      await student.button("Back into the class").click();
      assert.equal((await student.isIn()).id, id);
      await student.page.reload();
      assert.equal((await student.isIn()).id, id, "after a reload too");
    });
  });

  test("offline: the page says so and plays on; and says nothing more when it is back", async () => {
    const code = await room({ bpm: 150 });
    await act(code, "start_clock");
    await one(
      async (student) => {
        await student.followLink(code, "Ada");
        await student.isIn();
        await student.knows(({ clock, playing }) => playing && clock.uncertaintyMs < 1_000);
        wire.sever();
        await student.reads("The connection is gone. The beat goes on; trying to come back…");
        await student.takeNotes();
        await student.until(() => globalThis.seen.beats.length >= 4);
        const beats = (await student.seen()).beats.map(({ beat }) => beat);
        assert.deepEqual(
          beats,
          beats.map((_, i) => beats[0] + i),
          "each beat, without the network",
        );
        assert.equal(await student.refusal("playNote", 60), "offline");
        await student.key("C4").click();
        await student.page.getByText("Offline", { exact: true }).waitFor();
        await speaksHuman(student.page);
        wire.heal();
        await student.page.getByText("Connected", { exact: true }).waitFor();
        await student.page.getByText("The connection is gone.").waitFor({ state: "detached" });
        assert.equal(await student.refusal("playNote", 60), null);
      },
      { server: wire, expected: AWAY },
    );
  });

  test("a network so slow that early and late cannot be told: the clock is called uncertain", async () => {
    const code = await room();
    wire.delayMs = 150;
    await one(
      async (student) => {
        await student.followLink(code, "Ada");
        await student.isIn();
        await student.page.getByText(/Clock uncertain, ± \d+ ms$/).waitFor();
      },
      { server: wire },
    );
    wire.delayMs = 0;
  });

  test("sound that the device takes away: the page says so, and one press brings it back", async () => {
    const code = await room();
    await one(async (student) => {
      await student.context.addInitScript(() => {
        globalThis.contexts = [];
        const Original = globalThis.AudioContext;
        globalThis.AudioContext = class extends Original {
          constructor(...given) {
            super(...given);
            globalThis.contexts.push(this);
          }
        };
      });
      await student.followLink(code, "Ada");
      await student.isIn();
      await student.until(() => globalThis.contexts.length === 1 && globalThis.contexts[0].state === "running");
      await student.page.getByRole("button", { name: "Sound", pressed: true }).waitFor();
      await student.page.evaluate(() => globalThis.contexts[0].suspend());
      await student.reads("The browser keeps the sound off. Press anywhere on the page to hear it.");
      await speaksHuman(student.page);
      await student.page.getByRole("heading", { name: "Class" }).click();
      await student.until(() => globalThis.contexts[0].state === "running");
      await student.page.getByText("The browser keeps the sound off.").waitFor({ state: "detached" });
    });
  });

  test("a projector without a room says what it needs", () =>
    one(async (person) => {
      await person.open("/?role=projector");
      await heads(person, "The projector needs a room: open it from the teacher’s page.");
    }));

  test("the teacher's page of a room that is not there", () =>
    one(async (person) => {
      await person.open("/?role=teacher&room=MUSIC-0000");
      await heads(person, "There is no class with this code. Look at the board again.");
      await person.button("All rooms").click();
      await person.page.getByRole("heading", { name: "Your rooms" }).waitFor();
    }));

  test("a part of the page does not come: it says so, and tries again when asked", async () => {
    const student = await browser.student(server);
    await student.page.route(/student_page.*\.js/, (route) => route.abort());
    await student.open("/");
    await heads(student, "Downbeat cannot be reached. Is it still running, and are you on the same network?");
    await student.page.unroute(/student_page.*\.js/);
    await student.button("Try again").click();
    await student.nameField.waitFor();
    student.watch.assertQuiet("the student", AWAY);
    await browser.dismiss(student);
  });

  test("the server is away: at the door, in the list and in the room; and all goes on when it is back", async () => {
    const [teacher, inside, outside] = await Promise.all([
      browser.teacher(server),
      browser.student(server),
      browser.student(server),
    ]);
    const code = await teacher.makeRoom();
    await inside.followLink(code, "Ada");
    await inside.isIn();
    await outside.open(`/?room=${code}`);
    await outside.nameField.waitFor();
    await server.kill();
    for (const person of [teacher, inside])
      await person.reads("The connection is gone. The beat goes on; trying to come back…");
    await teacher.button("Lock room").click();
    await teacher.reads("The connection is gone, so this did not get through. Try again in a moment.");
    await outside.nameField.fill("Ben");
    await outside.button("Join").click();
    await outside.isTold("Downbeat cannot be reached. Is it still running, and are you on the same network?");
    await teacher.button("All rooms").click();
    await teacher.page.getByRole("alert").getByText("Downbeat cannot be reached.").waitFor();
    for (const person of [teacher, inside]) await speaksHuman(person.page);
    await server.launch();
    await inside.page.getByText("Connected", { exact: true }).waitFor();
    await outside.button("Join").click();
    await outside.isIn();
    await teacher.button("Look again").click();
    await teacher.page.getByRole("link", { name: code }).click();
    await teacher.page.getByRole("heading", { name: "Class of 2" }).waitFor();
    for (const person of [teacher, inside, outside]) {
      person.watch.assertQuiet("a page without its server", AWAY);
      await browser.dismiss(person);
    }
  });
});

describe("on a school's server, where nobody comes in without an account", () => {
  let server, code;
  before(async () => {
    server = await Server.start();
    code = await makeRoom(server, { bpm: 120 });
  });
  after(() => server?.stop());
  const open = async (path, doing) => {
    const person = await browser.student(server);
    await person.open(path);
    await doing(person);
    person.watch.assertQuiet("the page", REFUSED);
    await browser.dismiss(person);
  };

  test("a guest is told to take the school's link", () =>
    open(`/?room=${code}`, async (student) => {
      await student.nameField.fill("Ada");
      await student.button("Join").click();
      await student.isTold("This school lets in nobody without an account. Use the link that your school gave you.");
    }));

  test("the teacher's page without a teacher's link says what is needed", () =>
    open("/?role=teacher", (person) => heads(person, /^The teacher’s page needs a teacher’s link/)));

  test("a teacher's link that has run out says so", () =>
    open(`/?role=teacher#token=${teacherToken("ms-lee", { exp: inSeconds(-60) })}`, (person) =>
      heads(person, /^Your pass for this class has run out/),
    ));

  test("the school's link brings a student in; when it runs out in the lesson, the page says so", () =>
    open(`/?room=${code}#token=${studentToken("ada", { name: "Ada", exp: inSeconds(14) })}`, async (student) => {
      await student.isIn();
      assert.equal(student.id, "ada");
      assert.equal(new URL(student.page.url()).hash, "", "no token in the address");
      await heads(student, /^Your pass for this class has run out/);
    }));
});
