// A room as this page knows it: its members, its timeline, its clock. Both roles look at it through this.
import { Channel } from './socket.js';
import { Clock } from './clock.js';

const SYNC_MS = 2_000;
const FIRST_SYNCS = 8;

export class Room {
  me; bpm = 120; online = false; ending = null;
  clock = new Clock();
  timeline = null;
  /** By student id: `{name, role, refs}`; `refs` are its connections. */
  members = new Map();
  muted = new Set();
  hands = new Set();
  #channel; #watch;

  /** `watch(event, payload)` hears all that `#hear` has worked in, and the channel's own events. */
  constructor(code, name, token, watch) {
    this.#watch = watch;
    this.#channel = new Channel(`music_room:${code}`, { name }, token, (event, payload) => this.#hear(event, payload));
    setInterval(() => this.#sync(), SYNC_MS);
  }

  push(event, payload) {
    return this.#channel.push(event, payload);
  }

  async #sync() {
    if (this.clock.slept) this.clock.reset();
    if (!this.online) return;
    const t0 = performance.now();
    const { t1, t2 } = await this.push('clock_sync', { i: 0, t0 }).catch(() => ({}));
    if (t2) this.clock.add(t0, t1, t2, performance.now());
  }

  #hear(event, payload) {
    this.#events[event]?.(payload);
    this.#watch(event, payload);
  }

  #events = {
    joined: async ({ student_id, members, muted, bpm, timeline }) => {
      [this.me, this.bpm, this.online] = [student_id, bpm, true];
      this.members = new Map(members.map(({ student_id: id, name, role }) => [id, { name, role, refs: new Set() }]));
      this.muted = new Set(muted);
      this.hands = new Set(members.filter(({ hand }) => hand).map(({ student_id: id }) => id));
      this.timeline = null;
      this.clock.reset();
      this.#events.timeline(timeline);
      for (let i = 0; i < FIRST_SYNCS; i++) await this.#sync();
    },
    offline: () => { this.online = false; },
    timeline: (next) => {
      const last = this.timeline;
      if (last && (next.epoch < last.epoch || (next.epoch === last.epoch && next.rev < last.rev))) return;
      if (last && next.time_base !== last.time_base) this.clock.reset();
      this.clock.guess(next.server_now_us / 1000);
      this.timeline = next;
    },
    tempo_changed: ({ bpm }) => { this.bpm = bpm; },
    student_muted: ({ student_id: id }) => { this.muted.add(id); },
    student_unmuted: ({ student_id: id }) => { this.muted.delete(id); },
    hand_raised: ({ student_id: id }) => { this.hands.add(id); },
    hand_lowered: ({ student_id: id }) => { this.hands.delete(id); },
    room_closed: () => { this.ending = 'room_closed'; },
    removed_from_room: () => { this.ending = 'removed_from_room'; },
    presence_state: (joins) => {
      this.members.clear();
      this.#events.presence_diff({ joins, leaves: {} });
    },
    presence_diff: ({ joins, leaves }) => {
      for (const [id, { metas }] of Object.entries(joins)) {
        const refs = this.members.get(id)?.refs ?? new Set();
        for (const { phx_ref, name, role } of metas) this.members.set(id, { name, role, refs: refs.add(phx_ref) });
      }
      for (const [id, { metas }] of Object.entries(leaves)) {
        const member = this.members.get(id);
        for (const { phx_ref } of metas) member?.refs.delete(phx_ref);
        if (!member?.refs.size) { this.members.delete(id); this.hands.delete(id); }
      }
    },
  };
}
