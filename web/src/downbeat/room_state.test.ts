import { describe, expect, it } from 'vitest';
import { heard, joinedAs, membersOf, NOTHING_KNOWN, type Known } from './room_state';
import type { Timeline } from './types';
import type { JoinReply } from './wire';

const TIMELINE: Timeline = {
  epoch: 1, rev: 5, run: 1, time_base: 'a', server_now_us: 0, playing: true, source: 'clock', segments: [],
  stop_at_ub: null, meter: { beats_per_bar: 4, groups: [], bar0_ub: 0 },
};

const REPLY: JoinReply = {
  room_id: 'MUSIC-1234',
  bpm: 90,
  playing: true,
  role: 'student',
  student_id: 'ada',
  timeline: TIMELINE,
  members: [
    { student_id: 'ada', name: 'Ada', role: 'student', connections: 1, muted: true, hand: true },
    { student_id: 'ms-lee', name: 'Ms Lee', role: 'teacher', connections: 2, muted: false, hand: false },
  ],
  assignments: { 1: ['ada'], 3: ['ada', 'bob'] },
  muted: ['ada', 'bob'],
  roles: { bob: 'soloist' },
  settings: { autostart: true, max_students: 60, locked: true, name: 'Tuesday' },
  server_time: 0,
};

const meta = (phx_ref: string, name: string, joined_at: number, role: 'teacher' | 'student' = 'student') =>
  ({ phx_ref, name, role, joined_at });

const PRESENT = { 'ms-lee': { metas: [meta('a', 'Ms Lee', 1, 'teacher')] }, ada: { metas: [meta('b', 'Ada', 2)] } };

const after = (known: Known, ...events: [event: string, payload: unknown][]): Known =>
  events.reduce((before, [event, payload]) => heard(before, event, payload), known);
const joined = joinedAs(NOTHING_KNOWN, REPLY);
const member = (known: Known, id: string) => membersOf(known).find(({ studentId }) => studentId === id);
const connections = (known: Known) =>
  Object.fromEntries(membersOf(known).map(({ studentId, connections: count }) => [studentId, count]));

describe('the tempo', () => {
  const segment = { t0_us: 0, beat0_ub: 0, milli_bpm: 96_000, ramp: null };
  const later = (change: object) => ['timeline', { ...TIMELINE, rev: 9, segments: [segment], ...change }] as [string, unknown];

  it('is the timeline\'s while the clock runs: a change whose event was lost is known all the same', () => {
    expect(after(joined, later({})).bpm).toBe(96);
    const ramp = { to_milli_bpm: 132_000, len_ub: 8_000_000 };
    expect(after(joined, later({ segments: [{ ...segment, ramp }] })).bpm).toBe(132);
  });

  it('is what was said last while the clock stands', () => {
    expect(after(joined, ['tempo_changed', { bpm: 77 }], later({ playing: false })).bpm).toBe(77);
  });
});

describe('what is known of a room', () => {
  it('is what the answer to the join says', () => {
    expect(joined).toMatchObject({ name: 'Tuesday', bpm: 90, locked: true, maxStudents: 60, timeline: TIMELINE });
    expect(joined.me).toEqual({ studentId: 'ada', role: 'student', name: 'Ada' });
    expect(member(joined, 'ada')).toEqual({
      studentId: 'ada', name: 'Ada', role: 'student', muted: true, hand: true, connections: 1, assignedRole: null,
      beats: [1, 3],
    });
    expect(joined.assignments).toEqual(new Map([[1, ['ada']], [3, ['ada', 'bob']]]));
  });

  it('is never changed in place, and the same where nothing changes', () => {
    const before = structuredClone(membersOf(joined));
    const ada = { student_id: 'ada' };
    after(joined, ['student_unmuted', ada], ['hand_lowered', ada], ['presence_state', {}]);
    expect(membersOf(joined)).toEqual(before);
    expect(heard(joined, 'beat', { beat: 1 })).toBe(joined);
    expect(heard(joined, 'an_event_of_the_future', {})).toBe(joined);
    expect(heard(joined, 'toString', {})).toBe(joined);
  });

  it('follows mutes, hands, roles and places', () => {
    const known = after(joined,
      ['student_unmuted', { student_id: 'ada' }],
      ['hand_lowered', { student_id: 'ada' }],
      ['role_assigned', { student_id: 'ada', role: 'listener' }],
      ['beat_assignment_updated', { beat: 2, student_id: 'ada', assignments: { 2: ['ada'] } }]);
    expect(member(known, 'ada')).toMatchObject({ muted: false, hand: false, assignedRole: 'listener', beats: [2] });
    const back = after(known,
      ['student_muted', { student_id: 'ada' }],
      ['hand_raised', { student_id: 'ada' }],
      ['role_assigned', { student_id: 'ada', role: null }],
      ['beat_assignments', { assignments: {} }]);
    expect(member(back, 'ada')).toMatchObject({ muted: true, hand: true, assignedRole: null, beats: [] });
  });

  it('follows the room: tempo, lock, settings, participation', () => {
    const known = after(joined,
      ['tempo_changed', { bpm: 140 }],
      ['room_unlocked', {}],
      ['participation', { not_yet: ['bob'] }]);
    expect(known).toMatchObject({ bpm: 140, locked: false, participation: { not_yet: ['bob'] } });
    const settings = { autostart: true, max_students: 5, locked: true, name: 'Friday' };
    const changed = after(known, ['settings_changed', { settings }]);
    expect(changed).toMatchObject({ maxStudents: 5, locked: true, name: 'Friday' });
    expect(after(known, ['room_locked', {}]).locked).toBe(true);
  });
});

