/**
 * What a room looks like from the browser. Times of the cluster's clock are in milliseconds since 1970 with a fraction;
 * times on an audio clock in seconds, as Web Audio has them; positions in beats with a fraction, counted from 0.
 */

/** A stretch of steady or evenly changing tempo; integers as the server sends them (µs, millionths of a beat). */
export interface Segment {
  t0_us: number;
  beat0_ub: number;
  milli_bpm: number;
  ramp: null | { to_milli_bpm: number; len_ub: number };
}

export interface Meter {
  beats_per_bar: number;
  /** Pulses of each accented group, e.g. `[3, 2, 2]`; empty: the bar is one group. */
  groups: number[];
  bar0_ub: number;
}

/** The `timeline` event: all that is needed to compute every beat to come. */
export interface Timeline {
  epoch: number;
  rev: number;
  run: number;
  time_base: string | number;
  server_now_us: number;
  playing: boolean;
  source: 'clock' | 'holdover';
  segments: Segment[];
  stop_at_ub: number | null;
  meter: Meter;
}

/** One whole beat. */
export interface Beat {
  run: number;
  /** From 0 at the start of the run; negative while counting in. */
  beat: number;
  /** When it is due, on the cluster's clock, ms. */
  at: number;
  bpm: number;
  /** From 1; 0 and less while counting in. */
  bar: number;
  /** Its place in the bar, from 1. */
  pulse: number;
  /** Whether a bar begins (`bar`), a group of the metre (`group`), or neither. */
  accent: 'bar' | 'group' | 'none';
}

export type TokenRole = 'teacher' | 'student';
/** What the teacher made of a student: `co_teacher`, `soloist`, `listener`, or `section:<name>`. */
export type AssignedRole = 'co_teacher' | 'soloist' | 'listener' | `section:${string}`;

export interface Member {
  studentId: string;
  name: string;
  role: TokenRole;
  muted: boolean;
  hand: boolean;
  /** 0: not here at the moment. */
  connections: number;
  assignedRole: AssignedRole | null;
  /** The places of the pattern (from 1) that are theirs. */
  beats: number[];
  /** How well their devices know the clock, as they say themselves: of several the worst; absent until one has said. */
  clock?: { uncertaintyMs: number; roundTripMs: number };
}

/** Half of what is on time: a clock that is within this, ms, tells early from late. */
export const FAIR_MS = 25;

/** What is known of the cluster's clock here. */
export interface ClockState {
  /**
   * `unknown`: no sample yet; `settling`: the first seconds; `good`: within 10 ms, as reports want it; `fair`: within
   * 25 ms, enough to tell early from late; `uncertain`: the network leaves more room than that.
   */
  quality: 'unknown' | 'settling' | 'good' | 'fair' | 'uncertain';
  /** Half-width in ms of where the cluster's time may be; infinite while unknown. */
  uncertaintyMs: number;
  /** The shortest round trip among the samples in use, ms. */
  roundTripMs: number;
  /** `holdover`: the room's node is away, the beat goes on; `lost`: it was away too long, the server's clock waits. */
  source: 'clock' | 'holdover' | 'lost';
}

export type Connection = 'connecting' | 'online' | 'offline' | 'ended';

/** Why it has ended for good. */
export type Ending =
  | 'room_closed' | 'removed_from_room' | 'room_not_found' | 'room_locked' | 'room_full' | 'session_expired' | 'left'
  | 'suspended' | 'forbidden';

/** The teacher's `participation` push, as the server sends it (docs/protocol.md). */
export type Participation = Record<string, unknown>;

/** Everything that a page shows. Never changed: each change makes a new one. */
export interface RoomState {
  code: string;
  name: string;
  connection: Connection;
  ending: Ending | null;
  me: { studentId: string; role: TokenRole; name: string } | null;
  bpm: number;
  playing: boolean;
  locked: boolean;
  maxStudents: number;
  timeline: Timeline | null;
  /** In the order in which they came; the teacher too. */
  members: Member[];
  /** Place of the pattern (from 1) → student ids. */
  assignments: ReadonlyMap<number, readonly string[]>;
  participation: Participation | null;
  clock: ClockState;
}

export interface Note {
  studentId: string;
  midi: number;
  velocity: number;
  /** The fractional beat at which it arrived. */
  beat: number | null;
  /** It is one's own, which has sounded already. */
  own: boolean;
}

