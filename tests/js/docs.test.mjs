// The examples of the pages for front-end developers run as written, against `downbeat dev`.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RawSocket } from "./harness/raw.mjs";
import { Server } from "./harness/server.mjs";

/** The pages, and in which languages each has examples that run. */
const RUNNABLE = {
  "protocol.md": ["js", "sh", "frames"],
  "supabase.md": ["js", "py", "sh"],
};
/** The packages as people install them, and where the tests have them. */
const PACKAGES = { phoenix: "phoenix", ws: "ws", "@supabase/supabase-js": "supabase-newest" };
/** A Python that has the package `realtime`. */
const PYTHON = process.env.DOWNBEAT_PYTHON ?? "python3";
/** The address in the examples; the test's server has another port. */
const WRITTEN = "127.0.0.1:4000";

/** Every fenced block: its language and marks, its text, the heading above it, and the blocks of its page. */
function blocksOf(name) {
  const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  const blocks = [];
  let heading = "";
  let open = null;
  for (const line of page.split("\n")) {
    if (open && line.startsWith("```")) {
      blocks.push({ ...open, text: open.lines.join("\n"), blocks });
      open = null;
    } else if (open) open.lines.push(line);
    else if (line.startsWith("```")) open = { kind: line.slice(3).trim(), heading, lines: [] };
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return blocks;
}

let server;
let dir;
before(async () => {
  server = await Server.start({ command: "dev" });
  dir = mkdtempSync(join(tmpdir(), "downbeat-docs-"));
  for (const [name, installed] of Object.entries(PACKAGES)) {
    const link = join(dir, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(fileURLToPath(new URL(`./node_modules/${installed}`, import.meta.url)), link);
  }
});
after(async () => {
  if (dir) rmSync(dir, { recursive: true, force: true });
  await server?.stop();
});

const here = (text) => text.replaceAll(WRITTEN, server.listen);

function run(program, args) {
  return new Promise((resolve, reject) =>
    execFile(program, args, { cwd: dir, timeout: 60_000 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${error.message}\nstdout:\n${stdout}\nstderr:\n${stderr}`)) : resolve(stdout),
    ),
  );
}

/** The block that says what the one before it prints: each of its lines, `…` standing for anything. */
function assertPrints(block, stdout) {
  const next = block.blocks[block.blocks.indexOf(block) + 1];
  if (next?.kind !== "text prints") return;
  for (const line of next.text.split("\n")) {
    const pattern = line
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*");
    assert.match(stdout, new RegExp(`^${pattern}$`, "m"), `the page says that this is printed: ${line}`);
  }
}

for (const [name, languages] of Object.entries(RUNNABLE)) {
  describe(`docs/${name}`, () => {
    const blocks = blocksOf(name);
    test(`has examples to run: ${languages.join(", ")}`, () => {
      const kinds = new Set(blocks.map(({ kind }) => kind));
      for (const language of languages) assert.ok(kinds.has(`${language} runnable`), language);
    });
    for (const [index, block] of blocks.entries()) {
      if (block.kind === "js runnable") {
        test(`JavaScript under «${block.heading}» runs`, async () => {
          const file = join(dir, `block-${index}.mjs`);
          writeFileSync(file, here(block.text));
          assertPrints(block, await run(process.execPath, [file]));
        });
      }
      if (block.kind === "py runnable") {
        test(`Python under «${block.heading}» runs`, async () => {
          assertPrints(block, await run(PYTHON, ["-c", here(block.text)]));
        });
      }
      if (block.kind === "sh runnable") {
        test(`shell commands under «${block.heading}» run`, async () => {
          assertPrints(block, await run("sh", ["-euc", here(block.text)]));
        });
      }
      if (block.kind === "frames runnable") {
        test(`frames under «${block.heading}» go back and forth`, () => playFrames(block));
      }
      if (block.kind === "json") test(`JSON under «${block.heading}» is JSON`, () => void JSON.parse(block.text));
    }
  });
}

/** Plays a dialogue: the shell block before it sets the variables, `>` is sent, `<` must come, `$` is a command. */
async function playFrames(block) {
  const setup = here(block.blocks.slice(0, block.blocks.indexOf(block)).findLast(({ kind }) => kind === "sh runnable").text);
  const names = ["HOST", "TEACHER", "STUDENT", "ROOM"];
  const values = (await run("sh", ["-euc", `${setup}\nprintf '%s\\n' ${names.map((name) => `"$${name}"`).join(" ")}`]))
    .trim()
    .split("\n");
  const variables = Object.fromEntries(names.map((name, index) => [name, values.slice(-names.length)[index]]));
  const filled = (text) => text.replace(/\$([A-Z]+)/g, (_, name) => variables[name]);
  const socket = await RawSocket.open(server, { token: variables.STUDENT });
  let from = 0;
  for (const line of block.text.split("\n")) {
    const text = filled(line.slice(2));
    if (line.startsWith(">")) {
      from = socket.heard.mark();
      socket.text(text);
    } else if (line.startsWith("$")) {
      from = socket.heard.mark();
      await run("sh", ["-euc", text]);
    } else {
      const expected = JSON.parse(text.replaceAll(",…}", "}").replaceAll("{…}", "{}"));
      await socket.heard.until(line, ({ raw }) => fits(expected, raw), { from });
    }
  }
  await socket.close();
}

/** Whether all that is expected is there; objects may hold more. */
function fits(expected, actual) {
  if (expected === null || typeof expected !== "object") return expected === actual;
  if (actual === null || typeof actual !== "object") return false;
  return Object.entries(expected).every(([key, value]) => fits(value, actual[key]));
}
