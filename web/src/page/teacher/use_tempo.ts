/** The tempo that the teacher is setting. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Room, RoomState } from '../../downbeat/types';
import { attempt } from '../shared';
import { TapTempo } from './tap_tempo';

export type When = 'now' | 'beat' | 'bar';

export const BPM_MIN = 1;
export const BPM_MAX = 299;
/** A slider says many tempos on its way: only where it rests is asked for. */
const SETTLE_MS = 120;

export const clampBpm = (bpm: number): number => Math.round(Math.min(BPM_MAX, Math.max(BPM_MIN, bpm)));

export interface Tempo {
  /** What is being set, or else what the room has. */
  bpm: number;
  set: (bpm: number) => void;
  nudge: (by: number) => void;
  tap: (at: number) => void;
}

export function useTempo(room: Room, state: RoomState, when: When): Tempo {
  const [wanted, setWanted] = useState<number | null>(null);
  const settling = useRef<ReturnType<typeof setTimeout>>(undefined);
  const tapping = useRef(new TapTempo());
  // What is shown now, for keys that come faster than the page is drawn.
  const shown = useRef(state.bpm);
  shown.current = wanted ?? Math.round(state.bpm);

  const set = useCallback((bpm: number) => {
    const next = clampBpm(bpm);
    shown.current = next;
    setWanted(next);
    clearTimeout(settling.current);
    settling.current = setTimeout(() => {
      void attempt(room.controls.setTempo(next, when)).then(() => {
        if (shown.current === next) setWanted(null);
      });
    }, SETTLE_MS);
  }, [room, when]);
  useEffect(() => () => clearTimeout(settling.current), []);

  const nudge = useCallback((by: number) => set(shown.current + by), [set]);
  const tap = useCallback((at: number) => {
    const bpm = tapping.current.tap(at);
    if (bpm !== null) set(bpm);
  }, [set]);
  return { bpm: shown.current, set, nudge, tap };
}
