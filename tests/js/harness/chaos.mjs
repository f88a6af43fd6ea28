// Faults at random moments, one a round, while a class plays; the invariants are checked after each.
import assert from "node:assert/strict";
import { Cluster } from "./cluster.mjs";
import { insist } from "./controls.mjs";
import { Random } from "./random.mjs";
import { Redis } from "./redis.mjs";
import { INTERVAL_MS, Scene, without } from "./scene.mjs";
import { eventually, span } from "./wait.mjs";
import { now } from "./witness.mjs";

const NODES = ["a", "b", "c"];
/** I5, and what the fault itself lasts on top of it. */
const AGAIN_MS = 3_000;
/** How long Redis' own restart may delay controls: a session is renewed, and a second before any takeover. */
const AFTER_REDIS_MS = 8_000;
/** The most of the control room's lateness that is taken for noise in a round that struck it too. */
const TRUSTED_NOISE_MS = 15;

/** What can happen to a node or to Redis. `hits`: the target's own clients are disturbed too. */
export const FAULTS = {
  "kill -9": {
    hits: true,
    strike: ({ node }) => node.kill(),
    mend: ({ node }) => node.comeBack(),
  },
  SIGTERM: {
    hits: true,
    strike: ({ node }) => node.terminate(),
    mend: ({ node }) => node.comeBack(),
  },
  "SIGSTOP short": {
    hits: true,
    strike: async ({ node, random }) => {
      node.freeze();
      await span(random.between(100, 1_200));
      node.thaw();
    },
  },
  "SIGSTOP long": {
    hits: true,
    strike: async ({ node }) => node.freeze(),
    mend: async ({ node, random, at }) => {
      await span(Math.max(0, random.between(2_500, 5_000) - (now() - at)));
      node.thaw();
    },
  },
  "redis restart": {
    hits: false,
    allowMs: AFTER_REDIS_MS,
    strike: async ({ redis, random }) => {
      await redis.kill();
      await span(random.between(0, 2_500));
      await redis.comeBack();
    },
  },
  "kill pubsub": {
    hits: false,
    strike: ({ redis }) => redis.cli("CLIENT", "KILL", "TYPE", "pubsub"),
  },
};

export class Chaos {
  /** @param {{seed: number, rounds: number, report?: (line: string) => void}} options */
  constructor({ seed, rounds, report = () => {} }) {
    this.seed = seed;
    this.rounds = rounds;
    this.report = report;
    /** The run's noise until now, in ms: the machine's worst moment strikes some room of the run, not always the same. */
    this.noise = 0;
    /** One row a round: what struck whom, and what it came to. */
    this.table = [];
  }

  /** Plays all rounds; the first violation fails with the way to replay it. */
  async run() {
    const redis = await Redis.start();
    try {
      this.redis = redis;
      this.cluster = await Cluster.start({ redis });
      this.scene = await Scene.open(this.cluster, { conductor: "a", control: "b", on: NODES });
      for (let round = 1; round <= this.rounds; round++) {
        try {
          await this.#round(round);
        } catch (error) {
          const { fault, target } = this.table.at(-1) ?? {};
          const replay = `DOWNBEAT_CHAOS_SEED=${this.seed} DOWNBEAT_CHAOS_ROUNDS=${round}`;
          throw new Error(`round ${round}, ${fault} on ${target}; replay with ${replay}: ${error.message}`, {
            cause: error,
          });
        }
      }
    } finally {
      await this.scene?.close();
      await this.cluster?.stop();
      await redis.stop();
    }
  }

  async #round(number) {
    const { scene, cluster, redis } = this;
    // A chance of its own for every round, so that what happened before does not change what is drawn.
    const random = new Random(this.seed * 1_009 + number);
    const fault = random.pick(Object.keys(FAULTS));
    const aimed = random.next() < 0.6;
    const anybody = random.pick(NODES);
    const pauseMs = random.between(0, 700);
    const { hits, allowMs = AGAIN_MS, strike, mend = async () => {} } = FAULTS[fault];
    const owner = await cluster.conductorOf(scene.room);
    // The conductor more often than not; anybody else is a fault that nobody may notice.
    const id = aimed && cluster.nodes.has(owner) ? owner : anybody;
    const row = { round: number, fault, target: hits ? id : "redis", conductor: owner };
    this.table.push(row);
    const safe = hits ? without(NODES, id) : NODES;
    const teachers = safe.map((one) => scene.teacher(one));
    await scene.controls.clear(teachers[0]);

