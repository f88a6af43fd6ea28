// Chromium without Playwright, for what Playwright keeps from its pages: to be really hidden behind another tab, with
// timers slowed down as for anybody, and to be frozen. (Playwright emulates the focus of all its pages.)
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import WebSocket from "ws";
import { chromiumPath } from "./browser.mjs";
import { eventually, Heard, soon, span } from "./wait.mjs";

const FLAGS = [
  ...["--headless", "--no-sandbox", "--mute-audio", "--lang=en", "--remote-debugging-port=0"],
  // Without a sound device the page's own process plays it, and loses sound when it has to stand behind all others; a
  // real device is not the page's. Timers are slowed down all the same.
  ...["--disable-renderer-backgrounding", "about:blank"],
];
const ASK_AGAIN_MS = 50;

export class Tabs {
  static async launch() {
    const tabs = new Tabs();
    tabs.dir = mkdtempSync(join(tmpdir(), "downbeat-tabs-"));
    tabs.child = spawn(chromiumPath(), [`--user-data-dir=${tabs.dir}`, ...FLAGS]);
    tabs.exited = new Promise((resolve) => tabs.child.once("close", resolve));
    const said = new Heard("chromium");
    createInterface({ input: tabs.child.stderr }).on("line", (line) => said.add(line));
    const line = await said.until("its address", (one) => one.includes("DevTools listening on"));
    tabs.socket = new WebSocket(/ws:\S+/.exec(line)[0]);
    tabs.socket.on("message", (data) => tabs.#answered(JSON.parse(data)));
    await soon("open", new Promise((resolve) => tabs.socket.once("open", resolve)));
    return tabs;
  }

  constructor() {
    this.asked = 0;
    this.waiting = new Map();
  }

  /** One command of the DevTools protocol; gives its result. */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.asked;
    const answer = new Promise((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return soon(`answer to ${method}`, answer).then(({ result, error }) => {
      assert.ok(!error, `${method}: ${JSON.stringify(error)}`);
      return result;
    });
  }

  /** A window of its own, with this page in it and an empty one that can be put before it. */
  async open({ url, script }) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const tab = await Tab.attached(this, (await this.#target("about:blank", browserContextId)).targetId);
    await tab.send("Page.enable");
    await tab.send("Page.addScriptToEvaluateOnNewDocument", { source: script });
    await tab.send("Page.navigate", { url });
    tab.cover = (await this.#target("about:blank", browserContextId)).targetId;
    await tab.show();
    return tab;
  }

  async close() {
    this.socket?.close();
    this.child.kill();
    await soon("end of chromium", this.exited);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #target(url, browserContextId) {
    return this.send("Target.createTarget", { url, browserContextId });
  }

  #answered(message) {
    this.waiting.get(message.id)?.(message);
    this.waiting.delete(message.id);
  }
}

/** One page; asked as Playwright's pages are. */
class Tab {
  static async attached(tabs, targetId) {
    const { sessionId } = await tabs.send("Target.attachToTarget", { targetId, flatten: true });
    return new Tab(tabs, targetId, sessionId);
  }

  constructor(tabs, targetId, sessionId) {
    Object.assign(this, { tabs, targetId, sessionId });
  }

  send(method, params) {
    return this.tabs.send(method, params, this.sessionId);
  }

  /** Runs `work` in the page and gives what it comes to. */
  async evaluate(work, given) {
    const expression = `(${work})(${JSON.stringify(given) ?? ""})`;
    const how = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", how);
    assert.ok(!exceptionDetails, exceptionDetails?.exception?.description);
    return result.value;
  }

  /** Waits until it comes to something true. Asked from here: a hidden page's own timers are the subject of tests. */
  waitForFunction(work, given) {
    const ask = async () => {
      const answer = await this.evaluate(work, given);
      if (!answer) await span(ASK_AGAIN_MS);
      return answer;
    };
    return eventually(String(work), ask, Boolean);
  }

  /** A real click into the middle of an element. */
  async click(selector) {
    const middle = (wanted) => {
      const element = document.querySelector(wanted);
      element?.scrollIntoView({ block: "center" });
      const box = element?.getBoundingClientRect();
      return box && { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    };
    const at = await this.waitForFunction(middle, selector);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1 });
    }
  }

  async type(selector, text) {
    await this.click(selector);
    await this.send("Input.insertText", { text });
  }

  /** Before all others, as a tab that was clicked. */
  async show() {
    await this.tabs.send("Target.activateTarget", { targetId: this.targetId });
    await this.waitForFunction(() => document.visibilityState === "visible");
  }

  /** Behind the other tab of its window. */
  async hide() {
    await this.tabs.send("Target.activateTarget", { targetId: this.cover });
    await this.waitForFunction(() => document.visibilityState === "hidden");
  }

  /** What browsers do with tabs that were hidden for long: nothing in them runs. */
  freeze() {
    return this.send("Page.setWebLifecycleState", { state: "frozen" });
  }

  thaw() {
    return this.send("Page.setWebLifecycleState", { state: "active" });
  }
}
