import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link, type LinkListener } from './link';
import type { Platform } from './platform';
import { FakeServer, replyOf } from './testing/fake_server';
import type { JoinOptions } from './types';

describe('the way to a room', () => {
  let server: FakeServer;
  let link: Link;
  let told: string[];
  let tokens: number;

  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    [server, told, tokens] = [new FakeServer(), [], 0];
  });
  afterEach(() => {
    link.leave();
    vi.useRealTimers();
  });

  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  const freshToken = () => Promise.resolve(`token-${(tokens += 1)}`);

  function open(options: Partial<JoinOptions> = {}, platform: Partial<Platform> = {}): void {
    const listener: LinkListener = {
      joined: ({ student_id }) => told.push(`joined ${student_id}`),
      event: (event) => told.push(event),
      offline: () => told.push('offline'),
      ended: (ending) => told.push(`ended ${ending}`),
    };
    const all = { code: 'MUSIC-1234', token: freshToken, endpoint: 'ws://school.example/socket', ...options };
    link = new Link(all, server.platform(platform), listener);
  }

  it('joins with the name and the token, which stays out of the address', async () => {
    open({ name: 'Ada' });
    await pass(100);
    expect(told).toEqual(['joined ada']);
    expect(server.joins).toEqual([{ name: 'Ada', access_token: 'token-1' }]);
    expect(server.line.token).toBe('token-1');
    expect(server.line.address).toBe('ws://school.example/socket/websocket?vsn=2.0.0');
  });

  it('answers pushes, and refuses with the reason of the server', async () => {
    open();
    await pass(100);
    server.answers = {
      raise_hand: { status: 'ok', response: { fine: true } },
      play_note: { status: 'error', response: { reason: 'muted' } },
      lower_hand: 'silence',
    };
    const answered = link.push('raise_hand', {});
    const muted = { name: 'Refused', code: 'muted' };
    const refused = expect(link.push('play_note', { midi: 60 })).rejects.toMatchObject(muted);
    const unheard = expect(link.push('lower_hand', {})).rejects.toMatchObject({ code: 'timeout' });
    await pass(9_000);
    expect(await answered).toEqual({ fine: true });
    await refused;
    await unheard;
  });

  it('refuses pushes at once while offline, also those that wait for an answer', async () => {
    open();
    await expect(link.push('raise_hand', {})).rejects.toMatchObject({ code: 'offline' });
    await pass(100);
    server.answers['raise_hand'] = 'silence';
    const lost = expect(link.push('raise_hand', {})).rejects.toMatchObject({ code: 'offline' });
    await pass(50);
    server.cut();
    await lost;
    server.reachable = true;
    server.pushed.length = 0;
    await pass(5_000);
    expect(server.pushed).toEqual([]);
  });

  it('comes back after a break with a fresh token, and is joined anew', async () => {
    open();
    await pass(100);
    server.cut();
    expect(told).toEqual(['joined ada', 'offline']);
    await pass(3_000);
    server.reachable = true;
    server.reply = replyOf({ student_id: 'ada-again' });
    await pass(10_000);
    expect(told).toEqual(['joined ada', 'offline', 'joined ada-again']);
    const count = server.transports.length;
    expect(count).toBeGreaterThan(2);
    expect(server.line.token).toBe(`token-${tokens}`);
    expect(server.joins.at(-1)).toEqual({ access_token: `token-${tokens}` });
    expect(tokens).toBe(count);
  });

  it('does not come back in the same instant as the rest of the class', async () => {
    const returns = new Set<number>();
    for (const random of [0, 0.3, 0.6, 0.9]) {
      server = new FakeServer();
      open({}, { random: () => random });
      await pass(100);
      const before = server.transports.length;
      server.cut();
      server.reachable = true;
      const from = Date.now();
      while (server.transports.length === before) await pass(5);
      returns.add(Math.round((Date.now() - from) / 50));
      link.leave();
    }
    expect(returns.size).toBe(4);
    expect(Math.max(...returns) * 50).toBeLessThan(1_000);
  });

  it('finds out that a line is dead by the heartbeat', async () => {
    open();
    await pass(100);
    server.line.send = () => undefined;
    await pass(25_000);
    expect(told).toEqual(['joined ada', 'offline', 'joined ada']);
  });

  it('joins again after phx_error', async () => {
    open();
    await pass(100);
    server.fail();
    await pass(2_000);
    expect(told).toEqual(['joined ada', 'offline', 'joined ada']);
    expect(server.transports).toHaveLength(1);
  });

  it.each([
    ['Room not found', 'room_not_found'],
    ['room_locked', 'room_locked'],
    ['room_full', 'room_full'],
    ['removed_from_room', 'removed_from_room'],
    ['unauthorized', 'forbidden'],
    ['TenantSuspended: tenant `demo` is suspended', 'suspended'],
  ])('ends when the join is refused: %s', async (reason, ending) => {
    server.refusal = reason;
    open();
    await pass(30_000);
    expect(told).toEqual([`ended ${ending}`]);
    expect(server.joins).toHaveLength(1);
  });

  it('tries again when the join is refused for the moment', async () => {
    server.refusal = 'no_conductor';
    open();
    await pass(1_000);
    server.refusal = null;
    await pass(5_000);
    expect(told).toEqual(['joined ada']);
  });

  it('ends when each token is refused, and not when one or two were old', async () => {
    open();
    await pass(100);
    for (const _ of [1, 2]) {
      server.refusal = 'TokenExpired: the token has expired';
      server.fail();
      const before = server.joins.length;
      while (server.joins.length < before + 2) await pass(10);
      server.refusal = null;
      await pass(5_000);
      expect(told.at(-1)).toBe('joined ada');
    }
    server.refusal = 'TokenExpired: the token has expired';
    server.fail();
    await pass(30_000);
    expect(told.slice(-2)).toEqual(['offline', 'ended session_expired']);
  });

  it('ends as the room says before it closes the channel', async () => {
    open();
    await pass(100);
    server.say('removed_from_room', { student_id: 'ada' });
    server.close();
    await pass(30_000);
    expect(told).toEqual(['joined ada', 'removed_from_room', 'ended removed_from_room']);
    expect(server.transports).toHaveLength(1);
  });

  it('ends when it is left, and nothing comes after that', async () => {
    open();
    await pass(100);
    link.leave();
    server.say('room_closed', {});
    await pass(30_000);
    expect(told).toEqual(['joined ada', 'ended left']);
    expect(server.line.readyState).toBe(3);
    await expect(link.push('raise_hand', {})).rejects.toMatchObject({ code: 'offline' });
  });

  it('shows a fresh token before the last one expires', async () => {
    open();
    await pass(100);
    server.say('system', { status: 'ok', message: 'token expires in 60 seconds', channel: '', extension: 'system' });
    await pass(100);
    expect(server.pushed).toMatchObject([{ event: 'access_token', payload: { access_token: 'token-2' } }]);
    server.say('system', { status: 'ok', message: 'Subscribed', channel: '', extension: 'system' });
    await pass(100);
    expect(server.pushed).toHaveLength(1);
  });

  it('asks again for a token that cannot be had just now', async () => {
    let failures = 0;
    open({ token: () => (failures < 0 || failures++ < 1 ? Promise.reject(new Error('no network')) : freshToken()) });
    await pass(10_000);
    expect(told).toEqual(['joined ada']);
  });

  it('rejoins with a fresh token when the last one has ended', async () => {
    open();
    await pass(100);
    server.say('system', { status: 'error', message: 'the token has expired', channel: '', extension: 'system' });
    server.fail();
    await pass(3_000);
    expect(server.joins.at(-1)).toEqual({ access_token: 'token-2' });
    expect(server.pushed).toEqual([]);
  });

  it('ends when there will be no other token', async () => {
    open({ token: () => Promise.reject(new Error('session_expired')) });
    await pass(100);
    expect(told).toEqual(['ended session_expired']);
    expect(server.transports).toHaveLength(0);
  });

  it.each([
    [401, 'TokenExpired: the token has expired', 'session_expired'],
    [403, 'TenantSuspended: tenant `demo` is suspended', 'suspended'],
    [403, 'OriginRefused: not from here', 'forbidden'],
  ])('asks why it is refused, for a browser hides it: %d %s', async (status, error, ending) => {
    server.reachable = false;
    server.http = { status, error };
    open();
    await pass(10_000);
    expect(told).toEqual([`ended ${ending}`]);
  });

  it('goes on while the server cannot judge the token yet', async () => {
    server.reachable = false;
    server.http = { status: 401, error: 'TokenKeysUnavailable: try again in a moment' };
    open();
    await pass(10_000);
    expect(told).toEqual([]);
  });

  it('takes long poll where only WebSockets do not get through', async () => {
    server.reachable = false;
    const posts: string[] = [];
    vi.stubGlobal('fetch', (address: string) => {
      posts.push(address);
      return Promise.reject(new TypeError('fetch failed'));
    });
    open();
    await pass(10_000);
    vi.unstubAllGlobals();
    expect(posts[0]).toContain('school.example/socket/longpoll?vsn=2.0.0');
  });

  it('goes on trying while the server is away', async () => {
    server.reachable = false;
    open({}, { fetch: () => Promise.reject(new TypeError('fetch failed')) });
    await pass(60_000);
    expect(told).toEqual([]);
    server.reachable = true;
    await pass(10_000);
    expect(told).toEqual(['joined ada']);
  });
});
