import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Platform } from './platform';
import { joinRoomOn } from './room';
import { FakeServer, OFFSET, playingFrom, replyOf, timelineOf, WAY_MS } from './testing/fake_server';
import type { Beat, JoinOptions, Note, Room } from './types';

const START = 1_000_000;

describe('a room', () => {
  let server: FakeServer;
  let room: Room;
  let hidden: boolean;

  beforeEach(() => {
    vi.useFakeTimers({ now: START });
    [server, hidden] = [new FakeServer(), false];
  });
  afterEach(() => {
    room.leave();
    vi.useRealTimers();
  });

  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  function enter(options: Partial<JoinOptions> = {}, platform: Partial<Platform> = {}): Room {
    const endpoint = 'ws://school.example/socket';
    const all = { code: 'MUSIC-1234', token: () => Promise.resolve('t'), endpoint, ...options };
    room = joinRoomOn(server.platform({ hidden: () => hidden, ...platform }), all);
    return room;
  }

  /** An audio clock that began at `START`, whose sound takes 20 ms. */
  function audio(): AudioContext {
    const context = {
      state: 'running',
      get currentTime() { return (Date.now() - START) / 1_000; },
      outputLatency: 0.02,
    };
    return context as unknown as AudioContext;
  }

  function scheduled(): { beats: Map<number, number>; cancelled: number[]; stop: () => void } {
    const [beats, cancelled] = [new Map<number, number>(), [] as number[]];
    const stop = room.scheduleOnBeat(({ beat }, when) => {
      beats.set(beat, Math.round(when * 1_000));
      return () => {
        beats.delete(beat);
        cancelled.push(beat);
      };
    });
    return { beats, cancelled, stop };
  }

  it('begins with nothing known', () => {
    enter();
    expect(room.state).toMatchObject({ code: 'MUSIC-1234', connection: 'connecting', me: null, timeline: null });
    expect(room.state.clock).toMatchObject({ quality: 'unknown', uncertaintyMs: Infinity });
    expect(room.now()).toBeNaN();
    expect([room.beatAt(5), room.timeAt(5), room.currentBeat(), room.audioTimeAt(5)]).toEqual([null, null, null, null]);
  });

  it('is joined, and its clock found', async () => {
    const seen: string[] = [];
    enter({ name: 'Ada' }).subscribe(({ connection, clock }) => seen.push(`${connection} ${clock.quality}`));
    await pass(2_000);
    expect([...new Set(seen)]).toEqual(['online unknown', 'online settling', 'online good']);
    expect(room.now()).toBe(Date.now() + OFFSET);
    expect(room.state.clock.uncertaintyMs).toBeCloseTo(WAY_MS + 0.2, 0);
    expect(room.state.clock.roundTripMs).toBe(2 * WAY_MS);
    expect(room.state.me).toEqual({ studentId: 'ada', role: 'student', name: 'Ada' });
  });

  it('tells nobody of a state in which nothing has changed', async () => {
    enter();
    await pass(5_000);
    const states = new Set([room.state]);
    const stop = room.subscribe((state) => states.add(state));
    server.say('beat', { beat: 1 });
    await pass(10_000);
    expect(states.size).toBe(1);
    stop();
    server.say('tempo_changed', { bpm: 99 });
    await pass(100);
    expect(states.size).toBe(1);
    expect(room.state.bpm).toBe(99);
  });

  it('says where the beat is', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000, { stop_at_ub: 8_000_000 }) });
    enter();
    await pass(2_300);
    const zero = START + 1_000 + OFFSET;
    expect([room.beatAt(zero + 750), room.beatAt(zero + 60_000)]).toEqual([1.5, 8]);
    expect([room.timeAt(1.5), room.timeAt(8), room.timeAt(8.1)]).toEqual([zero + 750, zero + 4_000, null]);
    expect(room.currentBeat()).toMatchObject({ run: 1, beat: 2, at: zero + 1_000, bpm: 120, bar: 1, pulse: 3 });
    expect(room.currentBeat(zero - 1)).toBeNull();
    expect(room.currentBeat(zero + 4_000)).toBeNull();
  });

  it('calls at each beat when it is due', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_010) });
    enter();
    const told: [number, number][] = [];
    const stop = room.onBeat(({ beat }: Beat) => told.push([beat, Date.now() - START]));
    await pass(2_600);
    expect(told).toEqual([[0, 1_010], [1, 1_510], [2, 2_010], [3, 2_510]]);
    stop();
    await pass(1_000);
    expect(told).toHaveLength(4);
  });

  it('schedules beats on the audio clock so that they are heard when they are due', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000) });
    enter();
    const { beats } = scheduled();
    room.useAudio(audio());
    await pass(3_000);
    expect([...beats]).toEqual([[0, 980], [1, 1_480], [2, 1_980], [3, 2_480], [4, 2_980]]);
    expect(room.audioTimeAt(START + 4_000 + OFFSET)).toBeCloseTo(3.98);
  });

  it('schedules earlier by the nudge, within half a second', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000) });
    enter();
    const { beats, cancelled } = scheduled();
    room.useAudio(audio());
    await pass(1_900);
    room.nudgeMs = 50;
    await pass(600);
    expect(beats.get(2)).toBe(1_930);
    expect(cancelled).toEqual([2]);
    room.nudgeMs = 900;
    expect(room.nudgeMs).toBe(500);
    room.nudgeMs = NaN;
    expect(room.nudgeMs).toBe(0);
  });

  it('takes back what is not to be: without audio, after a stop of the scheduler, at the end', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000) });
    enter();
    const [one, other] = [scheduled(), scheduled()];
    const context = audio();
    room.useAudio(context);
    await pass(1_920);
    one.stop();
    expect([one.cancelled, other.cancelled]).toEqual([[2], []]);
    room.useAudio(null);
    expect(other.cancelled).toEqual([2]);
    room.useAudio(context);
    await pass(500);
    expect([...other.beats.keys()]).toEqual([0, 1, 2, 3]);
    room.leave();
    expect(other.cancelled).toEqual([2, 3]);
  });

  it('takes back what it has given to one context when there is another', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000) });
    enter();
    const { beats, cancelled } = scheduled();
    room.useAudio(audio());
    await pass(1_920);
    room.useAudio(audio());
    expect(cancelled).toEqual([2]);
    expect(beats.get(2)).toBe(1_980);
  });

  it('plays on while disconnected, and comes back without a beat too many or too few', async () => {
    server.reply = replyOf({ timeline: playingFrom(START + 1_000) });
    enter();
    const { beats, cancelled } = scheduled();
    const told: number[] = [];
    room.onBeat(({ beat }) => told.push(beat));
    room.useAudio(audio());
    await pass(2_000);
    server.cut();
    await pass(30_000);
    expect(room.state).toMatchObject({ connection: 'offline', playing: true });
    server.reachable = true;
    server.reply = replyOf({ timeline: playingFrom(START + 1_000, { epoch: 2 }) });
    await pass(15_000);
    expect(room.state.connection).toBe('online');
    const all = Array.from({ length: 93 }, (_, beat) => beat);
    expect([...beats.keys()]).toEqual(all);
    expect([...beats.values()]).toEqual(all.map((beat) => 980 + 500 * beat));
    expect(told).toEqual(all);
    expect(cancelled).toEqual([]);
  });

  it('plays on in holdover, and waits while the clock is lost', async () => {
    server.reply = replyOf({ timeline: playingFrom(START) });
    enter();
    const told: number[] = [];
    room.onBeat(({ beat }) => told.push(beat));
    await pass(1_000);
    server.say('timeline', playingFrom(START, { source: 'holdover' }));
    await pass(1_000);
    expect(room.state.clock.source).toBe('holdover');
    expect(told.at(-1)).toBe(4);
    server.say('clock_lost', { since: 0 });
    await pass(1_900);
    expect(told.at(-1)).toBe(4);
    expect(room.currentBeat()).toBeNull();
    server.say('clock_restored', {});
    await pass(300);
    expect(told.slice(-2)).toEqual([4, 8]);
  });

  it('does not go back to an older timeline', async () => {
    server.reply = replyOf({ timeline: playingFrom(START, { rev: 8 }) });
    enter();
    await pass(500);
    server.say('timeline', timelineOf({ rev: 7 }));
    await pass(100);
    expect(room.state.playing).toBe(true);
  });

  it('measures the clock anew on another time base', async () => {
    enter();
    await pass(5_000);
    const probes = server.probes.length;
    server.leap = 3_600_000;
    server.say('timeline', timelineOf({ rev: 2, time_base: 'b' }));
    await pass(1_000);
    expect(server.probes.length - probes).toBeGreaterThanOrEqual(8);
    expect(room.now()).toBe(Date.now() + OFFSET + 3_600_000);
  });

  it('measures the clock at once when the page is woken', async () => {
    let woken = () => undefined as void;
    enter({}, { onWake: (wake) => { woken = wake; return () => undefined; } });
    await pass(5_000);
    const probes = server.probes.length;
    woken();
    await pass(1_000);
    expect(server.probes.length - probes).toBeGreaterThanOrEqual(8);
  });

  it('tells of notes, and which are one\'s own', async () => {
    enter();
    const notes: Note[] = [];
    room.onNote((note) => notes.push(note));
    await pass(100);
    server.say('student_note', { midi: 60, velocity: 90, student_id: 'bob', timestamp: 5, beat: 1.25 });
    server.say('student_note', { midi: 62, velocity: 64, student_id: 'ada', timestamp: 5, beat: null });
    await pass(100);
    expect(notes).toEqual([
      { studentId: 'bob', midi: 60, velocity: 90, beat: 1.25, own: false },
      { studentId: 'ada', midi: 62, velocity: 64, beat: null, own: true },
    ]);
  });

  it('says with a note when it was played, as soon as the clock is known', async () => {
    enter();
    while (room.state.connection !== 'online') await pass(1);
    const early = room.playNote(60);
    await pass(2_000);
    const timed = room.playNote(61, 80, Date.now() - 40);
    await pass(100);
    await Promise.all([early, timed]);
    expect(server.pushed[0]!.payload).toEqual({ midi: 60 });
    const at = Date.now() - 100 - 40 + OFFSET;
    expect(server.pushed[1]!.payload).toEqual({ midi: 61, velocity: 80, at, unc_us: expect.any(Number) });
    const { unc_us } = server.pushed[1]!.payload as { unc_us: number };
    expect(unc_us / 1_000).toBeCloseTo(WAY_MS + 0.2, 0);
  });

  it('tells the room how well it knows the clock, on each connection once', async () => {
    enter();
    await pass(10_000);
    expect(server.clockReports.map(({ payload }) => payload)).toEqual([{ unc_us: 5_201, round_trip_us: 10_000 }]);
    server.cut();
    await pass(1_000);
    server.reachable = true;
    await pass(20_000);
    expect(server.clockReports.length).toBe(2);
  });

  it('asks for the room when an acknowledged control was lost', async () => {
    enter();
    await pass(100);
    server.answers['get_room'] = { status: 'ok', response: replyOf({ bpm: 77, muted: ['ada'] }) };
    server.say('control_lost', { rev: 9 });
    await pass(100);
    expect(room.state).toMatchObject({ bpm: 77, members: [{ studentId: 'ada', muted: true }] });
  });

  it('sends each control as the protocol has it', async () => {
    enter();
    await pass(100);
    const { controls } = room;
    void controls.setTempo(90);
    void controls.setTempo(91, 'bar');
    void controls.rampTempo(120, 8);
    void controls.start();
    void controls.start({ countIn: 4 });
    void controls.start({ resume: true });
    void controls.stop();
    void controls.reset();
    void controls.setMeter(4);
    void controls.setMeter(7, [2, 2, 3]);
    void controls.mute('bob');
    void controls.unmute('bob');
    void controls.muteAll();
    void controls.unmuteAll();
    void controls.assignBeat('bob', 3);
    void controls.clearBeat(3);
    void controls.clearBeats();
    void controls.assignRole('bob', 'section:altos');
    void controls.assignRole('bob', null);
    void controls.lock();
    void controls.unlock();
    void controls.remove('bob');
    void controls.close();
    void room.raiseHand();
    void room.lowerHand();
    await pass(100);
    expect(server.pushed.map(({ event, payload }) => [event, payload])).toEqual([
      ['set_tempo', { bpm: 90, at: 'now' }],
      ['set_tempo', { bpm: 91, at: 'bar' }],
      ['ramp_tempo', { bpm: 120, beats: 8 }],
      ['start_clock', {}],
      ['start_clock', { count_in: 4 }],
      ['start_clock', { resume: true }],
      ['stop_clock', {}],
      ['reset_clock', {}],
      ['set_meter', { beats_per_bar: 4 }],
      ['set_meter', { beats_per_bar: 7, groups: [2, 2, 3] }],
      ['mute_student', { student_id: 'bob' }],
      ['unmute_student', { student_id: 'bob' }],
      ['mute_all', {}],
      ['unmute_all', {}],
      ['assign_beat', { student_id: 'bob', beat: 3 }],
      ['clear_beat', { beat: 3 }],
      ['clear_beats', {}],
      ['assign_role', { student_id: 'bob', role: 'section:altos' }],
      ['assign_role', { student_id: 'bob', role: 'none' }],
      ['lock_room', {}],
      ['unlock_room', {}],
      ['remove_student', { student_id: 'bob' }],
      ['close_room', {}],
      ['raise_hand', {}],
      ['lower_hand', {}],
    ]);
  });

  it('ends for good, with the reason, and rests then', async () => {
    enter();
    await pass(100);
    server.say('room_closed', {});
    server.close();
    await pass(100);
    expect(room.state).toMatchObject({ connection: 'ended', ending: 'room_closed' });
    room.leave();
    expect(room.state.ending).toBe('room_closed');
    await pass(60_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(server.transports).toHaveLength(1);
  });
});