describe('who is here', () => {
  const here = after(joined, ['presence_state', PRESENT]);

  it('knows of a member what their devices say of the clock: of several the worst, and of none nothing', () => {
    const clock = (unc_us: number) => ({ unc_us, round_trip_us: 2 * unc_us });
    const phone = { ada: { metas: [{ ...meta('b.1', 'Ada', 2), clock: clock(4_000) }] } };
    const one = after(here, ['presence_diff', { joins: phone, leaves: { ada: PRESENT.ada } }]);
    expect(member(one, 'ada')).toMatchObject({ connections: 1, clock: { uncertaintyMs: 4, roundTripMs: 8 } });
    const tablet = { ada: { metas: [{ ...meta('c.1', 'Ada', 3), clock: clock(30_000) }] } };
    const two = after(one, ['presence_diff', { joins: tablet, leaves: {} }]);
    expect(member(two, 'ada')?.clock).toEqual({ uncertaintyMs: 30, roundTripMs: 60 });
    const left = after(two, ['presence_diff', { joins: {}, leaves: tablet }]);
    expect(member(left, 'ada')?.clock).toEqual({ uncertaintyMs: 4, roundTripMs: 8 });
    expect(member(left, 'ms-lee')).not.toHaveProperty('clock');
  });

  it('stands in the order in which they came', () => {
    expect(membersOf(joined).map(({ studentId }) => studentId)).toEqual(['ada', 'ms-lee']);
    expect(membersOf(here).map(({ studentId }) => studentId)).toEqual(['ms-lee', 'ada']);
  });

  it('is counted by connections, and whoever has gone is known but away', () => {
    const tablet = { ada: { metas: [meta('c', 'Ada', 3)] } };
    const two = after(here, ['presence_diff', { joins: tablet, leaves: {} }]);
    expect(connections(two)).toEqual({ 'ms-lee': 1, ada: 2 });
    const one = after(two, ['presence_diff', { joins: {}, leaves: { ada: PRESENT.ada } }]);
    expect(connections(one)).toEqual({ 'ms-lee': 1, ada: 1 });
    const none = after(one, ['hand_raised', { student_id: 'ada' }], ['presence_diff', { joins: {}, leaves: tablet }]);
    expect(member(none, 'ada')).toMatchObject({ connections: 0, hand: false });
  });

  it('does not count a meta that takes the place of another twice', () => {
    const newer = { ada: { metas: [meta('d', 'Ada L.', 2)] } };
    const renamed = after(here, ['presence_diff', { joins: newer, leaves: { ada: PRESENT.ada } }]);
    expect(member(renamed, 'ada')).toMatchObject({ name: 'Ada L.', connections: 1 });
  });

  it('brings whoever comes, with the mute and the role that wait for them', () => {
    const bob = { bob: { metas: [meta('e', 'Bob', 9)] } };
    const known = after(here, ['presence_diff', { joins: bob, leaves: {} }]);
    const waiting = { studentId: 'bob', muted: true, assignedRole: 'soloist', beats: [3] };
    expect(membersOf(known).at(-1)).toMatchObject(waiting);
  });

  it('loses whoever is removed', () => {
    expect(member(after(here, ['student_removed', { student_id: 'ada' }]), 'ada')).toBeUndefined();
  });

  it('is taken afresh from a later join, which keeps as away whoever is not back yet', () => {
    const rejoined = joinedAs(here, { ...REPLY, members: [REPLY.members[0]!], muted: [], roles: {} });
    expect(connections(rejoined)).toEqual({ 'ms-lee': 0, ada: 1 });
    expect(membersOf(rejoined).map(({ studentId }) => studentId)).toEqual(['ms-lee', 'ada']);
    expect(member(rejoined, 'ada')).toMatchObject({ muted: false });
  });
});

describe('the timeline', () => {
  it('is no older than what was known', () => {
    const newer = { ...TIMELINE, rev: 6 };
    const known = after(joined, ['timeline', newer], ['timeline', TIMELINE]);
    expect(known.timeline).toBe(newer);
    const successor = { ...TIMELINE, epoch: 2, rev: 6 };
    expect(after(known, ['timeline', successor], ['timeline', { ...newer, rev: 9 }]).timeline).toBe(successor);
    expect(joinedAs(known, REPLY).timeline).toBe(newer);
  });

  it('goes on in holdover, and waits while the clock is lost', () => {
    const holdover = { ...TIMELINE, source: 'holdover' as const };
    const held = after(joined, ['timeline', holdover]);
    expect(held.source).toBe('holdover');
    const lost = after(held, ['clock_lost', { since: 0 }], ['timeline', { ...holdover, server_now_us: 5 }]);
    expect(lost.source).toBe('lost');
    expect(after(lost, ['clock_restored', {}]).source).toBe('clock');
    expect(after(lost, ['timeline', TIMELINE]).source).toBe('clock');
    expect(joinedAs(lost, { ...REPLY, timeline: holdover }).source).toBe('holdover');
  });
});
