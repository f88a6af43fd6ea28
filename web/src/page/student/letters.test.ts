import { describe, expect, it } from 'vitest';
import { letterAt, meaningOf, type Stroke } from './letters';

/** Something on the page that is, or is in, what a selector of `matches` finds. */
const within = (name: string) => ({
  closest: (selector: string) => (selector.split(', ').some((part) => part.split(':')[0] === name) ? {} : null),
}) as unknown as EventTarget;
const stroke = (code: string, changes: Partial<Stroke> = {}): Stroke => ({
  code, key: '', repeat: false, ctrlKey: false, metaKey: false, altKey: false, target: null, ...changes,
});

describe('the computer\'s keyboard', () => {
  it('is a piano: the middle row white, the row above black', () => {
    const semitones = [...'AWSEDFTGYHUJK'].map((letter) => meaningOf(stroke(`Key${letter}`)));
    expect(semitones).toEqual(Array.from({ length: 13 }, (_, semitone) => ({ semitone })));
    expect(Array.from({ length: 13 }, (_, i) => letterAt(i)).join('')).toBe('awsedftgyhujk');
  });

  it('goes by the place of a key, whatever is printed on it', () => {
    expect(meaningOf(stroke('KeyY', { key: 'z' }))).toEqual({ semitone: 8 });
    expect(meaningOf(stroke('KeyA', { key: 'q' }))).toEqual({ semitone: 0 });
  });

  it('goes by the letter where no place is told', () => {
    expect(meaningOf(stroke('', { key: 's' }))).toEqual({ semitone: 2 });
  });

  it('moves the octave with Z and X', () => {
    expect(meaningOf(stroke('KeyZ'))).toEqual({ octave: -1 });
    expect(meaningOf(stroke('KeyX'))).toEqual({ octave: 1 });
  });

  it('plays a key that is held once', () => {
    expect(meaningOf(stroke('KeyA', { repeat: true }))).toBeNull();
  });

  it('leaves shortcuts to the browser', () => {
    for (const modifier of ['ctrlKey', 'metaKey', 'altKey'] as const) {
      expect(meaningOf(stroke('KeyA', { [modifier]: true }))).toBeNull();
    }
  });

  it('is for writing where one writes', () => {
    for (const name of ['input', 'textarea', 'select', 'dialog']) {
      expect(meaningOf(stroke('KeyA', { target: within(name) }))).toBeNull();
    }
    expect(meaningOf(stroke('KeyA', { target: within('button') }))).toEqual({ semitone: 0 });
  });

  it('has no notes on its other keys', () => {
    for (const code of ['Space', 'Enter', 'Tab', 'Digit1', 'KeyQ', 'KeyB']) expect(meaningOf(stroke(code))).toBeNull();
  });
});
