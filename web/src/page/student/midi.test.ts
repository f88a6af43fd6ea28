import { afterEach, describe, expect, it, vi } from 'vitest';
import { listenToMidi, midiKeyOf, type MidiState } from './midi';

afterEach(() => vi.unstubAllGlobals());

/** A browser with these keyboards plugged in. */
function browserWith(...inputs: { name: string; state: string; onmidimessage?: unknown }[]) {
  const access = { inputs: new Map(inputs.map((input) => [input.name, input])), onstatechange: null as unknown };
  vi.stubGlobal('navigator', { requestMIDIAccess: async () => access });
  return access;
}
type Press = (event: { data: number[]; timeStamp: number }) => void;

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

  it('is heard with the time of its strokes, and no longer when one stops', async () => {
    const piano = { name: 'Piano', state: 'connected', onmidimessage: null as unknown };
    browserWith(piano);
    const [heard, states]: [unknown[], MidiState[]] = [[], []];
    const stop = await listenToMidi((key, at) => heard.push([key, at]), (state) => states.push(state));
    (piano.onmidimessage as Press)({ data: [0x90, 60, 80], timeStamp: 1234.5 });
    expect(heard).toEqual([[{ down: true, midi: 60, velocity: 80 }, 1234.5]]);
    expect(states).toEqual([{ state: 'asking' }, { state: 'on', names: ['Piano'] }]);
    stop();
    expect(piano.onmidimessage).toBeNull();
  });

  it('may be plugged in later', async () => {
    const piano = { name: 'Piano', state: 'disconnected', onmidimessage: null as unknown };
    const access = browserWith(piano);
    const states: MidiState[] = [];
    await listenToMidi(() => {}, (state) => states.push(state));
    expect(states.at(-1)).toEqual({ state: 'on', names: [] });
    piano.state = 'connected';
    (access.onstatechange as () => void)();
    expect(states.at(-1)).toEqual({ state: 'on', names: ['Piano'] });
  });

  it('is not heard where the user does not allow it', async () => {
    vi.stubGlobal('navigator', { requestMIDIAccess: async () => { throw new Error('denied'); } });
    const states: MidiState[] = [];
    await listenToMidi(() => {}, (state) => states.push(state));
    expect(states.at(-1)).toEqual({ state: 'denied' });
  });
});
