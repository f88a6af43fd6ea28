// A real Chromium, and the people who sit before it: each in a browser context of their own, as on a device of their own.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { Projector, Student, Teacher } from "./pages.mjs";
import { PATIENCE_MS } from "./wait.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
export const TABLET = { viewport: { width: 820, height: 1180 }, hasTouch: true };
export const DESK = { viewport: { width: 1280, height: 900 } };

/** The browser under the tests: `DOWNBEAT_CHROMIUM`, else what is in PATH. */
export function chromiumPath() {
  const inPath = (process.env.PATH ?? "").split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  const found = [process.env.DOWNBEAT_CHROMIUM, ...inPath].find((path) => path && isProgram(path));
  assert.ok(found, "no Chromium to test the page with: install Debian's `chromium`, or set DOWNBEAT_CHROMIUM");
  return found;
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export class Browser {
  /** Sound is as blocked as on anybody's machine: it starts by a click, unless `args` say otherwise. */
  static async launch({ args = [] } = {}) {
    const chrome = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox", ...args] });
    return new Browser(chrome);
  }

  constructor(chrome) {
    this.chrome = chrome;
    this.people = [];
  }

  /** A device: a context with nothing in it, which speaks English and is light, unless `options` say otherwise. */
  async device(options = {}) {
    const context = await this.chrome.newContext({ locale: "en-GB", colorScheme: "light", ...DESK, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  }

  /** @param {{url: string}} server whose page it is */
  async teacher(server, options) {
    return this.seat(new Teacher(server, await this.device(options)));
  }

  async student(server, options) {
    return this.seat(new Student(server, await this.device(options)));
  }

  async projector(server, options) {
    return this.seat(new Projector(server, await this.device(options)));
  }

  async seat(person) {
    await person.sitDown();
    this.people.push(person);
    return person;
  }

  /** One person goes home. */
  async dismiss(person) {
    this.people = this.people.filter((other) => other !== person);
    await person.context.close();
  }

  async close() {
    await this.chrome.close();
  }
}
