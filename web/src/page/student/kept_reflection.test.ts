import { afterEach, describe, expect, it, vi } from 'vitest';
import { forgetWritten, keepWritten, writtenHere } from './kept_reflection';
import { emptyDraft, NOTHING_WRITTEN } from './reflection_rules';

const memory = () => {
  const kept = new Map<string, string>();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  return kept;
};
afterEach(() => vi.unstubAllGlobals());

const SENT = { draft: { ...emptyDraft, text: 'I waited' }, id: 'r-1', sent: true };

describe('what was written', () => {
  it('outlives a reload, with the id under which it can be changed', () => {
    memory();
    keepWritten('MUSIC-1234', SENT);
    expect(writtenHere('MUSIC-1234')).toEqual(SENT);
  });

  it('belongs to one room, until that room ends', () => {
    memory();
    keepWritten('MUSIC-1234', SENT);
    expect(writtenHere('MUSIC-5678')).toEqual(NOTHING_WRITTEN);
    forgetWritten('MUSIC-1234');
    expect(writtenHere('MUSIC-1234')).toEqual(NOTHING_WRITTEN);
  });

  it('is nothing where the browser keeps nothing, or something that is not ours', () => {
    keepWritten('MUSIC-1234', SENT);
    expect(writtenHere('MUSIC-1234')).toEqual(NOTHING_WRITTEN);
    memory().set('downbeat.reflection.MUSIC-1234', '{');
    expect(writtenHere('MUSIC-1234')).toEqual(NOTHING_WRITTEN);
  });
});
