// The pages in every language: nothing is left in English, and the choice stays.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Browser } from "../harness/browser.mjs";
import { call } from "../harness/rest.mjs";
import { Server } from "../harness/server.mjs";

/** What is the same in every language: names, and signs of music. */
const SAME = /^(Downbeat|MUSIC|Ada|Rondo|English|Español|Deutsch|bpm|midi|solo|tempo|[\W\d_]*)$/i;

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

/** Everything that a page says to eyes and to screen readers, one entry for each text and each name. */
function texts(page) {
  return page.evaluate(() => {
    const said = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      if (!walker.currentNode.parentElement.closest("noscript")) said.add(walker.currentNode.data.trim());
    for (const name of ["aria-label", "title", "placeholder", "alt"])
      for (const element of document.querySelectorAll(`[${name}]`)) said.add(element.getAttribute(name).trim());
    return [...said];
  });
}

/** The main screens in one language, by name; without words of English in the way there. */
async function screens(lang) {
  const { json: room } = await call(server, "POST", "/api/music/rooms", { token, body: { name: "Rondo", bpm: 120 } });
  const code = room.room_id;
  const [teacher, student] = await Promise.all([browser.teacher(server), browser.student(server)]);
  const found = {};
  const take = async (name, { page }) => {
    assert.equal(await page.locator("html").getAttribute("lang"), lang, name);
    found[name] = await texts(page);
  };
  const open = (person, path) => person.open(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`);

  await open(teacher, "/?role=teacher");
  await teacher.page.locator(".room-list li").first().waitFor();
  await take("the rooms", teacher);
  await open(teacher, `/?role=teacher&room=${code}`);
  await open(student, `/?room=${code}`);
  await student.page.locator("form button").waitFor();
  await take("the door", student);
  await student.page.locator("input[autocomplete=given-name]").fill("Ada");
  await student.page.locator("form button").click();
  await student.page.locator(".piano").waitFor();
  await teacher.page.locator(".roster-row").waitFor();
  await teacher.page.locator("summary").click();
  await take("the student's lesson", student);
  await take("the teacher's lesson", teacher);
  for (const [name, at] of [
    ["the shortcuts", 2],
    ["the report", 1],
  ]) {
    await teacher.page.locator("header button").nth(at).click();
    await teacher.page.locator("dialog").waitFor();
    if (name === "the report") await teacher.page.locator("dialog .report").waitFor();
    await take(name, teacher);
    await teacher.page.keyboard.press("Escape");
    await teacher.page.locator("dialog").waitFor({ state: "detached" });
  }
  await student.page.locator("header button").last().click();
  await student.page.locator("dialog").waitFor();
  await take("the settings", student);
  await student.page.keyboard.press("Escape");
  await student.page.locator(".student-actions button").last().click();
  await student.page.locator("dialog form").waitFor();
  await take("the reflection", student);
  await call(server, "POST", `/api/music/rooms/${code}/actions/close_room`, { token, body: {} });
  await student.page.locator("#ended-why").waitFor();
  await take("the end", student);
  await teacher.page.locator(".report").waitFor();
  await take("the teacher's end", teacher);
  for (const person of [teacher, student]) {
    person.watch.assertQuiet(lang);
    await browser.dismiss(person);
  }
  return found;
}

for (const lang of ["es", "de"]) {
  test(`no English is left in ${lang}`, async () => {
    english ??= await screens("en");
    const translated = await screens(lang);
    for (const [screen, said] of Object.entries(translated)) {
      const left = said.filter((text) => english[screen].includes(text) && !isSame(text));
      assert.ok(said.length >= 4, `${screen} says something`);
      assert.deepEqual(left, [], `${screen}, in ${lang}`);
    }
  });
}
let english;

const isSame = (text) =>
  text
    .replace(/MUSIC-\d+|https?:\S+|127\.0\.0\.1\S*|\b[A-Z]♯?\d?\b/g, "")
    .split(/[\s:,·-]+/)
    .every((word) => SAME.test(word));

test("a language that is chosen in the settings is there at once, on the document too, and stays", async () => {
  const student = await browser.student(server);
  await student.open("/");
  assert.equal(await student.page.locator("html").getAttribute("lang"), "en");
  await student.button("Settings").click();
  await student.page.getByLabel("Language").selectOption({ label: "Español" });
  await student.until(() => document.documentElement.lang === "es");
  await student.page.getByLabel("Idioma").waitFor();
  await student.page.reload();
  await student.button("Ajustes").waitFor();
  assert.equal(await student.page.locator("html").getAttribute("lang"), "es");
});

test("the browser's own language is taken, also one with a country", async () => {
  const student = await browser.student(server, { locale: "de-AT" });
  await student.open("/");
  await student.button("Einstellungen").waitFor();
  assert.equal(await student.page.locator("html").getAttribute("lang"), "de");
});
