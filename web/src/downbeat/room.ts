/** A room that one has joined: the way to it, what is known of it, its clock and its beats, put together. */
import { AudioClock } from './audio_clock';
import { BeatCalls } from './beat_calls';
import { ClusterClock, type Probe } from './clock';
import { ClockReport } from './clock_report';
import { ClockSync } from './clock_sync';
import { controlsOver } from './controls';
import { Link, type LinkListener } from './link';
import { browserPlatform, type Platform } from './platform';
import { heard, joinedAs, membersOf, NOTHING_KNOWN, type Known } from './room_state';
import { BeatPlanner } from './scheduler';
import { beatUnder, described, positionAt, timeOf } from './timeline';
import type {
  Beat, BeatScheduler, ClockState, Connection, Controls, Ending, JoinOptions, Note, Reflection, Room, RoomState,
  Timeline,
} from './types';
import { FAIR_MS } from './types';
import type { JoinReply, WireNote, WireProbe } from './wire';

/** Within this the server's reports take what a note says of its own time. */
const GOOD_MS = 10;
/** An uncertainty that has changed by a smaller part than this is not worth a new state. */
const NOTEWORTHY = 0.1;
const NUDGE_MAX_MS = 500;

/** Joins a room and stays in it through disconnections, until it ends or is left. */
export function joinRoom(options: JoinOptions): Room {
  return joinRoomOn(browserPlatform(), options);
}

/** The same with another platform beneath: for tests. */
export function joinRoomOn(platform: Platform, options: JoinOptions): Room {
  return new JoinedRoom(platform, options);
}

