import { describe, expect, it } from 'vitest';
import { actionOf, focusOf, type Focus } from './shortcuts';

type Held = Partial<Record<'shift' | 'ctrl' | 'alt' | 'meta', boolean>>;

const press = (key: string, focus: Focus = 'elsewhere', held: Held = {}) => {
  const { shift = false, ctrl = false, alt = false, meta = false } = held;
  return actionOf({ key, shiftKey: shift, ctrlKey: ctrl, altKey: alt, metaKey: meta }, focus);
};

const element = (tagName: string, attributes: Record<string, string> = {}, inDialog = false) => ({
  tagName,
  getAttribute: (name: string) => attributes[name] ?? null,
  closest: () => (inDialog ? ({} as Element) : null),
});

describe('shortcuts', () => {
  it('conduct from wherever the focus is', () => {
    expect([' ', 'ArrowUp', 'ArrowDown', 't', 'T', 'm', 'l', '?'].map((key) => press(key)))
      .toEqual(['start', 'faster', 'slower', 'tap', 'tap', 'mute', 'lock', 'help']);
    expect([press('ArrowUp', 'elsewhere', { shift: true }), press('ArrowDown', 'elsewhere', { shift: true })])
      .toEqual(['fasterFive', 'slowerFive']);
  });

  it('never act while somebody types', () => {
    for (const key of [' ', 'ArrowUp', 't', 'm', 'l', '?']) expect(press(key, 'text')).toBeNull();
  });

  it('leave space to a button, and the arrows to a slider', () => {
    expect(press(' ', 'button')).toBeNull();
    expect(press('t', 'button')).toBe('tap');
    expect([press('ArrowUp', 'choice'), press(' ', 'choice'), press('m', 'choice')]).toEqual([null, null, 'mute']);
  });

  it('leave the browser its own', () => {
    for (const held of ['ctrl', 'alt', 'meta'] as const) expect(press('t', 'elsewhere', { [held]: true })).toBeNull();
  });

  it('know what the focus is on', () => {
    expect(focusOf(null)).toBe('elsewhere');
    expect(focusOf(element('BODY'))).toBe('elsewhere');
    expect(focusOf(element('BUTTON'))).toBe('button');
    expect(focusOf(element('INPUT'))).toBe('text');
    expect(focusOf(element('INPUT', { type: 'number' }))).toBe('text');
    expect(focusOf(element('INPUT', { type: 'range' }))).toBe('choice');
    expect(focusOf(element('INPUT', { type: 'checkbox' }))).toBe('choice');
    expect(focusOf(element('SELECT'))).toBe('text');
    expect(focusOf(element('BUTTON', {}, true))).toBe('text');
  });
});