export interface Reflection {
  /** To change one that was submitted before. */
  id?: string;
  reflection_text: string;
  reflection_type: 'pre_session' | 'post_session' | 'exit_ticket';
  competency?: 'self_awareness' | 'self_management' | 'social_awareness' | 'relationship_skills'
    | 'responsible_decision_making';
  mood?: 1 | 2 | 3 | 4 | 5;
}

/**
 * A push that the server refused, or that no answer came to. `code` is the server's reason (`muted`, `unauthorized`,
 * `bpm must be an integer`, …), or `timeout`, or `offline`.
 */
export class Refused extends Error {
  constructor(readonly code: string) {
    super(code);
    this.name = 'Refused';
  }
}

/** What the teacher (or a co-teacher) can do. Each resolves when the server has stored it or rejects with `Refused`. */
export interface Controls {
  setTempo(bpm: number, at?: 'now' | 'beat' | 'bar'): Promise<void>;
  rampTempo(bpm: number, beats: number): Promise<void>;
  start(options?: { countIn?: number; resume?: boolean }): Promise<void>;
  stop(): Promise<void>;
  reset(): Promise<void>;
  setMeter(beatsPerBar: number, groups?: number[]): Promise<void>;
  mute(studentId: string): Promise<void>;
  unmute(studentId: string): Promise<void>;
  muteAll(): Promise<void>;
  unmuteAll(): Promise<void>;
  assignBeat(studentId: string, beat: number): Promise<void>;
  clearBeat(beat: number): Promise<void>;
  clearBeats(): Promise<void>;
  /** `null` takes the role away. */
  assignRole(studentId: string, role: AssignedRole | null): Promise<void>;
  lock(): Promise<void>;
  unlock(): Promise<void>;
  remove(studentId: string): Promise<void>;
  close(): Promise<void>;
}

export interface JoinOptions {
  code: string;
  /** Asked at each connection and before the last one expires; a rejection with `Ending` as message ends the room. */
  token: () => Promise<string>;
  name?: string;
  /** The socket's address without `/websocket`; default: `/socket` of the page's origin. */
  endpoint?: string;
}

/** Called ahead of a beat, with the moment on the audio clock. What it returns is called if the beat is not to be. */
export type BeatScheduler = (beat: Beat, when: number) => void | (() => void);

/** A room that one has joined. Made by `joinRoom`. */
export interface Room {
  readonly state: RoomState;
  /** Calls `listener` after each change of `state`; gives the way to stop it. */
  subscribe(listener: (state: RoomState) => void): () => void;

  /** Now on the cluster's clock, ms; `NaN` before the first sample. Never turns back while the clock goes with it. */
  now(): number;
  /** The position at a time of the cluster's clock; null without a timeline. */
  beatAt(time: number): number | null;
  /** When a position is reached, on the cluster's clock, ms; null if never. */
  timeAt(beat: number): number | null;
  /** The beat that sounds at a time of the cluster's clock (the whole beat begun last); null while nothing plays. */
  currentBeat(time?: number): Beat | null;

  /** Calls at each beat, when it is heard (or due, without audio); for drawing. Gives the way to stop it. */
  onBeat(listener: (beat: Beat) => void): () => void;
  /** Schedules sound for every beat to come on the audio clock given to `useAudio`. Gives the way to stop it. */
  scheduleOnBeat(scheduler: BeatScheduler): () => void;
  /** From here beats can be scheduled: the context must be running. `null` takes it away. */
  useAudio(context: AudioContext | null): void;
  /** The moment on the audio clock at which a time of the cluster's clock is heard; null without audio or clock. */
  audioTimeAt(time: number): number | null;
  /** What this device adds to the latency that it reports, ms (−500…500); beats are scheduled so much earlier. */
  nudgeMs: number;

  onNote(listener: (note: Note) => void): () => void;
  /** Plays for the others. `at` (performance.now() of the touch) lets the server judge early and late by it. */
  playNote(midi: number, velocity?: number, at?: number): Promise<void>;
  raiseHand(): Promise<void>;
  lowerHand(): Promise<void>;
  submitReflection(reflection: Reflection): Promise<{ id: string }>;
  readonly controls: Controls;
  leave(): void;
}
