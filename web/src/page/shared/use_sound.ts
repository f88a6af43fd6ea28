/** Sound in a room: the metronome, and what the others play. The instrument is loaded when it is first wanted. */
import { useCallback, useEffect, useState } from 'preact/hooks';
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
  stop: () => void;
}

/** One for the page: browsers allow few audio contexts. */
let started: Promise<Sound> | null = null;

/** The sound of this room; silent until `start` is called by a gesture. */
export function useSound(room: Room): RoomSound {
  const { volume, click, nudgeMs } = useSettings();
  const [on, setOn] = useState(false);
  const [sound, setSound] = useState<Sound | null>(null);
  const [blocked, setBlocked] = useState(false);

  const start = useCallback(() => {
    setOn(true);
    started ??= startSound();
    started.then(setSound, () => {
      started = null;
      setOn(false);
      notify(say('sound_blocked'));
    });
  }, []);
  const stop = useCallback(() => setOn(false), []);

  useEffect(() => {
    if (!sound || !on) return undefined;
    setBlocked(sound.blocked);
    const unhear = sound.onBlockedChange(setBlocked);
    return () => {
      unhear();
      setBlocked(false);
    };
  }, [sound, on]);
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

  const sounds = on && !blocked ? sound : null;
  useEffect(() => { room.nudgeMs = nudgeMs; }, [room, nudgeMs]);
  useEffect(() => sound?.setVolume(volume), [sound, volume]);
  useEffect(() => {
    if (!sounds) return undefined;
    room.useAudio(sounds.context);
    const unhear = room.onNote((note) => { if (!note.own) sounds.note(note.midi, note.velocity); });
    return () => {
      unhear();
      room.useAudio(null);
    };
  }, [room, sounds]);
  useEffect(
    () => (sounds && click ? room.scheduleOnBeat((beat, when) => sounds.click(beat.accent, when)) : undefined),
    [room, sounds, click],
  );
  return { on, blocked, start, stop };
}
