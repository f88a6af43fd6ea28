import { describe, expect, it } from 'vitest';
import { FreshToken } from './fresh_token';
import type { Ending } from './types';

function tokens(ask: () => Promise<string>): { token: FreshToken; endings: Ending[] } {
  const endings: Ending[] = [];
  return { token: new FreshToken(ask, (ending) => endings.push(ending)), endings };
}

describe('the newest token', () => {
  it('is asked for once at a time', async () => {
    let asked = 0;
    const { token } = tokens(() => Promise.resolve(`token-${(asked += 1)}`));
    expect(await Promise.all([token.renew(), token.renew()])).toEqual(['token-1', 'token-1']);
    expect(await token.renew()).toBe('token-2');
    expect(token.latest).toBe('token-2');
  });

  it('stays what it was when there is none to be had', async () => {
    let fails = false;
    const failure = new TypeError('fetch failed');
    const { token, endings } = tokens(() => (fails ? Promise.reject(failure) : Promise.resolve('a')));
    await token.renew();
    fails = true;
    expect(await token.renew()).toBeNull();
    expect(token.latest).toBe('a');
    expect(endings).toEqual([]);
  });

  it('ends the room when there will be none', async () => {
    const { token, endings } = tokens(() => Promise.reject(new Error('session_expired')));
    expect(await token.renew()).toBeNull();
    expect(endings).toEqual(['session_expired']);
  });
});
