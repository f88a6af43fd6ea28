import { describe, expect, it } from 'vitest';
import { characters, emptyDraft, problemOf, TEXT_MAX, toReflection } from './reflection_rules';

const written = (text: string) => ({ ...emptyDraft, text });

describe('a reflection', () => {
  it('needs some words', () => {
    expect(problemOf(written(''))).toBe('empty');
    expect(problemOf(written(' \n '))).toBe('empty');
    expect(problemOf(written('x'))).toBeNull();
  });

  it('has 2,000 characters at most, as the server counts them', () => {
    expect(problemOf(written('x'.repeat(TEXT_MAX)))).toBeNull();
    expect(problemOf(written('x'.repeat(TEXT_MAX + 1)))).toBe('too_long');
    expect(problemOf(written('🥁'.repeat(TEXT_MAX)))).toBeNull();
    expect(characters('🥁 é')).toBe(3);
  });

  it('is not too long for the space around it', () => {
    expect(problemOf(written(`  ${'x'.repeat(TEXT_MAX)}\n`))).toBeNull();
    expect(toReflection(written(' I waited \n'), null).reflection_text).toBe('I waited');
  });

  it('sends nothing that was not chosen', () => {
    expect(toReflection(written('I waited'), null)).toEqual({
      reflection_text: 'I waited', reflection_type: 'exit_ticket',
    });
  });

  it('sends what was chosen, and which one it changes', () => {
    const draft = { text: 'I waited', type: 'post_session', competency: 'self_management', mood: 4 } as const;
    expect(toReflection(draft, 'r-1')).toEqual({
      id: 'r-1', reflection_text: 'I waited', reflection_type: 'post_session',
      competency: 'self_management', mood: 4,
    });
  });
});
