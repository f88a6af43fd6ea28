// A school's lessons, as many rooms as one likes, each with a teacher who gives orders, pupils who play, somebody on long polls
// and an app on supabase-js: what they do, and what must be true of what they heard.
import assert from "node:assert/strict";
import { assignmentsKept } from "../harness/invariants.mjs";
import { notesWrong, Pupil } from "../harness/numbered.mjs";
import { Player } from "../harness/player.mjs";
import { eventsOf, notesOf, recorded } from "../harness/recorded.mjs";
import { call } from "../harness/rest.mjs";
import { App } from "../harness/supabase.mjs";
import { hmacToken, inSeconds } from "../harness/token.mjs";
import { eventually, Heard, soon, span } from "../harness/wait.mjs";
import { now, Witness } from "../harness/witness.mjs";

const TENANT = "school";
const KINDS = ["newest", "1.8.15", "1.7.21"];
/** A pupil's notes come so far apart, and a teacher's orders; a look over REST. */
const NOTE_MS = 900;
const ORDER_MS = 1_500;
const LOOK_MS = 150;
/** Refusals after which an app may try again; the last: a student who is between two nodes. */
const PASSING = ["no_conductor", "unavailable", "rate_limit_exceeded", "unmatched topic", "unknown student"];
const PLACES = 64;

export class School {
  /**
   * @param {object} options
   * @param {{listen: string, url: string, ws: string, players: Set}} options.front
   * @param {string} options.secret that the tenant's tokens are signed with
   * @param {number} options.rooms
   * @param {number} options.people in each, a teacher, one on long polls and one app among them
   */
  static async open({ front, secret, rooms, people }) {
    const school = new School(front, secret);
    for (let number = 0; number < rooms; number++) school.lessons.push(await Lesson.open(school, number, people));
    return school;
  }

  constructor(front, secret) {
    this.front = front;
    this.secret = secret;
    this.lessons = [];
    this.looks = { count: 0, failed: [], slowest: 0 };
  }

  token(sub, role = "student") {
    return hmacToken(this.secret, { tenant: TENANT, role, sub, exp: inSeconds(3_600) });
  }

  /** Everybody plays, and a script looks at the school over REST, until `rest`. */
  work() {
    this.working = true;
    this.ends = [this.#look(), ...this.lessons.map((lesson) => lesson.work())];
    for (const end of this.ends) end.catch(() => {});
  }

  async rest() {
    this.working = false;
    for (const lesson of this.lessons) lesson.working = false;
    await Promise.all(this.ends);
    await Promise.all(this.lessons.flatMap((lesson) => lesson.pupils.map((pupil) => pupil.rest())));
  }

  /** Reads what may be read twice; each on a connection of its own. */
  async #look() {
    const token = this.token("the-office", "teacher");
    const paths = ["/api/ping", "/api/music/rooms", ...this.lessons.map(({ room }) => `/api/music/rooms/${room}`)];
    const headers = { connection: "close" };
    for (let turn = 0; this.working; turn++) {
      const path = paths[turn % paths.length];
      const begun = now();
      const got = await call(this.front, "GET", path, { token, headers }).catch((error) => ({ text: error.message }));
      this.looks.count += 1;
      this.looks.slowest = Math.max(this.looks.slowest, now() - begun);
      if (got.status !== 200) this.looks.failed.push(`GET ${path}: ${got.status ?? "no answer"} ${got.text}`);
      await span(LOOK_MS);
    }
  }

  get witnesses() {
    return this.lessons.flatMap((lesson) => lesson.witnesses);
  }

  /** Everybody is back in the lesson, and hears what one of them plays. */
  async isWhole() {
    await Promise.all(this.lessons.map((lesson) => lesson.isWhole()));
  }

  async close() {
    await Promise.all(this.lessons.map((lesson) => lesson.close()));
  }
}

class Lesson {
  static async open(school, number, people) {
    const lesson = new Lesson(school, number);
    const token = school.token(lesson.teacherId, "teacher");
    const body = { bpm: lesson.bpm, name: `Lesson ${number + 1}` };
    const made = await call(school.front, "POST", "/api/music/rooms", { token, body });
    assert.equal(made.status, 201, made.text);
    lesson.room = made.json.room_id;
    await lesson.#fill(people);
    return lesson;
  }

  constructor(school, number) {
    Object.assign(this, { school, number });
    this.teacherId = `t${number}`;
    this.bpm = 90 + 7 * number;
    this.pupils = [];
    this.witnesses = [];
    /** Assignments, each a pair never used before, as `assignmentsKept` wants them; tempos in the order of their oks. */
    this.sent = [];
    this.tempos = [];
    this.orders = { acknowledged: 0, passing: new Map(), slowest: 0 };
  }

