/** A server in memory for the tests: a transport for phoenix.js whose time is the test's (vitest's fake timers). */
import type { Platform } from '../platform';
import { TICK_MS } from '../tick';
import type { Timeline } from '../types';
import type { JoinReply } from '../wire';

/** The cluster's clock is so far ahead of the browser's. */
export const OFFSET = 5_000_000;
/** A frame takes so long, each way, ms. */
export const WAY_MS = 5;

type Frame = [joinRef: string | null, ref: string | null, topic: string, event: string, payload: unknown];
export type Answer = { status: 'ok' | 'error'; response: unknown } | 'silence';

export interface Pushed {
  event: string;
  payload: Record<string, unknown>;
  at: number;
}

/** One connection, as phoenix.js sees it. */
class FakeTransport {
  readyState = 0;
  bufferedAmount = 0;
  onopen = () => undefined as void;
  onclose = (_event: unknown) => undefined as void;
  onerror = (_event: unknown) => undefined as void;
  onmessage = (_event: { data: string }) => undefined as void;
  joinRef: string | null = null;

  constructor(readonly server: FakeServer, readonly address: string, readonly protocols: string[]) {
    server.transports.push(this);
    setTimeout(() => {
      if (this.readyState !== 0) return;
      if (!server.reachable) return this.drop();
      this.readyState = 1;
      this.onopen();
    }, WAY_MS);
  }

  /** The token that phoenix.js hides in a subprotocol. */
  get token(): string {
    return atob(this.protocols[1]!.replace('base64url.bearer.phx.', ''));
  }

  send(text: string): void {
    setTimeout(() => this.readyState === 1 && this.server.take(this, JSON.parse(text) as Frame), WAY_MS);
  }

  close(): void {
    this.drop();
  }

  drop(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose({ code: 1006 });
  }

  say(frame: Frame): void {
    setTimeout(() => this.readyState === 1 && this.onmessage({ data: JSON.stringify(frame) }), WAY_MS);
  }
}

export class FakeServer {
  readonly transports: FakeTransport[] = [];
  readonly joins: Record<string, unknown>[] = [];
  /** All but joins, probes, reports of the clock and heartbeats. */
  readonly pushed: Pushed[] = [];
  readonly probes: number[] = [];
  readonly clockReports: Pushed[] = [];
  reachable = true;
  reply: JoinReply = replyOf();
  /** Why joins are refused. */
  refusal: string | null = null;
  answers: Record<string, Answer> = {};
  /** What an ordinary request to the socket's address is answered. */
  http = { status: 400, error: '' };
  /** ms of the cluster's clock beside what `OFFSET` says. */
  leap = 0;

  get now(): number {
    return Date.now() + OFFSET + this.leap;
  }

  get line(): FakeTransport {
    return this.transports.at(-1)!;
  }

  say(event: string, payload: unknown): void {
    this.line.say([null, null, 'music_room:MUSIC-1234', event, payload]);
  }

  /** The line breaks, and until `reachable` again there is no other. */
  cut(): void {
    this.reachable = false;
    this.line.drop();
  }

  take(line: FakeTransport, [joinRef, ref, topic, event, payload]: Frame): void {
    const answer = (given: Answer) => given === 'silence' || line.say([joinRef, ref, topic, 'phx_reply', given]);
    const ok = (response: unknown = {}) => answer({ status: 'ok', response });
    if (event === 'heartbeat') return void ok();
    if (event === 'phx_join') {
      this.joins.push(payload as Record<string, unknown>);
      line.joinRef = joinRef;
      if (this.refusal) return void answer({ status: 'error', response: { reason: this.refusal } });
      return void ok(this.reply);
    }
    if (event === 'clock_sync') {
      this.probes.push(Date.now());
      return void ok({ ...(payload as object), t1: this.now, t2: this.now, unc_us: 200 });
    }
    const into = event === 'clock_report' ? this.clockReports : this.pushed;
    into.push({ event, payload: payload as Record<string, unknown>, at: Date.now() });
    answer(this.answers[event] ?? { status: 'ok', response: {} });
  }

  /** phx_close: for good. */
  close(): void {
    this.line.say([this.line.joinRef, this.line.joinRef, 'music_room:MUSIC-1234', 'phx_close', {}]);
  }

  /** phx_error: passes. */
  fail(): void {
    this.line.say([this.line.joinRef, this.line.joinRef, 'music_room:MUSIC-1234', 'phx_error', {}]);
  }

  platform(change: Partial<Platform> = {}): Platform {
    const server = this;
    class Transport extends FakeTransport {
      constructor(address: string, protocols: string[]) {
        super(server, address, protocols);
      }
    }
    return {
      here: () => Date.now(),
      wall: () => Date.now() + 77,
      random: () => 0.5,
      hidden: () => false,
      fetch: () => Promise.resolve(Response.json({ error: this.http.error }, { status: this.http.status })),
      transport: Transport as unknown as new (endpoint: string) => object,
      startTicker(tick) {
        const timer = setInterval(tick, TICK_MS);
        return () => clearInterval(timer);
      },
      onWake: () => () => undefined,
      ...change,
    };
  }
}

export function timelineOf(change: Partial<Timeline> = {}): Timeline {
  return {
    epoch: 1, rev: 1, run: 1, time_base: 'a', server_now_us: 0, playing: false, source: 'clock', segments: [],
    stop_at_ub: null, meter: { beats_per_bar: 4, groups: [], bar0_ub: 0 }, ...change,
  };
}

/** At 120 from a time of the browser's clock on. */
export function playingFrom(here: number, change: Partial<Timeline> = {}): Timeline {
  const segments = [{ t0_us: (here + OFFSET) * 1_000, beat0_ub: 0, milli_bpm: 120_000, ramp: null }];
  return timelineOf({ playing: true, segments, ...change });
}

export function replyOf(change: Partial<JoinReply> = {}): JoinReply {
  return {
    room_id: 'MUSIC-1234',
    bpm: 120,
    playing: false,
    role: 'student',
    student_id: 'ada',
    timeline: timelineOf(),
    members: [{ student_id: 'ada', name: 'Ada', role: 'student', connections: 1, muted: false, hand: false }],
    assignments: {},
    muted: [],
    roles: {},
    settings: { autostart: true, max_students: 60, locked: false, name: '' },
    server_time: 0,
    ...change,
  };
}
