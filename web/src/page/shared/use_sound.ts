/** Sound in a room: the metronome, and what the others play. Loaded when it is first wanted. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Room } from '../../downbeat/types';
import type { Sound } from '../../sound';
import { useSettings } from './settings';

export interface RoomSound {
  /** `blocked`: the browser wants one more gesture. */
  state: 'off' | 'starting' | 'on' | 'blocked';
  sound: Sound | null;
  /** From within a gesture. */
  start: () => void;
  stop: () => void;
}

/** The sound of this room; silent until `start` is called by a gesture. */
export function useSound(room: Room): RoomSound {
  const { volume, click, nudgeMs } = useSettings();
  const [state, setState] = useState<RoomSound['state']>('off');
  const [sound, setSound] = useState<Sound | null>(null);
  const wanted = useRef(false);

  const start = useCallback(() => {
    wanted.current = true;
    setState((held) => (held === 'on' ? held : 'starting'));
    import('../../sound')
      .then(({ startSound }) => startSound())
      .then((started) => {
        if (!wanted.current) return;
        setSound(started);
        setState(started.blocked ? 'blocked' : 'on');
      })
      .catch(() => setState('blocked'));
  }, []);
  const stop = useCallback(() => {
    wanted.current = false;
    setSound(null);
    setState('off');
  }, []);

  useEffect(() => {
    if (state !== 'blocked') return undefined;
    addEventListener('pointerdown', start, { once: true });
    return () => removeEventListener('pointerdown', start);
  }, [state, start]);

  useEffect(() => { room.nudgeMs = nudgeMs; }, [room, nudgeMs]);
  useEffect(() => sound?.setVolume(volume), [sound, volume]);
  useEffect(() => {
    if (!sound || state !== 'on') return undefined;
    room.useAudio(sound.context);
    const unhear = room.onNote((note) => { if (!note.own) sound.note(note.midi, note.velocity); });
    return () => {
      unhear();
      room.useAudio(null);
    };
  }, [room, sound, state]);
  useEffect(() => {
    if (!sound || state !== 'on' || !click) return undefined;
    return room.scheduleOnBeat((beat, when) => sound.click(beat.accent, when));
  }, [room, sound, state, click]);

  return { state, sound, start, stop };
}
