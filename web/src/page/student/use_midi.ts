import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { listenToMidi, type MidiKey, type MidiState } from './midi';

/** MIDI keyboards for this page, once `ask` was called by a gesture: the browser asks the user then. */
export function useMidi(onKey: (key: NonNullable<MidiKey>, at: number) => void): { midi: MidiState; ask: () => void } {
  const [midi, setMidi] = useState<MidiState>({ state: 'off' });
  const listener = useRef(onKey);
  listener.current = onKey;
  const stop = useRef<() => void>(() => {});
  const gone = useRef(false);

  const ask = useCallback(() => {
    listenToMidi((key, at) => listener.current(key, at), setMidi).then((ending) => {
      if (gone.current) ending();
      else stop.current = ending;
    });
  }, []);
  useEffect(() => () => {
    gone.current = true;
    stop.current();
  }, []);
  return { midi, ask };
}
