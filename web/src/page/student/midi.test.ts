import { describe, expect, it } from 'vitest';
import { listenToMidi, midiKeyOf, type MidiState } from './midi';

describe('a MIDI keyboard', () => {
  it('strikes keys on any channel, with their velocity', () => {
    expect(midiKeyOf([0x90, 60, 101])).toEqual({ down: true, midi: 60, velocity: 101 });
    expect(midiKeyOf([0x9f, 61, 1])).toEqual({ down: true, midi: 61, velocity: 1 });
  });

  it('lets go of keys in either way', () => {
    expect(midiKeyOf([0x80, 60, 64])).toEqual({ down: false, midi: 60 });
    expect(midiKeyOf([0x90, 60, 0])).toEqual({ down: false, midi: 60 });
  });

  it('says nothing else that is for us', () => {
    for (const data of [null, [], [0xf8], [0xb0, 1, 64], [0xe0, 0, 64]]) expect(midiKeyOf(data)).toBeNull();
  });

  it('is not there where the browser has none', async () => {
    const states: MidiState[] = [];
    await listenToMidi(() => {}, (state) => states.push(state));
    expect(states).toEqual([{ state: 'unavailable' }]);
  });
});
