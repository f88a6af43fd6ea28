import { describe, expect, it } from 'vitest';
import { Refused } from '../../downbeat/types';
import { de } from '../words/de';
import { en } from '../words/en';
import { CallFailed } from './api';
import { reasonOf, say } from './say';

describe('failures in words', () => {
  it('have a sentence, in the page’s language', () => {
    expect(say(new Refused('muted'), en)).toBe(en.errors.muted);
    expect(say(new CallFailed('guests_off', 'guests are off', 403), de)).toBe(de.errors.guests_off);
    expect(say('room_closed', en)).toBe(en.errors.room_closed);
    expect(say(new Error('session_expired'), en)).toBe(en.errors.session_expired);
  });

  it('say what the server said where there is no sentence', () => {
    expect(say(new CallFailed('invalid_field', 'BPM must be between 1 and 299.', 422), en))
      .toBe('That did not work: BPM must be between 1 and 299.');
  });

  it('never take a reason for a property that every object has', () => {
    expect(say('constructor', en)).toBe('That did not work: constructor.');
  });

  it('survive whatever is thrown', () => {
    expect([undefined, null, 7].map((thrown) => reasonOf(thrown))).toEqual(['undefined', 'null', '7']);
  });
});