  async #fill(people) {
    const { front } = this.school;
    const id = this.teacherId;
    const kind = (one) => KINDS[(this.number + one) % KINDS.length];
    const token = () => this.school.token(id, "teacher");
    this.teacher = new Player({ server: front, room: this.room, id, token, phoenix: kind(0) });
    for (let one = 1; one < people - 1; one++) {
      const sub = `p${this.number}-${one}`;
      const transport = one === people - 2 ? "longpoll" : "websocket";
      const phoenix = transport === "longpoll" ? "newest" : kind(one);
      const mint = () => this.school.token(sub);
      this.pupils.push(
        new Pupil({ server: front, room: this.room, id: sub, token: mint, phoenix, transport, paceMs: NOTE_MS }),
      );
    }
    this.players = [this.teacher, ...this.pupils];
    for (const player of this.players) player.kind = /longpoll/.test(player.heard.name) ? "long polls" : "WebSockets";
    this.witnesses = this.players.map((player) => new Witness(player));
    for (const player of this.players) assert.equal((await player.join()).status, "ok", player.heard.name);
    this.app = new Listener(this.school, this.room, `a${this.number}`);
    this.witnesses.push(new Witness(this.app));
    await this.app.sits();
    await Promise.all([...this.players, this.app].map(({ heard }) => heard.until("a beat", isBeat)));
  }

  async work() {
    this.working = true;
    for (const pupil of this.pupils) pupil.play();
    for (let turn = 0; this.working; turn++) {
      if (turn % 4 === 3) await this.#setTempo(this.bpm + 1 + this.tempos.length);
      else await this.#assign();
      await span(ORDER_MS);
    }
  }

  async #setTempo(bpm) {
    const entry = { bpm, status: "pending" };
    this.tempos.push(entry);
    await this.#order("set_tempo", { bpm, at: "beat" });
    entry.status = "ok";
  }

  async #assign() {
    if (this.sent.length === PLACES) {
      await this.#order("clear_beats", {});
      this.sent = [];
    }
    const entry = { student_id: this.pupils[0].id, beat: this.sent.length + 1, status: "pending" };
    this.sent.push(entry);
    await this.#order("assign_beat", { student_id: entry.student_id, beat: entry.beat });
    entry.status = "ok";
  }

  /** Gives an order until it is acknowledged, as a patient app does. */
  async #order(event, payload) {
    const begun = now();
    for (;;) {
      const { status, response } = await this.teacher.push(event, payload);
      if (status === "ok") break;
      const reason = status === "timeout" ? "timeout" : response?.reason;
      const passing = status === "timeout" || PASSING.includes(reason);
      assert.ok(passing, `${this.teacherId}: ${event} was refused for good: ${JSON.stringify(response)}`);
      this.orders.passing.set(reason, (this.orders.passing.get(reason) ?? 0) + 1);
      assert.ok(now() - begun < 30_000, `${this.teacherId}: ${event} got no ok within 30 s; last: ${reason}`);
      await span(100);
    }
    this.orders.acknowledged += 1;
    this.orders.slowest = Math.max(this.orders.slowest, now() - begun);
  }

  async isWhole() {
    const everybody = String([...this.players, this.app].map(({ id }) => id).sort());
    const members = async () => {
      await span(100);
      const { status, response } = await this.teacher.push("get_room");
      return status === "ok" ? String(response.members.map((one) => one.student_id).sort()) : status;
    };
    await eventually(`everybody's return to ${this.room}`, members, (ids) => ids === everybody, 30_000);
    const all = [...this.players, this.app];
    const marks = all.map(({ heard }) => heard.mark());
    assert.equal((await this.teacher.push("play_note", { midi: 77, velocity: 127 })).status, "ok");
    const fits = ({ event, payload }) => event === "student_note" && payload.student_id === this.teacherId;
    await Promise.all(all.map(({ heard }, at) => heard.until("the teacher's note", fits, { from: marks[at] })));
    this.view = (await this.teacher.push("get_room")).response;
  }

  /** What each heard by himself. */
  wrongsHeard() {
    const whose = (name, wrongs) => wrongs.map((wrong) => `${this.room} ${name}: ${wrong}`);
    const alone = this.witnesses.flatMap((witness) => whose(witness.name, witness.wrongsOfReturned()));
    const closed = this.players.flatMap((player) => player.all("phx_close"));
    if (closed.length > 0) alone.push(`${this.room}: ${closed.length} channels were closed for good`);
    return alone;
  }

  /** No beat passed that nobody in the room heard. */
  wrongsOfAll() {
    const runs = new Map();
    for (const { frames } of this.witnesses)
      for (const { event, payload } of frames)
        if (event === "beat") runs.set(payload.run, (runs.get(payload.run) ?? new Set()).add(payload.beat));
    const wrongs = [];
    for (const [run, beats] of runs) {
      const [first, last] = [Math.min(...beats), Math.max(...beats)];
      for (let beat = first; beat < last; beat++)
        if (!beats.has(beat)) wrongs.push(`${this.room}: beat ${beat} of run ${run} was heard by nobody`);
    }
    return wrongs;
  }

  /** What the teacher was told ok, and is not so. */
  wrongsOfOrders() {
    const told = this.witnesses.some(({ frames }) => frames.some(({ event }) => event === "control_lost"));
    const wrongs = assignmentsKept(this.sent, this.view.assignments, false);
    if (told) wrongs.push("I4: a control_lost was told");
    const last = this.tempos.findLast(({ status }) => status === "ok");
    if (last && this.tempos.at(-1) === last && this.view.bpm !== last.bpm)
      wrongs.push(`I4: the tempo is ${this.view.bpm}, and ${last.bpm} was acknowledged`);
    const heard = new Set(
      this.witnesses.flatMap(({ frames }) =>
        frames.filter(({ event }) => event === "tempo_changed").map(({ payload }) => payload.bpm),
      ),
    );
    for (const { bpm, status } of this.tempos)
      if (status === "ok" && !heard.has(bpm)) wrongs.push(`I4: tempo ${bpm} was acknowledged, and nobody heard of it`);
    return wrongs.map((wrong) => `${this.room}: ${wrong}`);
  }

  /** What PostgreSQL has of the pupils' notes, once it has all of them. */
  async wrongsOfRecord(postgres) {
    const wrongs = async () => {
      const rows = await notesOf(postgres, this.room);
      return notesWrong(
        rows.filter((row) => row.student_id !== this.teacherId),
        this.pupils,
      );
    };
    const whole = recorded(`the notes of ${this.room}`, wrongs, (found) => found.length === 0, 60_000);
    const late = await whole.catch(() => wrongs());
    const events = await eventsOf(postgres, this.room, TENANT);
    const missing = events.filter(({ kind }) => kind === "events_missing");
    return [...late, ...missing.map(() => "the session says that events are missing")].map(
      (wrong) => `${this.room}: ${wrong}`,
    );
  }

  async close() {
    for (const pupil of this.pupils) pupil.playing?.stop();
    this.app?.leave();
    await Promise.all((this.players ?? []).map((player) => soon("disconnect", player.disconnect())));
  }
}

