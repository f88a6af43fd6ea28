// What the student's page weighs on the wire, and when sound is loaded.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Browser, PHONE } from "../harness/browser.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";
import { eventually } from "../harness/wait.mjs";

const LIMIT = 150 * 1024;
const INSTRUMENT = /\/assets\/instrument-/;

let server, browser, code;
before(async () => {
  server = await Server.start({ command: "dev", args: ["--no-browser"] });
  browser = await Browser.launch();
  const { token } = (await call(server, "GET", "/dev/token?role=teacher&sub=teacher")).json;
  code = await makeRoom(server, { bpm: 120 }, token);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** All that came over the wire for a page: address → bytes with headers, how it was packed, what it is. */
async function wireOf(page) {
  const files = new Map();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  const addresses = new Map();
  cdp.on("Network.responseReceived", ({ requestId, response }) => addresses.set(requestId, response));
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const response = addresses.get(requestId);
    if (!response?.url.startsWith("http")) return;
    files.set(new URL(response.url).pathname, {
      bytes: encodedDataLength,
      packed: response.headers["content-encoding"] ?? "",
      type: response.mimeType,
    });
  });
  return files;
}

const sum = (files) => [...files.values()].reduce((all, { bytes }) => all + bytes, 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

test("the whole page, with sound, is at most 150 KiB on the wire, and the instrument comes with the first gesture", async () => {
  const student = await browser.student(server, PHONE);
  const files = await wireOf(student.page);
  await student.page.goto(`${server.url}/?room=${code}`, { waitUntil: "networkidle" });
  const before = sum(files);
  console.log(`at the door: ${kib(before)} in ${files.size} files`);
  for (const path of files.keys()) assert.doesNotMatch(path, INSTRUMENT, "no sound before a gesture");
  await student.nameField.fill("Ada");
  await student.button("Join").tap();
  await student.isIn();
  await eventually(
    "the instrument",
    () => student.page.title(),
    () => [...files.keys()].some((path) => INSTRUMENT.test(path)),
  );
  await student.page.waitForLoadState("networkidle");
  const instrument = [...files].find(([path]) => INSTRUMENT.test(path))[1].bytes;
  console.log(`with sound: ${kib(sum(files))}, of which the instrument ${kib(instrument)}`);
  for (const [path, { bytes, packed, type }] of [...files].sort(([, one], [, other]) => other.bytes - one.bytes)) {
    console.log(`  ${kib(bytes).padStart(10)}  ${packed.padEnd(4)}  ${path}`);
    if (/javascript|css|html|svg/.test(type)) assert.equal(packed, "gzip", `${path} is not compressed`);
  }
  assert.ok(sum(files) <= LIMIT, `${kib(sum(files))} are more than ${kib(LIMIT)}`);
  student.watch.assertQuiet("Ada");
  await browser.dismiss(student);
});

test("who comes in without a gesture, by the school's link, has no instrument before the first one", async () => {
  const { token } = (await call(server, "GET", "/dev/token?role=student&sub=ben")).json;
  const student = await browser.student(server);
  const files = await wireOf(student.page);
  await student.page.goto(`${server.url}/?room=${code}#token=${token}`, { waitUntil: "networkidle" });
  await student.button("Turn sound on and play").waitFor();
  for (const path of files.keys()) assert.doesNotMatch(path, INSTRUMENT, "no sound before a gesture");
  await student.button("Turn sound on and play").click();
  await eventually(
    "the instrument",
    () => student.page.title(),
    () => [...files.keys()].some((path) => INSTRUMENT.test(path)),
  );
  await student.button("Turn sound on and play").waitFor({ state: "detached" });
  student.watch.assertQuiet("Ben");
});

test("what never changes is kept by the browser; a second visit asks for almost nothing", async () => {
  const student = await browser.student(server);
  await student.page.goto(`${server.url}/`, { waitUntil: "networkidle" });
  const files = await wireOf(student.page);
  await student.page.goto(`${server.url}/?again`, { waitUntil: "networkidle" });
  console.log(`a second visit: ${kib(sum(files))}`);
  assert.ok(sum(files) < 5 * 1024, kib(sum(files)));
});
