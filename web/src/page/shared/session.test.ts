import { afterEach, describe, expect, it } from 'vitest';
import {
  claimsOf, forgetGuestPass, guestPass, keepGuestPass, keepStudentsOrigin, lasts, studentsOrigin, takeToken,
} from './session';

const token = (claims: object): string => {
  const octets = new TextEncoder().encode(JSON.stringify(claims));
  const text = btoa(String.fromCharCode(...octets)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  return `head.${text}.signature`;
};
const NOW = 1_800_000_000_000;
const inSeconds = (s: number) => NOW / 1000 + s;

describe('a token in the address', () => {
  it('is taken, and leaves the address', () => {
    expect(takeToken('#token=a.b.c')).toEqual({ token: 'a.b.c', students: null, hash: '' });
  });

  it('leaves what else the address says', () => {
    expect(takeToken('#view=grid&token=a.b.c')).toEqual({ token: 'a.b.c', students: null, hash: '#view=grid' });
  });

  it('may bring where students find the server', () => {
    const students = 'http://192.168.1.20:4000';
    expect(takeToken(`#token=a.b.c&students=${encodeURIComponent(students)}`)).toEqual({ token: 'a.b.c', students, hash: '' });
  });

  it('is not made up where there is none', () => {
    expect(takeToken('')).toEqual({ token: null, students: null, hash: '' });
    expect(takeToken('#content')).toEqual({ token: null, students: null, hash: '#content' });
  });
});

describe('what a token says', () => {
  it('is read with all the letters of a name', () => {
    expect(claimsOf(token({ sub: 'zoe', name: 'Zoë 🎺 Müller?>' }))).toEqual({ sub: 'zoe', name: 'Zoë 🎺 Müller?>' });
  });

  it('is nothing where the text is no token', () => {
    expect([claimsOf(''), claimsOf('a.b'), claimsOf('a.!!.c')]).toEqual([null, null, null]);
  });

  it('tells whether it still lasts long enough to join', () => {
    expect(lasts(token({ exp: inSeconds(3_600) }), NOW)).toBe(true);
    expect(lasts(token({ exp: inSeconds(5) }), NOW)).toBe(false);
    expect(lasts(token({ exp: inSeconds(-1) }), NOW)).toBe(false);
    expect(lasts('no token', NOW)).toBe(false);
  });
});

describe('a guest', () => {
  const CODE = 'MUSIC-1234';
  const good = { token: token({ exp: Date.now() / 1000 + 3_600 }), name: 'Ada' };
  afterEach(() => forgetGuestPass(CODE));

  it('stays the same person over a reload, in that room alone', () => {
    keepGuestPass(CODE, good);
    expect(guestPass(CODE)).toEqual(good);
    expect(guestPass('MUSIC-9999')).toBeNull();
  });

  it('is nobody again once the pass has run out', () => {
    keepGuestPass(CODE, { ...good, token: token({ exp: 1 }) });
    expect(guestPass(CODE)).toBeNull();
  });
});

describe('where students find the server', () => {
  afterEach(() => keepStudentsOrigin(null));

  it('is what the server says, for this page may be known here by a name of its own', () => {
    keepStudentsOrigin('http://192.168.1.20:4000');
    expect(studentsOrigin()).toBe('http://192.168.1.20:4000');
  });
});
