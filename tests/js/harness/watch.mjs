// Everything that goes wrong in a page while nobody looks: errors, violations of its policy, requests to other hosts.
import assert from "node:assert/strict";

export class Watch {
  /** @param {import("playwright-core").Page} page */
  constructor(page, url) {
    this.errors = [];
    this.strangers = [];
    this.requests = [];
    const { host } = new URL(url);
    const meet = (address) => {
      const { protocol, host: other } = new URL(address);
      this.requests.push(address);
      if (!["data:", "blob:", "about:"].includes(protocol) && other !== host) this.strangers.push(address);
    };
    page.on("request", (request) => meet(request.url()));
    page.on("websocket", (socket) => meet(socket.url()));
    // Chromium says violations of the page's policy as errors of the console.
    page.on(
      "console",
      (said) => said.type() === "error" && this.errors.push(`${said.text()} (${said.location().url})`),
    );
    page.on("pageerror", (error) => this.errors.push(error.stack ?? String(error)));
  }

  /** Fails if anything went wrong. @param {RegExp} [expected] what the test itself has caused */
  assertQuiet(who, expected = /^$/) {
    assert.deepEqual(
      this.errors.filter((error) => !expected.test(error)),
      [],
      `${who}: errors in the page`,
    );
    assert.deepEqual(this.strangers, [], `${who}: requests to other hosts`);
  }
}
