// Parts of the page's own source in a page of the test's, without the page around them.
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const web = fileURLToPath(new URL("../../../web/", import.meta.url));

/**
 * A script that puts what these modules export on one global object.
 * @param {string} name of the object
 * @param {string[]} modules below `web/src`
 */
export async function bundled(name, modules) {
  const vite = createRequire(`${web}package.json`).resolve("vite");
  const { build } = await import(pathToFileURL(vite).href);
  const id = `${web}entry-of-a-test.js`;
  const entry = {
    name: "entry",
    enforce: "pre",
    resolveId: (asked) => (asked === id ? id : null),
    load: (asked) =>
      asked === id ? modules.map((path) => `export * from ${JSON.stringify(`${web}src/${path}`)};`).join("\n") : null,
  };
  const built = await build({
    root: web,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    plugins: [entry],
    build: { write: false, minify: false, lib: { entry: id, name, formats: ["iife"] } },
  });
  return built[0].output[0].code;
}