    const from = now();
    const struck = { node: cluster.node(id), redis, random, at: from };
    let playing = true;
    const music = [this.#notes(safe, () => playing), this.#lesson(teachers, () => playing)];
    try {
      await span(pauseMs);
      // Rooms may have moved since, to a node that came back.
      row.conductor = await cluster.conductorOf(scene.room);
      struck.at = now();
      const striking = Promise.resolve(strike(struck));
      if (!hits) await striking;
      const since = hits ? struck.at : now();
      const [took] = await Promise.all([scene.controls.work(teachers.at(-1), { since, within: allowMs }), striking]);
      row.controls_ms = Math.round(took);
      await mend(struck);
      await cluster.ready();
      await this.#everybodyIsBack(teachers[0]);
    } finally {
      playing = false;
      await Promise.all(music);
    }
    await scene.beats(2);
    const to = now();
    const disturbed = !hits || (await cluster.conductorOf(scene.controlRoom)) === id;
    this.noise = Math.max(this.noise, this.#noise(safe, disturbed, { from, to }));
    const { noise } = this;
    row.late_ms = Number(this.#worst(scene.peopleOn(safe), { from, to }).toFixed(1));
    row.noise_ms = Number(noise.toFixed(1));
    row.acked = scene.controls.acknowledged;
    row.seconds = Number(((to - from) / 1000).toFixed(1));
    this.#check(safe, hits ? [id] : [], { from, to, noise });
    await scene.controls.assertKept(
      teachers[0],
      scene.peopleOn(safe).map((player) => scene.witness(player)),
    );
    this.report(JSON.stringify(row));
  }

  /** Students on the safe nodes play the whole time. */
  async #notes(safe, goesOn) {
    for (let turn = 0; goesOn(); turn++) {
      await this.scene.student(safe[turn % safe.length]).push("play_note", { midi: 40 + (turn % 60) });
      await span(150);
    }
  }

  /** Teachers on the safe nodes give controls the whole time; some places are left for the measured ones. */
  async #lesson(teachers, goesOn) {
    const { controls } = this.scene;
    for (let turn = 0; goesOn() && controls.sent.length < 40; turn++) {
      await controls.assign(teachers[turn % teachers.length]);
      await span(200);
    }
  }

  async #everybodyIsBack(teacher) {
    const all = ["anchor", ...NODES.flatMap((id) => [`s-${id}`, `t-${id}`])].sort();
    const ask = async () => {
      await span(100);
      const view = await insist(teacher, "get_room");
      const joined = this.scene.players.every(({ channel }) => channel.state === "joined");
      return joined ? view.members.map((member) => member.student_id).sort() : "somebody has not joined";
    };
    await eventually("everybody in the room", ask, (members) => String(members) === String(all), 25_000);
  }

  /** The control room measures the noise; where the fault struck it too, it is trusted only so far. */
  #noise(safe, disturbed, stretch) {
    const { scene } = this;
    const control = this.#worst(
      safe.map((id) => scene.listeners.get(id)),
      stretch,
    );
    return Math.max(scene.loop.worst(stretch), disturbed ? Math.min(control, TRUSTED_NOISE_MS) : control);
  }

  #worst(players, stretch) {
    return Math.max(...players.map((player) => this.scene.witness(player).worstLateness(stretch)));
  }

  #check(safe, hit, { from, to, noise }) {
    const { scene } = this;
    for (const player of scene.peopleOn(safe)) {
      const witness = scene.witness(player);
      const joins = witness.since(from).filter(({ event }) => event === "joined").length;
      assert.equal(joins, 0, `${witness.name} had to rejoin`);
      witness.assertNothing(witness.wrongs({ from }), "on a node that lived");
      witness.assertNothing(witness.wrongsOfTime({ from, to, noise, interval: INTERVAL_MS }), "on a node that lived");
    }
    for (const player of scene.peopleOn(hit)) {
      const witness = scene.witness(player);
      // A gateway that stood still may skip the beats that it slept through.
      const own = witness.wrongsOfReturned({ from }).filter((wrong) => !wrong.startsWith("I1: beat"));
      witness.assertNothing(own, "on the node that was hit");
    }
  }
}