const isBeat = ({ event }) => event === "beat";

/** An app on supabase-js that listens to a music room, in the shape in which a `Witness` takes clients. */
class Listener {
  constructor(school, room, id) {
    this.id = id;
    this.kind = "supabase-js";
    this.heard = new Heard(`${id} (supabase-js)`);
    /** Nobody tells of a socket's end here. */
    this.closed = new Promise(() => {});
    this.app = new App({ version: "newest", node: school.front, token: school.token(id), name: id });
    this.seat = this.app.seat(`music_room:${room}`);
    const told = (heard, read) => {
      const add = heard.add.bind(heard);
      heard.add = (item) => {
        add(item);
        const frame = read(item);
        if (frame) this.heard.add(frame);
      };
    };
    told(this.seat.broadcasts, ({ event, payload }) => ({ event, payload }));
    told(this.seat.statuses, ({ status }) => status === "SUBSCRIBED" && { event: "joined", payload: {} });
  }

  sits() {
    return this.seat.subscribed();
  }

  leave() {
    this.app.leave();
  }
}

/** Figures of a witness: beats heard, beats only told while it was away, and how often it came again. */
export function figuresOf({ frames, client }) {
  let [beats, told, last, silence] = [0, 0, null, 0];
  for (const { event, payload, arrived } of frames) {
    if (event !== "beat") continue;
    beats += 1;
    if (last && last.run === payload.run) told += payload.beat - last.beat - 1;
    if (last) silence = Math.max(silence, arrived - last.arrived);
    last = { ...payload, arrived };
  }
  const joins = frames.filter(({ event }) => event === "joined").length;
  return { kind: client.kind, beats, told, silence, returns: joins - 1 };
}
