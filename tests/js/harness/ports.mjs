// Ports for servers that go down and come back on the same one.
import { createServer } from "node:net";
import assert from "node:assert/strict";

/** Below the range from which the kernel takes outgoing ports: a client that tries a dead port must not become it. */
const FIRST = 18_000;
const COUNT = 13_000;

const given = new Set();

/** A port of 127.0.0.1 that nobody listens on, and that this process was not given before. */
export async function freePort() {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  return assert.fail("no free port on 127.0.0.1");
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
