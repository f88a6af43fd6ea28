import { useEffect, useState } from 'preact/hooks';
import { startSound, type Sound } from '../../sound';
import type { RoomSound } from '../shared/use_sound';

/** The page's one sound, for playing on it oneself; null while it is off. */
export function useOwnSound({ on }: RoomSound): Sound | null {
  const [sound, setSound] = useState<Sound | null>(null);
  useEffect(() => {
    if (!on) return undefined;
    let wanted = true;
    startSound().then((started) => { if (wanted) setSound(started); }, () => {});
    return () => {
      wanted = false;
      setSound(null);
    };
  }, [on]);
  return sound;
}

/** Starts sound with the first gesture on the page, whatever it is for: browsers allow none before. */
export function useFirstGesture(start: () => void): void {
  useEffect(() => {
    const gestures = ['pointerdown', 'pointerup', 'keydown'] as const;
    const stop = () => gestures.forEach((gesture) => removeEventListener(gesture, first));
    const first = () => {
      // A touch becomes a gesture when it is let go; before, and for Escape and Tab, browsers do not take it for one.
      if (!(navigator.userActivation?.hasBeenActive ?? true)) return;
      stop();
      start();
    };
    gestures.forEach((gesture) => addEventListener(gesture, first));
    first();
    return stop;
  }, [start]);
}
