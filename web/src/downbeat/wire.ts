/** What the server sends of a room, as docs/protocol.md has it. */
import type { WireClockReport } from './clock_report';
import type { AssignedRole, Timeline, TokenRole } from './types';

export interface WireMember {
  student_id: string;
  name: string;
  role: TokenRole;
  connections: number;
  muted: boolean;
  hand: boolean;
}

export interface WireSettings {
  autostart: boolean;
  max_students: number;
  locked: boolean;
  name: string;
}

/** Place in the pattern → students. */
export type WireAssignments = Record<string, string[]>;

/** The answer to a join and to `get_room`. */
export interface JoinReply {
  room_id: string;
  bpm: number;
  playing: boolean;
  role: TokenRole;
  student_id: string;
  timeline: Timeline;
  members: WireMember[];
  assignments: WireAssignments;
  muted: string[];
  roles: Record<string, AssignedRole>;
  settings: WireSettings;
  server_time: number;
}

export interface WireMeta {
  phx_ref: string;
  name: string;
  role: TokenRole;
  /** ms of the cluster's clock. */
  joined_at: number;
  /** What the connection's device has said of itself. */
  clock?: WireClockReport;
}

/** Who is here, by student id; each meta is one connection. */
export type WirePresences = Record<string, { metas: WireMeta[] }>;

export interface WireNote {
  midi: number;
  velocity: number;
  student_id: string;
  timestamp: number;
  beat: number | null;
}

/** The answer to `clock_sync`, with the stamps of both ends. */
export interface WireProbe {
  t0: number;
  t1: number;
  t2: number;
  t3: number;
  unc_us: number;
}
