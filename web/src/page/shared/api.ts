/** The server's REST calls that pages make. */
import { keepStudentsOrigin, lasts, sessionToken } from './session';

/** A call that failed. `code` is the server's, or `unreachable`; `say` puts it into words. */
export class CallFailed extends Error {
  constructor(readonly code: string, message: string, readonly status = 0, readonly field: string | null = null) {
    super(message);
    this.name = 'CallFailed';
  }
}

export interface RoomSummary {
  room_id: string;
  name: string;
  bpm: number;
  beats_per_bar: number;
  playing: boolean;
  members: number;
  created_at: number;
  settings: { autostart: boolean; max_students: number; locked: boolean; name: string };
}

interface Call {
  token?: string;
  body?: unknown;
  accept?: string;
}

async function call(path: string, { token, body, accept = 'application/json' }: Call): Promise<Response> {
  const headers: Record<string, string> = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const asked: RequestInit = { method: body === undefined ? 'GET' : 'POST', headers, cache: 'no-store' };
  if (body !== undefined) asked.body = JSON.stringify(body);
  const answer = await fetch(path, asked).catch(() => {
    throw new CallFailed('unreachable', 'The server cannot be reached');
  });
  if (answer.ok) return answer;
  const { error } = (await answer.json().catch(() => ({}))) as { error?: Partial<CallFailed> };
  throw new CallFailed(
    answer.status === 401 ? 'session_expired' : error?.code ?? 'unreachable',
    error?.message ?? `HTTP ${answer.status}`, answer.status, error?.field ?? null,
  );
}

async function ask<T>(path: string, options: Call = {}): Promise<T> {
  return (await (await call(path, options)).json()) as T;
}

const room = (code: string) => `/api/music/rooms/${encodeURIComponent(code)}`;

/** A token for one room, for a student without an account. */
export async function guest(code: string, name: string): Promise<{ token: string; student_id: string }> {
  try {
    return await ask(`${room(code)}/guest`, { body: { name } });
  } catch (failure) {
    // The only field is the name, and it is never empty: what is wrong are its characters.
    if (failure instanceof CallFailed && failure.field === 'name') {
      throw new CallFailed('name_not_allowed', failure.message, failure.status, 'name');
    }
    throw failure;
  }
}

/**
 * The teacher's token: what came with the link, or what a server on this computer gives away for trying things out.
 * Rejects with `session_expired` or `teacher_link_needed`, which `say` explains.
 */
export async function teacherToken(): Promise<string> {
  const own = sessionToken();
  if (own && lasts(own)) return own;
  try {
    const given = await ask<{ token: string; lan_origin: string | null }>('/dev/token?role=teacher&sub=teacher');
    keepStudentsOrigin(given.lan_origin);
    return given.token;
  } catch (failure) {
    if (failure instanceof CallFailed && failure.code === 'unreachable' && failure.status === 0) throw failure;
    const code = own ? 'session_expired' : 'teacher_link_needed';
    throw new CallFailed(code, code);
  }
}

/** A page of the school's rooms; `next` asks for the following one. */
export async function listRooms(cursor?: string): Promise<{ rooms: RoomSummary[]; next: string | null }> {
  const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : '';
  return ask(`/api/music/rooms${query}`, { token: await teacherToken() });
}

export async function createRoom(wanted: { name: string; bpm: number; beats_per_bar: number }): Promise<RoomSummary> {
  return ask('/api/music/rooms', { token: await teacherToken(), body: { ...wanted, autostart: false } });
}

/** One of a room's reports (`participation`, `analytics`, `reflections`), as JSON. */
export async function report<T>(code: string, kind: string): Promise<T> {
  return ask(`${room(code)}/${kind}`, { token: await teacherToken() });
}

/** The same as a file: a table, or a page to print. */
export async function reportFile(code: string, kind: string, format: 'csv' | 'html'): Promise<Blob> {
  return (await call(`${room(code)}/${kind}?format=${format}`, { token: await teacherToken(), accept: '*/*' })).blob();
}

/** Takes a student's raised hand down, as the teacher. */
export async function lowerHandOf(code: string, studentId: string): Promise<void> {
  await ask(`${room(code)}/actions/lower_hand`, { token: await teacherToken(), body: { student_id: studentId } });
}
