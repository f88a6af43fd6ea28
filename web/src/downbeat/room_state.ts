/** What is known of a room: from the join's answer and from each event after it. Pure: nothing here asks or tells. */
import type { WireClockReport } from './clock_report';
import { changed, peopleOf, stateOf, withHand, without, type People } from './people';
import { isNewer } from './timeline';
import type { AssignedRole, ClockState, Member, Participation, RoomState, Timeline } from './types';
import type { JoinReply, WireAssignments, WirePresences, WireSettings } from './wire';

export interface Known {
  name: string;
  me: RoomState['me'];
  bpm: number;
  locked: boolean;
  maxStudents: number;
  timeline: Timeline | null;
  source: ClockState['source'];
  people: People;
  muted: ReadonlySet<string>;
  roles: ReadonlyMap<string, AssignedRole>;
  assignments: ReadonlyMap<number, readonly string[]>;
  participation: Participation | null;
}

export const NOTHING_KNOWN: Known = {
  name: '',
  me: null,
  bpm: 120,
  locked: false,
  maxStudents: 0,
  timeline: null,
  source: 'clock',
  people: new Map(),
  muted: new Set(),
  roles: new Map(),
  assignments: new Map(),
  participation: null,
};

/** After a join's ok, the first or another: the room as it is now. Also after `get_room`. */
export function joinedAs(known: Known, reply: JoinReply): Known {
  const people = peopleOf(reply.members, known.people);
  const fresh: Known = {
    ...known,
    me: { studentId: reply.student_id, role: reply.role, name: people.get(reply.student_id)?.name ?? '' },
    bpm: reply.bpm,
    // It may be another node's, which has heard more.
    source: reply.timeline.source,
    people,
    muted: new Set(reply.muted),
    roles: new Map(Object.entries(reply.roles)),
    assignments: assignmentsOf(reply.assignments),
  };
  return withTimeline(withSettings(fresh, reply.settings), reply.timeline);
}

/** What an event changes; the same object if it changes nothing. */
export function heard(known: Known, event: string, payload: unknown): Known {
  const change = Object.hasOwn(CHANGES, event) ? CHANGES[event] : undefined;
  return change ? change(known, payload as never) : known;
}

interface About {
  student_id: string;
}

const CHANGES: Record<string, (known: Known, payload: never) => Known> = {
  timeline: (known, timeline: Timeline) => withTimeline(known, timeline),
  tempo_changed: (known, { bpm }: { bpm: number }) => ({ ...known, bpm }),
  clock_lost: (known) => ({ ...known, source: 'lost' }),
  clock_restored: (known) => ({ ...known, source: 'clock' }),

  presence_state: (known, presences: WirePresences) => ({ ...known, people: stateOf(known.people, presences) }),
  presence_diff: (known, { joins, leaves }: { joins: WirePresences; leaves: WirePresences }) =>
    ({ ...known, people: changed(known.people, joins, leaves) }),
  student_removed: (known, { student_id }: About) => ({ ...known, people: without(known.people, student_id) }),

  student_muted: (known, { student_id }: About) => ({ ...known, muted: new Set(known.muted).add(student_id) }),
  student_unmuted: (known, { student_id }: About) => {
    const muted = new Set(known.muted);
    muted.delete(student_id);
    return { ...known, muted };
  },
  hand_raised: (known, { student_id }: About) => ({ ...known, people: withHand(known.people, student_id, true) }),
  hand_lowered: (known, { student_id }: About) => ({ ...known, people: withHand(known.people, student_id, false) }),
  role_assigned: (known, { student_id, role }: About & { role: AssignedRole | null }) => {
    const roles = new Map(known.roles);
    if (role) roles.set(student_id, role);
    else roles.delete(student_id);
    return { ...known, roles };
  },

  beat_assignments: (known, { assignments }: { assignments: WireAssignments }) =>
    ({ ...known, assignments: assignmentsOf(assignments) }),
  beat_assignment_updated: (known, { assignments }: { assignments: WireAssignments }) =>
    ({ ...known, assignments: assignmentsOf(assignments) }),

  room_locked: (known) => ({ ...known, locked: true }),
  room_unlocked: (known) => ({ ...known, locked: false }),
  settings_changed: (known, { settings }: { settings: WireSettings }) => withSettings(known, settings),
  participation: (known, participation: Participation) => ({ ...known, participation }),
};

/** Older news than what is known change nothing: messages of two nodes may cross. */
function withTimeline(known: Known, timeline: Timeline): Known {
  if (!isNewer(timeline, known.timeline)) return known;
  // A node whose clock waits goes on sending the timeline that it last heard of.
  const waits = known.source === 'lost' && timeline.source === 'holdover';
  return { ...known, timeline, bpm: tempoOf(timeline) ?? known.bpm, source: waits ? 'lost' : timeline.source };
}

/** Where the tempo is, or is going, while the clock runs: a `tempo_changed` may be lost on the way, timelines come again. */
function tempoOf({ playing, segments }: Timeline): number | null {
  const last = segments.at(-1);
  return playing && last ? Math.round((last.ramp?.to_milli_bpm ?? last.milli_bpm) / 1_000) : null;
}

function withSettings(known: Known, { name, locked, max_students }: WireSettings): Known {
  return { ...known, name, locked, maxStudents: max_students };
}

function assignmentsOf(assignments: WireAssignments): Known['assignments'] {
  return new Map(Object.entries(assignments).map(([place, ids]) => [Number(place), ids]));
}

/** For the page: in the order in which they came. */
export function membersOf({ people, muted, roles, assignments }: Known): Member[] {
  const inOrder = [...people].sort(([, one], [, other]) => order(one.joinedAt) - order(other.joinedAt));
  return inOrder.map(([studentId, { name, role, hand, connections, clocks }]) => ({
    studentId,
    name,
    role,
    muted: role === 'student' && muted.has(studentId),
    hand,
    connections,
    assignedRole: roles.get(studentId) ?? null,
    beats: [...assignments].filter(([, ids]) => ids.includes(studentId)).map(([place]) => place),
    ...(clocks.size > 0 && { clock: worstOf([...clocks.values()]) }),
  }));
}

/** A person's notes may come from any of their devices. */
function worstOf(clocks: WireClockReport[]): NonNullable<Member['clock']> {
  const most = (of: (clock: WireClockReport) => number) => Math.max(...clocks.map(of)) / 1_000;
  return { uncertaintyMs: most(({ unc_us }) => unc_us), roundTripMs: most(({ round_trip_us }) => round_trip_us) };
}

/** Those of whom presence has not told yet come last, as the server named them. */
function order(joinedAt: number): number {
  return Math.min(joinedAt, Number.MAX_VALUE);
}
