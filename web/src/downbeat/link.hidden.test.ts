// In a file of its own: phoenix.js looks for the window when it is loaded.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link } from './link';
import { FakeServer } from './testing/fake_server';

vi.hoisted(() => {
  const deaf = { addEventListener: () => undefined };
  const hidden = { ...deaf, document: { ...deaf, visibilityState: 'hidden' } };
  Object.assign(globalThis, { window: hidden, self: hidden });
});

describe('in a hidden page', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  it('the line comes back, for which phoenix.js itself would wait until the page is shown', async () => {
    const server = new FakeServer();
    let joins = 0;
    const nothing = () => undefined;
    const listener = { joined: () => void (joins += 1), event: nothing, offline: nothing, ended: nothing };
    const options = { code: 'MUSIC-1234', token: () => Promise.resolve('t'), endpoint: 'ws://school.example/socket' };
    const link = new Link(options, server.platform({ hidden: () => true }), listener);
    await vi.advanceTimersByTimeAsync(100);
    expect(joins).toBe(1);
    server.cut();
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(joins).toBe(1);
    link.tick();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(joins).toBe(2);
    link.leave();
  });
});
