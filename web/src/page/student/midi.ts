/** MIDI keyboards that are plugged into this device, where the browser lets a page hear them. */

/** What is read of a MIDI message here: a key that goes down or comes up. */
export type MidiKey = { down: true; midi: number; velocity: number } | { down: false; midi: number } | null;

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;

/** A note-on with velocity 0 is a note-off, as many keyboards send it. Anything else is not for us. */
export function midiKeyOf(data: ArrayLike<number> | null): MidiKey {
  if (!data || data.length < 3) return null;
  const [kind, midi, velocity] = [data[0]! & 0xf0, data[1]!, data[2]!];
  if (kind === NOTE_ON && velocity > 0) return { down: true, midi, velocity };
  return kind === NOTE_ON || kind === NOTE_OFF ? { down: false, midi } : null;
}

export type MidiState =
  | { state: 'off' | 'asking' | 'unavailable' | 'denied' }
  /** `names` are empty while no keyboard is plugged in. */
  | { state: 'on'; names: string[] };

/** Whether this browser, at this address, could do it at all: some cannot, and none can without https. */
export const midiPossible = (): boolean => typeof navigator !== 'undefined' && 'requestMIDIAccess' in navigator;

/**
 * Listens to all keyboards, those that are plugged in later too. `onKey` gets the time of the stroke as
 * `performance.now()` counts. Gives the way to stop it.
 */
export async function listenToMidi(
  onKey: (key: NonNullable<MidiKey>, at: number) => void, onState: (state: MidiState) => void,
): Promise<() => void> {
  if (!midiPossible()) {
    onState({ state: 'unavailable' });
    return () => {};
  }
  onState({ state: 'asking' });
  try {
    const access = await navigator.requestMIDIAccess();
    return attend(access, onKey, onState);
  } catch {
    onState({ state: 'denied' });
    return () => {};
  }
}

function attend(
  access: MIDIAccess, onKey: (key: NonNullable<MidiKey>, at: number) => void, onState: (state: MidiState) => void,
): () => void {
  const hear = (event: MIDIMessageEvent) => {
    const key = midiKeyOf(event.data);
    if (key) onKey(key, event.timeStamp);
  };
  const look = () => {
    const inputs = [...access.inputs.values()].filter(({ state }) => state === 'connected');
    for (const input of inputs) input.onmidimessage = hear;
    onState({ state: 'on', names: inputs.map(({ name }) => name ?? 'MIDI') });
  };
  access.onstatechange = look;
  look();
  return () => {
    access.onstatechange = null;
    for (const input of access.inputs.values()) input.onmidimessage = null;
    onState({ state: 'off' });
  };
}
