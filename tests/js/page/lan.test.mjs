// `dev --lan`: the class's own devices open the page by this machine's address on the network.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { Browser, PHONE } from "../harness/browser.mjs";
import { speaksHuman } from "../harness/pages.mjs";
import { freePort } from "../harness/ports.mjs";
import { Server } from "../harness/server.mjs";

const address = Object.values(networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

describe("dev --lan", { skip: address ? false : "this machine is in no network" }, () => {
  let server, browser, outside;
  before(async () => {
    server = new Server({ command: "dev", args: ["--no-browser", "--lan"] });
    const port = await freePort();
    server.listen = `0.0.0.0:${port}`;
    await server.launch();
    server.listen = `127.0.0.1:${port}`;
    server.url = `http://127.0.0.1:${port}`;
    outside = { url: `http://${address}:${port}` };
    browser = await Browser.launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("a student's phone joins by the address on the network, and plays", async () => {
    const teacher = await browser.teacher(server);
    const code = await teacher.makeRoom();
    const student = await browser.student(outside, PHONE);
    await student.followLink(code, "Ada");
    await student.isIn();
    await student.takeNotes();
    await teacher.start();
    await student.key("C4").tap();
    await student.hears(60, student.id);
    await student.until(() => globalThis.seen.beats.some(({ beat }) => beat >= 2));
    await student.knows(({ clock }) => clock.quality === "good");
    const link = await teacher.region("Students join with").getByRole("link").getAttribute("href");
    assert.equal(link, `${outside.url}/?room=${code}`, "the link that the class gets is one that leads here");
    for (const person of [teacher, student]) person.watch.assertQuiet("on the network");
  });

  test("the teacher's page opened from there says what is needed", async () => {
    const person = await browser.teacher(outside);
    await person.open("/?role=teacher");
    await person.page.getByRole("heading", { name: /^The teacher’s page needs a teacher’s link/ }).waitFor();
    await speaksHuman(person.page);
    person.watch.assertQuiet("the stranger", /status of 40[34]/);
  });
});
