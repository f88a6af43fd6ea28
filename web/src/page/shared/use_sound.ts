/** Sound in a room: the metronome, and what the others play. The instrument is loaded when it is first wanted. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Room } from '../../downbeat/types';
import { startSound, type Sound } from '../../sound';
import { notify } from './notice';
import { say } from './say';
import { useSettings } from './settings';

export interface RoomSound {
  on: boolean;
  /** The browser wants one more gesture. */
  blocked: boolean;
  /** From within a gesture. */
  start: () => void;
  /** The same, unless somebody has turned the sound off here. */
  startUnlessSilenced: () => void;
  stop: () => void;
}

/** Asks the browser at every gesture until it lets the sound through. */
function useUnblocking(sound: Sound | null, blocked: boolean): void {
  useEffect(() => {
    if (!sound || !blocked) return undefined;
    const unblock = () => void sound.unblock().catch(() => {});
    addEventListener('pointerdown', unblock);
    addEventListener('keydown', unblock);
    return () => {
      removeEventListener('pointerdown', unblock);
      removeEventListener('keydown', unblock);
    };
  }, [sound, blocked]);
}

/** Lets the room sound as long as there is a sound: the others' notes, and the click where it is wanted. */
function useSounding(room: Room, sound: Sound | null, click: boolean): void {
  useEffect(() => {
    if (!sound) return undefined;
    room.useAudio(sound.context);
    const unhear = room.onNote((note) => { if (!note.own) sound.note(note.midi, note.velocity); });
    return () => {
      unhear();
      room.useAudio(null);
    };
  }, [room, sound]);
  useEffect(
    () => (sound && click ? room.scheduleOnBeat((beat, when) => sound.click(beat.accent, when)) : undefined),
    [room, sound, click],
  );
}

/** The sound of this room; silent until `start` is called by a gesture. */
export function useSound(room: Room): RoomSound {
  const { volume, click, nudgeMs } = useSettings();
  const [on, setOn] = useState(false);
  const [sound, setSound] = useState<Sound | null>(null);
  const [blocked, setBlocked] = useState(false);
  const silenced = useRef(false);

  const start = useCallback(() => {
    silenced.current = false;
    setOn(true);
    startSound().then(setSound, () => {
      setOn(false);
      notify(say('sound_blocked'));
    });
  }, []);
  const startUnlessSilenced = useCallback(() => { if (!silenced.current) start(); }, [start]);
  const stop = useCallback(() => {
    silenced.current = true;
    setOn(false);
  }, []);

  useEffect(() => {
    if (!sound || !on) return undefined;
    setBlocked(sound.blocked);
    const unhear = sound.onBlockedChange(setBlocked);
    return () => {
      unhear();
      setBlocked(false);
    };
  }, [sound, on]);
  useEffect(() => { room.nudgeMs = nudgeMs; }, [room, nudgeMs]);
  useEffect(() => sound?.setVolume(volume), [sound, volume]);
  useUnblocking(sound, blocked);
  useSounding(room, on && !blocked ? sound : null, click);
  return { on, blocked, start, startUnlessSilenced, stop };
}
