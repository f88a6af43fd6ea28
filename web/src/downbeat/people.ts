/** Who is in the room, by student id: from the join's answer, and then from presence, one connection at a time. */
import type { WireClockReport } from './clock_report';
import type { TokenRole } from './types';
import type { WireMember, WirePresences } from './wire';

export interface Person {
  name: string;
  role: TokenRole;
  hand: boolean;
  connections: number;
  /** The connections by presence's refs; empty until presence has told. */
  refs: ReadonlySet<string>;
  /** By ref, what the connections' devices say of their clocks. */
  clocks: ReadonlyMap<string, WireClockReport>;
  /** When they came first, as far as it is known; ms of the cluster's clock. */
  joinedAt: number;
}

export type People = ReadonlyMap<string, Person>;

const NOBODY: ReadonlySet<string> = new Set();
const NOTHING_SAID: ReadonlyMap<string, WireClockReport> = new Map();

/** After a join: those whom the answer names, and as absent those who were here before and have not come back yet. */
export function peopleOf(members: WireMember[], before: People): People {
  const people = new Map([...before].map(([id, person]) => [id, absent(person)]));
  for (const { student_id: id, name, role, hand, connections } of members) {
    const known = before.get(id);
    const refs = known?.refs.size === connections ? known.refs : NOBODY;
    const clocks = known?.refs === refs ? known.clocks : NOTHING_SAID;
    people.set(id, { name, role, hand, connections, refs, clocks, joinedAt: known?.joinedAt ?? Infinity });
  }
  return people;
}

/** `presence_state`: all who are here. */
export function stateOf(people: People, presences: WirePresences): People {
  const here = new Map([...people].map(([id, person]) => [id, absent(person, person.hand)]));
  return withoutHandsOfAbsent(joined(here, presences));
}

/** `presence_diff`: who has come, and then who has gone. */
export function changed(people: People, joins: WirePresences, leaves: WirePresences): People {
  const next = new Map(joined(people, joins));
  for (const [id, { metas }] of Object.entries(leaves)) {
    const person = next.get(id);
    if (!person) continue;
    const [refs, clocks] = [new Set(person.refs), new Map(person.clocks)];
    for (const { phx_ref } of metas) {
      refs.delete(phx_ref);
      clocks.delete(phx_ref);
    }
    next.set(id, { ...person, refs, clocks, connections: refs.size });
  }
  return withoutHandsOfAbsent(next);
}

export function withHand(people: People, id: string, hand: boolean): People {
  const person = people.get(id);
  return person ? new Map(people).set(id, { ...person, hand }) : people;
}

export function without(people: People, id: string): People {
  const next = new Map(people);
  next.delete(id);
  return next;
}

function joined(people: People, joins: WirePresences): People {
  const next = new Map(people);
  for (const [id, { metas }] of Object.entries(joins)) {
    const before = next.get(id);
    const latest = metas.at(-1);
    if (!latest) continue;
    const [refs, clocks] = [new Set(before?.refs), new Map(before?.clocks)];
    for (const { phx_ref, clock } of metas) {
      refs.add(phx_ref);
      if (clock) clocks.set(phx_ref, clock);
    }
    const { name, role } = latest;
    const first = before?.joinedAt ?? Infinity;
    const joinedAt = first < Infinity ? first : latest.joined_at;
    next.set(id, { name, role, hand: before?.hand ?? false, connections: refs.size, refs, clocks, joinedAt });
  }
  return next;
}

function absent(person: Person, hand = false): Person {
  return { ...person, hand, connections: 0, refs: NOBODY, clocks: NOTHING_SAID };
}

/** Who has gone holds no hand up: the server has forgotten it too. */
function withoutHandsOfAbsent(people: People): People {
  const lowered = ([id, person]: [string, Person]): [string, Person] =>
    [id, person.connections === 0 && person.hand ? { ...person, hand: false } : person];
  return new Map([...people].map(lowered));
}
