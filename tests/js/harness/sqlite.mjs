// The SQLite file of a single node, read while the node writes it: with Python, which every machine of the tests has.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const READ = `
import json, sqlite3, sys
database = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True, timeout=10)
database.row_factory = sqlite3.Row
as_text = lambda value: "\\\\x" + value.hex() if isinstance(value, bytes) else value
print(json.dumps([{name: as_text(row[name]) for name in row.keys()} for row in database.execute(sys.argv[2])]))
`;

export class Sqlite {
  /** @param {import("./server.mjs").Server} server */
  constructor(server) {
    this.file = join(server.dir, "data", "downbeat.db");
  }

  /** The rows of a SELECT, as objects; bytes as `\x` and hexadecimal digits. */
  async rows(select) {
    const { stdout } = await run("python3", ["-c", READ, this.file, select], { maxBuffer: 1 << 28, timeout: 20_000 });
    return JSON.parse(stdout);
  }

  async tables() {
    return (await this.rows("SELECT name FROM sqlite_master WHERE type = 'table'")).map(({ name }) => name);
  }
}
