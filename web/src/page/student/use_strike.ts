/** Playing a note: it sounds here at once, goes to the others, and is marked early or late if it was on one's beat. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Refused, type Room } from '../../downbeat';
import type { Sound } from '../../sound';
import { notify, say } from '../shared';
import { judge, type Judgement } from './judgement';
import { silenceOf } from './permission';

/** `at`: when the key went down, as `performance.now()` counts. Gives whether it sounded. */
export type Strike = (midi: number, velocity: number, at: number) => boolean;

/** So long a mark stays. */
const MARK_MS = 2_500;
/** What is refused over and over is said once in so many ms. */
const SAID_AGAIN_MS = 5_000;

function judgeIn(room: Room, at: number): Judgement {
  const { me, timeline, clock, assignments } = room.state;
  const now = room.now();
  if (!me || !timeline || !room.currentBeat() || Number.isNaN(now)) return null;
  return judge({
    time: now - (performance.now() - at),
    studentId: me.studentId, assignments, meter: timeline.meter, clock,
    beatAt: (time) => room.beatAt(time), timeAt: (beat) => room.timeAt(beat),
  });
}

export function useStrike(room: Room, sound: Sound | null): { strike: Strike; mark: Judgement } {
  const [mark, setMark] = useState<Judgement>(null);
  const said = useRef(-Infinity);
  const fading = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  const strike = useCallback<Strike>((midi, velocity, at) => {
    if (silenceOf(room.state)) return false;
    sound?.note(midi, velocity);
    room.playNote(midi, velocity, at).catch((failure: unknown) => {
      // Without a connection one plays for oneself; the banner says so.
      if (failure instanceof Refused && ['offline', 'timeout'].includes(failure.code)) return;
      if (performance.now() - said.current < SAID_AGAIN_MS) return;
      said.current = performance.now();
      notify(say(failure));
    });
    const judged = judgeIn(room, at);
    if (judged) {
      setMark(judged);
      clearTimeout(fading.current);
      fading.current = setTimeout(() => setMark(null), MARK_MS);
    }
    return true;
  }, [room, sound]);
  useEffect(() => () => clearTimeout(fading.current), []);
  return { strike, mark };
}
