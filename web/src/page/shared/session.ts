/**
 * Who sits at this tab. A token that came in the address (`#token=…`) stays for the tab, in sessionStorage, and leaves
 * the address at once: addresses are copied, projected and kept in histories.
 */

const TOKEN = 'downbeat.token';
const GUEST = 'downbeat.guest.';
const STUDENTS = 'downbeat.students';
/** A token that ends sooner is no good for joining. */
const SPARE_MS = 10_000;

/** What is read of a token here; whether it is good only the server knows. */
export interface Claims {
  exp?: number;
  sub?: string;
  name?: string;
  role?: string;
}

/** The claims of a JSON Web Token, or null where it is none. */
export function claimsOf(token: string): Claims | null {
  const [, middle] = token.split('.');
  if (!middle) return null;
  try {
    const octets = Uint8Array.from(atob(middle.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(octets));
    return typeof claims === 'object' ? claims : null;
  } catch {
    return null;
  }
}

/** Whether a token still lasts, as far as this device's clock can tell. */
export function lasts(token: string, now = Date.now()): boolean {
  const claims = claimsOf(token);
  return claims !== null && (claims.exp === undefined || claims.exp * 1000 > now + SPARE_MS);
}

type Storing = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The tab's memory, or one that lasts as long as the page where the browser denies it. */
function tab(): Storing {
  try {
    if (typeof sessionStorage !== 'undefined') return sessionStorage;
  } catch {
    // Denied: the page remembers by itself.
  }
  return remembered;
}
const held = new Map<string, string>();
const remembered: Storing = {
  getItem: (key) => held.get(key) ?? null,
  setItem: (key, value) => void held.set(key, value),
  removeItem: (key) => void held.delete(key),
};

/** What the address brings and how it reads without it: `#token=…` alone or among others (`#token=…&x=1`). */
export function takeToken(hash: string): { token: string | null; students: string | null; hash: string } {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const [token, students] = [parts.get('token'), parts.get('students')];
  if (!token) return { token: null, students: null, hash };
  parts.delete('token');
  parts.delete('students');
  const rest = parts.toString();
  return { token, students, hash: rest ? `#${rest}` : '' };
}

/** What `takeToken` reads, for another page of this teacher's: the projector's. */
export const inFragment = (token: string): string =>
  new URLSearchParams({ token, ...(studentsOrigin() !== location.origin && { students: studentsOrigin() }) }).toString();

/** Moves a token from the address into the tab's memory. Before anything else looks at the address. */
export function takeTokenFromAddress(): void {
  const { token, students, hash } = takeToken(location.hash);
  if (!token) return;
  tab().setItem(TOKEN, token);
  // Only the screen on the wall believes a link: it shows the address and leads nobody there.
  if (new URLSearchParams(location.search).get('role') === 'projector') keepStudentsOrigin(students);
  history.replaceState(history.state, '', `${location.pathname}${location.search}${hash}`);
}

/** The token that came with the address; it may have run out (`lasts`). */
export const sessionToken = (): string | null => tab().getItem(TOKEN);

/** Where students' devices find this server: `dev --lan` tells, for this page may be known here by a name of its own. */
export const studentsOrigin = (): string => tab().getItem(STUDENTS) ?? location.origin;

export function keepStudentsOrigin(origin: string | null): void {
  if (origin) tab().setItem(STUDENTS, origin);
  else tab().removeItem(STUDENTS);
}

/** A guest stays the same person over a reload: their token, and the name they gave. */
export interface GuestPass {
  token: string;
  name: string;
}

export function guestPass(code: string): GuestPass | null {
  try {
    const pass = JSON.parse(tab().getItem(GUEST + code) ?? 'null') as GuestPass | null;
    return pass && lasts(pass.token) ? pass : null;
  } catch {
    return null;
  }
}

export const keepGuestPass = (code: string, pass: GuestPass): void => tab().setItem(GUEST + code, JSON.stringify(pass));
export const forgetGuestPass = (code: string): void => tab().removeItem(GUEST + code);
