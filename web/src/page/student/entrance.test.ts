import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JoinOptions } from '../../downbeat';

const joined = vi.hoisted(() => ({ options: [] as JoinOptions[] }));
vi.mock('../../downbeat', () => ({ joinRoom: (options: JoinOptions) => joined.options.push(options) && {} }));
const { digitsOf, enter, join, knownHere, missingIn } = await import('./entrance');
const { forgetGuestPass } = await import('../shared/session');

const CODE = 'MUSIC-1234';
/** A token as the server signs them, as far as this page can read it. */
const tokenOf = (claims: object) => `x.${btoa(JSON.stringify({ exp: Date.now() / 1000 + 3_600, ...claims }))}.x`;
const answer = (status: number, body: unknown) => vi.fn(async () => new Response(JSON.stringify(body), { status }));
const refusal = (status: number, code: string) => answer(status, { error: { code, message: code } });

beforeEach(() => { joined.options = []; });
/** What came with the school's link. */
const linkBrings = (token: string) => {
  const kept = new Map([['downbeat.token', token]]);
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
};
afterEach(() => {
  forgetGuestPass(CODE);
  vi.unstubAllGlobals();
});

describe('the code', () => {
  it('is its digits, however it was written', () => {
    expect(['1234', 'MUSIC-1234', ' music 12 34', '12345678'].map(digitsOf))
      .toEqual(['1234', '1234', '1234', '123456']);
  });

  it('is asked for before the name, and the name before one comes in', () => {
    expect(missingIn('', '')).toBe('code');
    expect(missingIn('123', 'Ada')).toBe('code');
    expect(missingIn('1234', ' ')).toBe('name');
    expect(missingIn('1234', 'Ada')).toBeNull();
  });
});

describe('coming in', () => {
  it('asks for a guest\'s pass once, and keeps it: a reload is the same student', async () => {
    const fetch = answer(201, { token: tokenOf({ sub: 'guest-1' }), student_id: 'guest-1' });
    vi.stubGlobal('fetch', fetch);
    await enter(CODE, 'Ada');
    const first = await joined.options[0]!.token();
    expect(knownHere(CODE)).toBe('Ada');
    join(CODE, 'Ada');
    expect(await joined.options[1]!.token()).toBe(first);
    expect(fetch).toHaveBeenCalledOnce();
  });

  it('does not join with a code that there is not: the form says so', async () => {
    vi.stubGlobal('fetch', refusal(404, 'room_not_found'));
    await expect(enter(CODE, 'Ada')).rejects.toMatchObject({ code: 'room_not_found' });
    expect(joined.options).toEqual([]);
    expect(knownHere(CODE)).toBeNull();
  });

  it('ends the room where a new pass is refused for good, and tries on where the server is only away', async () => {
    join(CODE, 'Ada');
    const { token } = joined.options[0]!;
    vi.stubGlobal('fetch', refusal(404, 'room_not_found'));
    await expect(token()).rejects.toThrow(/^room_not_found$/);
    vi.stubGlobal('fetch', refusal(403, 'guests_off'));
    await expect(token()).rejects.toThrow(/^forbidden$/);
    vi.stubGlobal('fetch', vi.fn(async () => { throw new TypeError('no network'); }));
    await expect(token()).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('asks nothing of whom the school\'s link names', async () => {
    const fetch = answer(500, {});
    vi.stubGlobal('fetch', fetch);
    const token = tokenOf({ sub: 'kim', name: 'Kim' });
    linkBrings(token);
    expect(knownHere(CODE)).toBe('Kim');
    await enter(CODE, 'Kim');
    expect(await joined.options[0]!.token()).toBe(token);
    expect(fetch).not.toHaveBeenCalled();
  });

  it('makes no stranger of whom the school knows, when the link\'s token runs out', async () => {
    vi.stubGlobal('fetch', answer(201, { token: tokenOf({}) }));
    linkBrings(tokenOf({ sub: 'kim', exp: Date.now() / 1000 - 60 }));
    join(CODE, 'Kim');
    await expect(joined.options[0]!.token()).rejects.toThrow(/^session_expired$/);
  });
});
