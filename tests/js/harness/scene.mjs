// The scene of most cluster tests: a room whose conductor something will happen to, a control room that it will not
// happen to, and people in both on the gateways that stay up.
import assert from "node:assert/strict";
import { Controls } from "./controls.mjs";
import { Player } from "./player.mjs";
import { studentToken, teacherToken } from "./token.mjs";
import { eventually, span } from "./wait.mjs";
import { LoopNoise, now, Witness } from "./witness.mjs";

/** 120 BPM, as the issue has it. */
export const BPM = 120;
export const INTERVAL_MS = 60_000 / BPM;

export class Scene {
  /**
   * @param {import("./cluster.mjs").Cluster} cluster
   * @param {{conductor: string, control?: string, on: string[]}} where `on`: the nodes that get a teacher and a
   *   student of the room, and a listener of the control room
   */
  static async open(cluster, { conductor, control, on }) {
    const scene = new Scene(cluster, on);
    scene.room = await cluster.roomOn(conductor, { bpm: BPM });
    if (control) scene.controlRoom = await cluster.roomOn(control, { bpm: 2 * BPM });
    for (const id of on) {
      scene.teachers.set(id, scene.player(`t-${id}`, cluster.node(id), { token: teacherToken }));
      scene.students.set(id, scene.player(`s-${id}`, cluster.node(id)));
      if (control) scene.listeners.set(id, scene.player(`x-${id}`, cluster.node(id), { room: scene.controlRoom }));
    }
    // On every node that stays: an anchor is never absent, whatever goes down.
    for (const id of on) scene.anchors.push(scene.player("anchor", cluster.node(id)));
    await Promise.all(scene.players.map((player) => player.join()));
    await Promise.all(scene.players.map((player) => player.hears("beat")));
    return scene;
  }

  constructor(cluster, on) {
    this.cluster = cluster;
    this.on = on;
    this.teachers = new Map();
    this.students = new Map();
    this.listeners = new Map();
    this.anchors = [];
    this.players = [];
    this.witnesses = new Map();
    this.controls = new Controls("anchor");
    this.loop = new LoopNoise();
    this.begun = now();
  }

  /** One more person, not yet joined, with a witness. */
  player(id, server, { room = this.room, token = studentToken, phoenix, transport } = {}) {
    const player = new Player({ server, room, id, token: () => token(id), phoenix, transport });
    this.witnesses.set(player, new Witness(player));
    this.players.push(player);
    return player;
  }

  witness(player) {
    return this.witnesses.get(player);
  }

  /** A teacher on one of these nodes; without a name, on the first of the scene. */
  teacher(id = this.on[0]) {
    return this.teachers.get(id);
  }

  student(id = this.on[0]) {
    return this.students.get(id);
  }

  /** Everybody of the room (not of the control room) that sits on these nodes. */
  peopleOn(ids = this.on) {
    const anchors = this.anchors.filter((_, index) => ids.includes(this.on[index]));
    return [...ids.flatMap((id) => [this.teachers.get(id), this.students.get(id)]), ...anchors];
  }

  /** The run's own noise on these nodes until now: how late the control room's beats were, or this process itself. */
  noise({ to, ids = this.on }) {
    const from = this.begun;
    const heard = ids.map((id) => this.listeners.get(id)).filter(Boolean);
    const worst = heard.map((player) => this.witness(player).worstLateness({ from, to }));
    return Math.max(this.loop.worst({ from, to }), ...worst);
  }

  /** Nobody on these nodes noticed anything: I1–I3, no beat late beyond the noise, nobody thrown out. */
  assertSteady({ from, to = now(), ids = this.on, report = () => {} }) {
    const noise = this.noise({ to, ids });
    let worst = 0;
    for (const player of this.peopleOn(ids)) {
      const witness = this.witness(player);
      witness.assertNothing(witness.wrongsOfSteady({ from, to, noise, interval: INTERVAL_MS }));
      worst = Math.max(worst, witness.worstLateness({ from, to }));
    }
    report(`beats at worst ${worst.toFixed(1)} ms late, the run's noise ${noise.toFixed(1)} ms`);
  }

  /** Waits until everybody on these nodes has heard `count` beats more. */
  async beats(count, ids = this.on) {
    await Promise.all(this.peopleOn(ids).map((player) => beatsMore(player, count)));
  }

  /** A note of one is heard by all on these nodes. */
  async noteReachesAll(from, midi, ids = this.on) {
    const people = this.peopleOn(ids);
    const marks = people.map((player) => player.heard.mark());
    await from.ok("play_note", { midi });
    const fits = (note) => note.midi === midi && note.student_id === from.id;
    await Promise.all(people.map((player, index) => player.hears("student_note", { fits, from: marks[index] })));
  }

  /** The ids of the members that this player is told of now; a refusal instead while there is one. */
  async membersBy(player) {
    await span(100);
    const { status, response } = await player.push("get_room");
    return status === "ok" ? response.members.map((member) => member.student_id).sort() : [status, response];
  }

  /** Waits until this player is told of exactly these members. */
  async seesMembers(player, ids, ms = 10_000) {
    const all = String([...ids].sort());
    await eventually(
      `members seen by ${player.id}`,
      () => this.membersBy(player),
      (now) => String(now) === all,
      ms,
    );
  }

  async close() {
    this.loop.stop();
    await Promise.all(this.players.map((player) => player.disconnect()));
  }
}

export function beatsMore(player, count) {
  let left = count;
  const fits = (one) => one.event === "beat" && --left === 0;
  return player.heard.until(`${count} beats`, fits, { from: player.heard.mark(), ms: 20_000 + count * INTERVAL_MS });
}

/** Opens a scene, plays it, and closes it whatever happens. */
export async function withScene(cluster, where, play) {
  const scene = await Scene.open(cluster, where);
  try {
    return await play(scene);
  } finally {
    await scene.close();
  }
}

/** `ids` without one. */
export function without(ids, ...gone) {
  const left = ids.filter((id) => !gone.includes(id));
  assert.ok(left.length > 0, "somebody must stay");
  return left;
}
