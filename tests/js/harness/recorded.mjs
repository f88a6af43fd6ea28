// What the database has of a room: asked for with SQL, and nothing of Downbeat.
import { eventually, span } from "./wait.mjs";

/** For a `Server`: clients that are still there keep it no longer. */
export const SHORT = ["--drain-s", "2"];

/** @typedef {{rows: (select: string) => Promise<object[]>, tables: () => Promise<string[]>}} Database */

/** All events of a room's code, in the order in which they happened; `details` read. */
export async function eventsOf(database, room, tenant = "acme") {
  const rows = await database.rows(
    `SELECT * FROM participation_events WHERE tenant = '${tenant}' AND session_id LIKE '${room}.%'
     ORDER BY session_id, event_id`,
  );
  return rows.map((row) => ({ ...row, details: row.details === null ? null : JSON.parse(row.details) }));
}

/** The notes of a room's code. */
export const notesOf = (database, room) =>
  database.rows(
    `SELECT student_id, midi, velocity FROM participation_events
     WHERE kind = 'note_played' AND session_id LIKE '${room}.%'`,
  );

/** Asks the database until its answer fits. While it is away it has none. */
export function recorded(what, ask, fits, ms) {
  const answer = async () => {
    await span(50);
    return ask().catch((error) => ({ error: error.message }));
  };
  return eventually(what, answer, (found) => !found.error && fits(found), ms);
}

/** Where in the database this text stands: `table.column`, every column of every row looked at, bytes too. */
export async function placesOf(database, text) {
  const hex = Buffer.from(text).toString("hex");
  const places = [];
  for (const table of await database.tables())
    for (const row of await database.rows(`SELECT * FROM ${table}`))
      for (const [column, value] of Object.entries(row)) {
        const found = String(value);
        if (found.includes(text) || found.includes(hex)) places.push(`${table}.${column}: ${found.slice(0, 200)}`);
      }
  return places;
}

/** Every key of Redis in whose name or value this text stands. */
export async function keysWith(redis, text) {
  const read = {
    string: (key) => redis.cli("GET", key),
    hash: (key) => redis.cli("HGETALL", key),
    set: (key) => redis.cli("SMEMBERS", key),
    zset: (key) => redis.cli("ZRANGE", key, 0, -1),
    list: (key) => redis.cli("LRANGE", key, 0, -1),
    stream: (key) => redis.cli("XRANGE", key, "-", "+"),
  };
  const found = [];
  for (const key of await redis.cli("KEYS", "*")) {
    const type = await redis.cli("TYPE", key);
    if (type === "none") continue;
    const value = JSON.stringify(await read[type](key));
    if (key.includes(text) || value.includes(text)) found.push(`${key}: ${value.slice(0, 300)}`);
  }
  return found;
}

/** A counter of a node, by its whole name with labels; 0 where it was never counted. */
export async function metric(node, name) {
  const text = await (await fetch(node.metricsUrl)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line ? Number(line.split(" ")[1]) : 0;
}
