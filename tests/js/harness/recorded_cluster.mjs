// A cluster that records: nodes over one Redis and one PostgreSQL, and a class in one room of it.
import assert from "node:assert/strict";
import { Balancer } from "./balancer.mjs";
import { Cluster } from "./cluster.mjs";
import { notesWrong, Pupil } from "./numbered.mjs";
import { Player } from "./player.mjs";
import { Postgres } from "./postgres.mjs";
import { notesOf, recorded } from "./recorded.mjs";
import { Redis } from "./redis.mjs";
import { teacherToken } from "./token.mjs";

/** From the last note to its row, whatever happened before: a dead node's entries are taken up after ten seconds. */
const ARRIVES_MS = 60_000;

export class RecordedCluster {
  static async start(names = ["a", "b", "c"]) {
    const all = new RecordedCluster();
    try {
      [all.redis, all.postgres] = await Promise.all([Redis.start(), Postgres.start()]);
      all.cluster = await Cluster.start({ redis: all.redis, names, args: ["--database-url", all.postgres.url] });
    } catch (error) {
      await all.stop().catch(() => {});
      throw error;
    }
    return all;
  }

  /** Whatever a test before left dead or frozen runs again. */
  async mended() {
    await this.redis.mended();
    await this.postgres.mended();
    await this.cluster.mended();
  }

  async stop() {
    try {
      await this.cluster?.stop();
    } finally {
      await Promise.all([this.redis?.stop(), this.postgres?.stop()]);
    }
  }

  /** How many events are in the stream. */
  async waiting(tenant = "acme") {
    const [entries, count] = await Promise.all(
      [
        ["XLEN", `sel:{${tenant}}`],
        ["GET", `sel:{${tenant}}:waiting`],
      ].map((words) => this.redis.cli(...words)),
    );
    return entries === 0 ? 0 : Math.max(Number(count), entries);
  }
}

/** A room, a teacher, and numbered students, as many on each node; who is thrown out comes back by the next door. */
export class RecordedClass {
  /** @param {RecordedCluster} all */
  static async open(all, { conductor, students = 12, prefix = "s" }) {
    const one = new RecordedClass(all);
    const nodes = all.cluster.all;
    one.room = await all.cluster.roomOn(conductor, { bpm: 120 });
    for (const node of nodes) one.doors.set(node.id, await Balancer.start(() => [node.port]));
    for (let index = 0; index < students; index++) {
      const { id: node } = nodes[index % nodes.length];
      const pupil = new Pupil({ server: one.doors.get(node), room: one.room, id: `${prefix}${index}` });
      one.pupils.push(Object.assign(pupil, { node }));
    }
    // Of the teachers one is always away from the node that dies.
    for (const { id: node } of nodes) {
      const id = `t-${node}`;
      const teacher = new Player({ server: one.doors.get(node), room: one.room, id, token: () => teacherToken(id) });
      one.teachers.set(node, teacher);
    }
    await Promise.all([...one.pupils, ...one.teachers.values()].map((player) => player.join()));
    return one;
  }

  constructor(all) {
    this.all = all;
    this.pupils = [];
    this.teachers = new Map();
    this.doors = new Map();
  }

  on(...nodes) {
    return this.pupils.filter(({ node }) => nodes.includes(node));
  }

  play() {
    for (const pupil of this.pupils) pupil.play();
  }

  /** Until each of them has played so many notes more. */
  async havePlayed(count, pupils = this.pupils) {
    await Promise.all(pupils.map((pupil) => pupil.hasPlayed(count)));
  }

  async rest() {
    await Promise.all(this.pupils.map((pupil) => pupil.rest()));
  }

  get acknowledged() {
    return this.pupils.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  }

  /** kill -9; new connections of its people go to another node. */
  async killNode(id, refuge) {
    this.doors.get(id).only(this.all.cluster.node(refuge).port);
    await this.all.cluster.node(id).kill();
  }

  wrongs() {
    return notesOf(this.all.postgres, this.room).then((rows) => notesWrong(rows, this.pupils));
  }

  /** Each acknowledged note is recorded once, each unanswered one at most once, and nothing is on its way any more. */
  async assertRecorded() {
    const { postgres } = this.all;
    await recorded(
      "every acknowledged note, once",
      () => this.wrongs(),
      (wrongs) => wrongs.length === 0,
      ARRIVES_MS,
    );
    const waiting = () => this.all.waiting();
    await recorded("an empty stream", waiting, (count) => count === 0, ARRIVES_MS);
    assert.deepEqual(await this.wrongs(), [], "once the stream is empty");
    const lost = `SELECT count(*) AS n FROM participation_events WHERE session_id LIKE '${this.room}.%' AND kind = 'events_missing'`;
    assert.deepEqual(await postgres.rows(lost), [{ n: 0 }], "nothing was lost");
  }

  async close() {
    for (const pupil of this.pupils) pupil.playing?.stop();
    await Promise.all([...this.pupils, ...this.teachers.values()].map((player) => player.disconnect()));
    for (const door of this.doors.values()) await door.stop();
  }
}

/** Opens a class, and closes it whatever happens. */
export async function withClass(all, options, play) {
  const class_ = await RecordedClass.open(all, options);
  try {
    await play(class_);
  } finally {
    await class_.close();
  }
}