class JoinedRoom implements Room, LinkListener {
  readonly controls: Controls = controlsOver((event, payload) => this.#link.push(event, payload));
  readonly #code: string;
  readonly #platform: Platform;
  readonly #link: Link;
  readonly #clock: ClusterClock;
  readonly #sync: ClockSync;
  readonly #report = new ClockReport();
  readonly #listeners = new Set<(state: RoomState) => void>();
  readonly #noteListeners = new Set<(note: Note) => void>();
  readonly #planners = new Set<BeatPlanner>();
  readonly #calls = new BeatCalls();
  readonly #stops: (() => void)[];
  #known: Known = NOTHING_KNOWN;
  #connection: Connection = 'connecting';
  #ending: Ending | null = null;
  #state: RoomState;
  #audio: AudioClock | null = null;
  #nudgeMs = 0;
  #probes = 0;

  constructor(platform: Platform, options: JoinOptions) {
    [this.#platform, this.#code] = [platform, options.code];
    this.#clock = new ClusterClock(() => platform.here());
    this.#sync = new ClockSync(this.#clock, () => this.#probe(), platform, () => this.#clockChanged());
    this.#state = this.#compose();
    this.#link = new Link(options, platform, this);
    this.#stops = [platform.startTicker(() => this.#tick()), platform.onWake(() => this.#wake())];
  }

  get state(): RoomState {
    return this.#state;
  }

  subscribe(listener: (state: RoomState) => void): () => void {
    return added(this.#listeners, listener);
  }

  now(): number {
    return this.#clock.now();
  }

  beatAt(time: number): number | null {
    const { timeline } = this.#known;
    if (!timeline || timeline.segments.length === 0 || !Number.isFinite(time)) return null;
    return positionAt(timeline, Math.round(time * 1_000)) / 1_000_000;
  }

  timeAt(beat: number): number | null {
    const { timeline } = this.#known;
    if (!timeline || timeline.segments.length === 0 || !Number.isFinite(beat)) return null;
    const beatUb = Math.round(beat * 1_000_000);
    const never = timeline.stop_at_ub !== null && beatUb > timeline.stop_at_ub;
    return never ? null : timeOf(timeline, beatUb) / 1_000;
  }

  currentBeat(time = this.now()): Beat | null {
    const timeline = this.#sounding();
    if (!timeline || !Number.isFinite(time)) return null;
    const due = beatUnder(timeline, Math.floor(time * 1_000));
    return due && described(timeline, due);
  }

  onBeat(listener: (beat: Beat) => void): () => void {
    return this.#calls.add(listener);
  }

  scheduleOnBeat(scheduler: BeatScheduler): () => void {
    const planner = new BeatPlanner(scheduler);
    this.#planners.add(planner);
    this.#plan(planner);
    return () => {
      this.#planners.delete(planner);
      planner.cancel();
    };
  }

  useAudio(context: AudioContext | null): void {
    if (context === (this.#audio?.context ?? null)) return;
    for (const planner of this.#planners) planner.cancel();
    this.#audio = context && new AudioClock(context, () => this.#platform.here());
    if (this.#audio) this.#audio.nudgeMs = this.#nudgeMs;
    this.#tick();
  }

  audioTimeAt(time: number): number | null {
    const here = this.#clock.hereAt(time);
    return Number.isFinite(here) ? this.#audio?.timeAt(here) ?? null : null;
  }

  get nudgeMs(): number {
    return this.#nudgeMs;
  }

  set nudgeMs(ms: number) {
    this.#nudgeMs = Math.max(-NUDGE_MAX_MS, Math.min(NUDGE_MAX_MS, Number.isFinite(ms) ? ms : 0));
    if (this.#audio) this.#audio.nudgeMs = this.#nudgeMs;
  }

  onNote(listener: (note: Note) => void): () => void {
    return added(this.#noteListeners, listener);
  }

  async playNote(midi: number, velocity?: number, at: number = this.#platform.here()): Promise<void> {
    const played = this.#clock.clusterAt(at);
    const { uncertaintyMs } = this.#clock;
    const timed = Number.isFinite(played) && Number.isFinite(uncertaintyMs);
    await this.#link.push('play_note', {
      midi,
      ...(velocity !== undefined && { velocity }),
      ...(timed && { at: played, unc_us: Math.ceil(uncertaintyMs * 1_000) }),
    });
  }

  async raiseHand(): Promise<void> {
    await this.#link.push('raise_hand', {});
  }

  async lowerHand(): Promise<void> {
    await this.#link.push('lower_hand', {});
  }

  async submitReflection(reflection: Reflection): Promise<{ id: string }> {
    return (await this.#link.push('submit_reflection', reflection)) as { id: string };
  }

  leave(): void {
    this.#link.leave();
  }

  joined(reply: JoinReply): void {
    this.#connection = 'online';
    this.#report.restart();
    this.#learn(joinedAs(this.#known, reply));
    this.#sync.soon();
    this.#tick();
  }

  event(event: string, payload: unknown): void {
    if (event === 'student_note') return this.#note(payload as WireNote);
    this.#learn(heard(this.#known, event, payload));
    if (event === 'control_lost') void this.#askAnew();
  }

  offline(): void {
    this.#connection = 'offline';
    this.#update();
  }

  ended(ending: Ending): void {
    [this.#connection, this.#ending] = ['ended', ending];
    for (const stop of this.#stops) stop();
    for (const planner of this.#planners) planner.cancel();
    this.#planners.clear();
    this.#calls.stop();
    this.#update();
  }

  /** An acknowledged control is lost: what the room says now is what holds. */
  async #askAnew(): Promise<void> {
    try {
      this.#learn(joinedAs(this.#known, (await this.#link.push('get_room', {})) as JoinReply));
    } catch {
      // The line has broken: the next join tells all.
    }
  }

  #learn(known: Known): void {
    if (known === this.#known) return;
    const base = this.#known.timeline?.time_base;
    const [before, timeline] = [this.#known.timeline, known.timeline];
    this.#known = known;
    if (base !== undefined && timeline && timeline.time_base !== base) this.#sync.restart();
    this.#update();
    if (timeline !== before) this.#tick();
  }

  #note({ student_id, midi, velocity, beat }: WireNote): void {
    const own = student_id === this.#known.me?.studentId;
    for (const listener of this.#noteListeners) listener({ studentId: student_id, midi, velocity, beat, own });
  }

  async #probe(): Promise<Probe> {
    const i = (this.#probes += 1);
    const { t0, t1, t2, t3, unc_us } = (await this.#link.push('clock_sync', { i })) as WireProbe;
    return { t0, t1, t2, t3, serverUncertaintyMs: unc_us / 1_000 };
  }

  #tick(): void {
    if (this.#connection === 'ended') return;
    this.#link.tick();
    this.#sync.tick(this.#connection === 'online');
    this.#audio?.read();
    for (const planner of this.#planners) this.#plan(planner);
    this.#calls.tick(this.#sounding(), this.now(), () => this.#tick());
    this.#clockChanged();
    this.#tellClock();
  }

  /** Nothing goes by it: what is refused, or lost, is told again when it is news again. */
  #tellClock(): void {
    if (this.#connection !== 'online') return;
    const report = this.#report.due(this.#clockState(), this.#platform.here());
    if (report) this.#link.push('clock_report', report).then(() => this.#report.taken(), () => undefined);
  }

  #wake(): void {
    this.#link.wake();
    this.#sync.soon();
    this.#tick();
  }

  #plan(planner: BeatPlanner): void {
    const audio = this.#audio;
    planner.tick({
      timeline: audio?.running ? this.#sounding() : null,
      hidden: this.#platform.hidden(),
      audioNow: audio?.context.currentTime ?? 0,
      audioTimeAt: (time) => this.audioTimeAt(time),
      earliest: this.now() + (audio?.latencyMs ?? 0),
    });
  }

  /** The timeline, where its beats are to be heard: not while the server's clock waits. */
  #sounding(): Timeline | null {
    return this.#known.source === 'lost' ? null : this.#known.timeline;
  }

  #clockChanged(): void {
    const [now, shown] = [this.#clockState(), this.#state.clock];
    const same = now.quality === shown.quality && now.source === shown.source
      && Math.abs(now.uncertaintyMs - shown.uncertaintyMs) <= NOTEWORTHY * shown.uncertaintyMs;
    if (!same && !(now.quality === 'unknown' && shown.quality === 'unknown')) this.#update();
  }

  #clockState(): ClockState {
    const { uncertaintyMs, roundTripMs, known, settled } = this.#clock;
    const measured = uncertaintyMs <= GOOD_MS ? 'good' : uncertaintyMs <= FAIR_MS ? 'fair' : 'uncertain';
    const quality = !known ? 'unknown' : settled ? measured : 'settling';
    return { quality, uncertaintyMs, roundTripMs, source: this.#known.source };
  }

  #update(): void {
    this.#state = this.#compose();
    for (const listener of [...this.#listeners]) listener(this.#state);
  }

  #compose(): RoomState {
    const { name, me, bpm, locked, maxStudents, timeline, assignments, participation } = this.#known;
    return {
      code: this.#code, connection: this.#connection, ending: this.#ending,
      name, me, bpm, locked, maxStudents, timeline, assignments, participation,
      playing: timeline?.playing ?? false,
      members: membersOf(this.#known),
      clock: this.#clockState(),
    };
  }
}

/** Each addition is its own, also of the same function twice. */
function added<T>(listeners: Set<(heard: T) => void>, listener: (heard: T) => void): () => void {
  const own = (heard: T) => listener(heard);
  listeners.add(own);
  return () => void listeners.delete(own);
}
