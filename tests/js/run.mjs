// Runs every test file, one after the other. The tests are of real processes, some of them against the clock, on a machine
// that others may use: a file in which something failed runs once more when all have, and that is said.
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Every `*.test.mjs` below here, in the order of their names. */
function testFiles() {
  const all = readdirSync(HERE, { recursive: true });
  return all
    .filter((path) => path.endsWith(".test.mjs") && !path.includes("node_modules"))
    .sort()
    .map((path) => join(HERE, path));
}

/** The files in which a test failed. */
async function failing(files) {
  const failed = new Set();
  let anything = false;
  const stream = run({ files, concurrency: 1 });
  stream.on("test:fail", ({ file, name, todo }) => {
    if (todo !== undefined) return;
    anything = true;
    const known = files.find((one) => one === file || one === name || one.endsWith(`/${name}`));
    if (known) failed.add(known);
  });
  const report = stream.compose(new spec());
  report.pipe(process.stdout);
  await new Promise((resolve, reject) => report.once("end", resolve).once("error", reject));
  return anything && failed.size === 0 ? files : [...failed];
}

const named = process.argv.slice(2).map((path) => join(process.cwd(), path));
const first = await failing(named.length > 0 ? named : testFiles());
if (first.length > 0) {
  const names = (files) => files.map((file) => relative(HERE, file)).join(", ");
  console.log(`\nFAILED ONCE: ${names(first)}: once more, alone\n`);
  const again = await failing(first);
  console.log(again.length > 0 ? `\nFAILED TWICE: ${names(again)}` : `\nPASSED ALONE: ${names(first)}`);
  process.exitCode = again.length > 0 ? 1 : 0;
}
