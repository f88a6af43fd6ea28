import { describe, expect, it } from 'vitest';
import type { RoomState } from '../../downbeat/types';
import { en } from '../words/en';
import { roundedMs, troubleOf } from './connection';

const state = (changes: Partial<RoomState> = {}, clock: Partial<RoomState['clock']> = {}): RoomState => ({
  connection: 'online',
  timeline: {} as RoomState['timeline'],
  clock: { quality: 'good', uncertaintyMs: 1, roundTripMs: 10, source: 'clock', ...clock },
  ...changes,
} as RoomState);
const { banner } = en.common;

describe('the banner', () => {
  it('is silent while all is well, while joining, and when it is over', () => {
    expect(troubleOf(state(), false, en)).toBeNull();
    expect(troubleOf(state({ connection: 'offline', timeline: null }), false, en)).toBeNull();
    expect(troubleOf(state({ connection: 'ended' }, { source: 'lost' }), false, en)).toBeNull();
  });

  it('names each trouble', () => {
    expect(troubleOf(state({ connection: 'offline' }), false, en)).toBe(banner.offline);
    expect(troubleOf(state({}, { source: 'holdover' }), false, en)).toBe(banner.holdover);
    expect(troubleOf(state({}, { quality: 'uncertain' }), false, en)).toBe(banner.uncertain);
    expect(troubleOf(state(), true, en)).toBe(banner.soundBlocked);
  });

  it('names the most serious first', () => {
    const all = state({ connection: 'offline' }, { source: 'lost', quality: 'uncertain' });
    expect(troubleOf(all, true, en)).toBe(banner.lost);
    expect(troubleOf(state({ connection: 'offline' }, { source: 'holdover' }), true, en)).toBe(banner.offline);
    expect(troubleOf(state({}, { quality: 'uncertain' }), true, en)).toBe(banner.soundBlocked);
  });

  it('rounds milliseconds as people read them', () => {
    expect([0.71, 9.96, 34.4].map(roundedMs)).toEqual(['0.7', '10', '34']);
  });
});
