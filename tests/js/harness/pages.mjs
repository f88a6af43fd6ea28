// The pages as people see them: everything is found by its role and its English name, as a screen reader finds it.
import assert from "node:assert/strict";
import { eventually, span } from "./wait.mjs";
import { Watch } from "./watch.mjs";

/** Between two questions to a page. */
const POLL_MS = 15;

/** Somebody with the page open, in a context of their own. */
export class Person {
  constructor(server, context) {
    this.server = server;
    this.context = context;
  }

  /** @param {import("playwright-core").Page} [page] one that is open already, such as a window that a page opened */
  async sitDown(page) {
    this.page = page ?? (await this.context.newPage());
    this.watch = new Watch(this.page, this.server.url);
  }

  async open(path) {
    await this.page.goto(new URL(path, this.server.url).href);
  }

  button(name, exact = true) {
    return this.page.getByRole("button", { name, exact });
  }

  region(name) {
    return this.page.getByRole("region", { name });
  }

  get dialog() {
    return this.page.getByRole("dialog");
  }

  /** The big beat: its name says whether it plays, `data-beat` which beat is shown. */
  get beat() {
    return this.page.getByRole("img", { name: /^(Playing|The clock is stopped)/ });
  }

  /** Waits for a sentence. */
  async reads(text) {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /**
   * Waits until something is so in the page. Asked from here again and again: Playwright's own `waitForFunction` would
   * have to evaluate text in the page, which its policy forbids.
   */
  until(isSo, arg) {
    const ask = async () => (await this.page.evaluate(isSo, arg)) || span(POLL_MS);
    return eventually(String(isSo), ask, Boolean);
  }

  /** Waits until the room as this page knows it fits: `(state, arg) => boolean`. */
  knows(fits, arg) {
    const given = JSON.stringify(arg) ?? "undefined";
    return this.until(`Boolean(globalThis.downbeatRoom && (${fits})(downbeatRoom.state, ${given}))`);
  }

  state() {
    return this.page.evaluate(() => {
      const { assignments, ...state } = globalThis.downbeatRoom.state;
      return { ...state, assignments: Object.fromEntries(assignments) };
    });
  }

  /** What the server says to a push of this page's: null, or its reason. */
  refusal(method, ...args) {
    return this.page.evaluate(
      ([name, given]) =>
        globalThis.downbeatRoom[name](...given).then(
          () => null,
          ({ code }) => code,
        ),
      [method, args],
    );
  }

  /** From now on keeps every beat as it is shown, and every note as it is heard; on one clock for all pages. */
  async takeNotes() {
    await this.page.evaluate(() => {
      const clock = () => performance.timeOrigin + performance.now();
      const big = document.querySelector(".beat");
      const seen = { beats: [], notes: [] };
      const look = () => {
        const beat = big.getAttribute("data-beat");
        if (beat !== null) seen.beats.push({ beat: Number(beat), at: clock() });
      };
      new MutationObserver(look).observe(big, { attributeFilter: ["data-beat"] });
      globalThis.downbeatRoom.onNote((note) => seen.notes.push({ ...note, at: clock() }));
      globalThis.seen = seen;
    });
  }

  /** What `takeNotes` has kept. */
  seen() {
    return this.page.evaluate(() => globalThis.seen);
  }

  async hears(midi, studentId) {
    await this.until(
      ([wanted, who]) => globalThis.seen.notes.some((note) => note.midi === wanted && note.studentId === who),
      [midi, studentId],
    );
  }
}

export class Teacher extends Person {
  /** Makes a room with the form, and gives its code. */
  async makeRoom({ name = "Tuesday band", bpm = 120, beatsPerBar = 4 } = {}) {
    await this.open("/?role=teacher");
    await this.page.getByLabel("Name of the room").fill(name);
    await this.page.getByLabel("Beats a minute", { exact: true }).fill(String(bpm));
    await this.page.getByLabel("Beats per bar").fill(String(beatsPerBar));
    await this.button("Create room").click();
    return this.code();
  }

  async enterRoom(code) {
    await this.open(`/?role=teacher&room=${code}`);
    return this.code();
  }

  /** The code as it stands on the page, for the back row. */
  async code() {
    const shown = this.region("Students join with").getByText(/^MUSIC-\d{4,6}$/);
    return (await shown.textContent()).trim();
  }

  get roster() {
    return this.region(/^Class of \d+$/);
  }

  /** A student's line in the roster. */
  row(name) {
    return this.roster.getByRole("listitem").filter({ hasText: name });
  }

  async start({ countIn = "none" } = {}) {
    await this.page.getByLabel("Count-in").selectOption({ label: countIn });
    await this.button("Start").click();
  }

  /** A beat's box of the grid. */
  cell(place, name) {
    return this.page.getByRole("checkbox", { name: `Beat ${place}, ${name}`, exact: true });
  }

  async choosesRole(name, role) {
    await this.page.getByLabel(`Role of ${name}`).selectOption({ label: role });
  }

  /** Opens the projector by its button, and gives it as a person of its own. */
  async openProjector() {
    const window = this.context.waitForEvent("page");
    await this.button("Open projector").click();
    const projector = new Projector(this.server, this.context);
    await projector.sitDown(await window);
    return projector;
  }

  async endLesson() {
    await this.button("End lesson").click();
    await this.dialog.getByRole("button", { name: "End lesson" }).click();
    await this.page.getByRole("heading", { name: "The lesson is over." }).waitFor();
  }
}

export class Student extends Person {
  get codeField() {
    return this.page.getByLabel("Room code: the digits after MUSIC");
  }

  get nameField() {
    return this.page.getByLabel("Your name");
  }

  /** By the link that the teacher shares: the code stands in the form already. */
  async followLink(code, name) {
    await this.open(`/?room=${code}`);
    await this.nameField.fill(name);
    await this.button("Join").click();
  }

  /** Types a code as it is given, and a name. */
  async type(code, name) {
    await this.open("/");
    await this.codeField.pressSequentially(code);
    await this.nameField.fill(name);
    await this.button("Join").click();
  }

  async isIn() {
    await this.page.getByRole("group", { name: /^Piano/ }).waitFor();
    this.id = await this.page.evaluate(() => globalThis.downbeatRoom.state.me.studentId);
    return this;
  }

  key(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** Where one's own playing stands: muted, listening, solo. */
  get standing() {
    return this.region("Play").getByRole("status").first();
  }

  /** The message of the form at the door. */
  async isTold(text) {
    const alert = this.page.getByRole("alert").filter({ hasText: text });
    await alert.waitFor();
    await this.speaksHuman();
  }

  /** No error code, no `undefined`: nothing on the page that only a programmer reads. */
  async speaksHuman() {
    await speaksHuman(this.page);
  }
}

export class Projector extends Person {
  async enterRoom(code, token) {
    await this.open(`/?role=projector&room=${code}#token=${token}`);
  }
}

/** @param {import("playwright-core").Page} page */
export async function speaksHuman(page) {
  const text = await page.locator("body").innerText();
  assert.doesNotMatch(text, /\b[a-z]+(_[a-z]+)+\b|undefined|\[object|NaN|HTTP \d/, "words for people");
}
