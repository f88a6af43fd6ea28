/** How a student comes in: the code, the name, and the token that goes with them. */
import { joinRoom, type Room } from '../../downbeat';
import { guest } from '../shared/api';
import { claimsOf, guestPass, keepGuestPass, lasts, sessionToken } from '../shared/session';
import { reasonOf } from '../shared/say';

const NAME = 'downbeat.name';
/** Codes have four digits, six where a school has very many rooms. */
const DIGITS_MIN = 4;
export const DIGITS_MAX = 6;
export const NAME_MAX = 64;

/** The digits of a code, however it was written: `music 1234`, `MUSIC-1234`, `1234`. */
export const digitsOf = (text: string): string => text.replace(/\D/g, '').slice(0, DIGITS_MAX);

export type Missing = 'code' | 'name' | null;

/** What is still to be written before one can join. */
export function missingIn(digits: string, name: string): Missing {
  if (digits.length < DIGITS_MIN) return 'code';
  return name.trim() === '' ? 'name' : null;
}

export const codeOf = (digits: string): string => `MUSIC-${digits}`;

/** The name that was written here last, or the one that the school's link brings. */
export function rememberedName(): string {
  const token = sessionToken();
  const fromToken = token && claimsOf(token)?.name;
  if (fromToken) return fromToken;
  try {
    return localStorage.getItem(NAME) ?? '';
  } catch {
    return '';
  }
}

function rememberName(name: string): void {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // It is asked again next time.
  }
}

/** Whether this tab may come into the room without asking anything: after a reload, or by a link of the school's. */
export function knownHere(code: string): string | null {
  const pass = guestPass(code);
  if (pass) return pass.name;
  const token = sessionToken();
  return token && lasts(token) ? claimsOf(token)?.name ?? claimsOf(token)?.sub ?? null : null;
}

/** The school's token, or the guest's pass of this tab; null where there is neither, or it has run out. */
function tokenHere(code: string): string | null {
  const own = sessionToken();
  return own && lasts(own) ? own : guestPass(code)?.token ?? null;
}

async function newPass(code: string, name: string): Promise<string> {
  const { token } = await guest(code, name);
  keepGuestPass(code, { token, name });
  return token;
}

/** Whether the school's link brought a token that is no good any more. */
export function schoolTokenEnded(): boolean {
  const own = sessionToken();
  return own !== null && !lasts(own);
}

/** Asks for what is needed to come in, so that a wrong code is said in the form; then joins. */
export async function enter(code: string, name: string): Promise<Room> {
  rememberName(name);
  if (!tokenHere(code)) await newPass(code, name);
  return join(code, name);
}

/** Joins with what is there already. */
export const join = (code: string, name: string): Room =>
  joinRoom({ code, name, token: () => tokenOrEnding(code, name) });

/** What ends a room for good when there is no token for it; anything else is tried again. */
const FINAL = new Map([
  ['room_not_found', 'room_not_found'], ['room_locked', 'room_locked'], ['guests_off', 'forbidden'],
  ['session_expired', 'session_expired'], ['forbidden', 'forbidden'], ['tenant_suspended', 'suspended'],
]);

async function tokenOrEnding(code: string, name: string): Promise<string> {
  const held = tokenHere(code);
  if (held) return held;
  // Whom the school knows does not become a stranger in the middle of the lesson.
  if (schoolTokenEnded()) throw new Error('session_expired');
  try {
    return await newPass(code, name);
  } catch (failure) {
    const ending = FINAL.get(reasonOf(failure));
    throw ending ? new Error(ending) : failure;
  }
}

/** The address names the room from now on: a reload, or a friend who gets the link, comes to the same one. */
export function putCodeIntoAddress(code: string | null): void {
  const address = new URL(location.href);
  if (code) address.searchParams.set('room', code);
  else address.searchParams.delete('room');
  history.replaceState(history.state, '', address);
}

export const codeInAddress = (): string => digitsOf(new URLSearchParams(location.search).get('room') ?? '');
