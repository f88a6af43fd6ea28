import { useEffect, useRef, useState } from 'preact/hooks';
import { meaningOf, printedLetters } from './letters';

interface LetterPlaying {
  /** A letter went down; gives the key that it holds, so that the same one comes up, whatever the octave is by then. */
  onDown: (semitone: number, at: number) => number | null;
  onUp: (midi: number) => void;
  onOctave: (by: 1 | -1) => void;
}

/** Plays by the computer's keyboard, wherever on the page one is. */
export function useLetters(playing: LetterPlaying): void {
  const current = useRef(playing);
  current.current = playing;
  useEffect(() => {
    const held = new Map<string, number>();
    const down = (event: KeyboardEvent) => {
      const meaning = meaningOf(event);
      if (meaning === null) return;
      if ('octave' in meaning) return current.current.onOctave(meaning.octave);
      const midi = current.current.onDown(meaning.semitone, event.timeStamp);
      if (midi !== null) held.set(event.code, midi);
    };
    const up = ({ code }: KeyboardEvent) => {
      const midi = held.get(code);
      if (midi === undefined) return;
      held.delete(code);
      current.current.onUp(midi);
    };
    // A key that is let go elsewhere never comes up here.
    const away = () => {
      for (const midi of held.values()) current.current.onUp(midi);
      held.clear();
    };
    addEventListener('keydown', down);
    addEventListener('keyup', up);
    addEventListener('blur', away);
    return () => {
      removeEventListener('keydown', down);
      removeEventListener('keyup', up);
      removeEventListener('blur', away);
    };
  }, []);
}

/** Semitone → the letter that is printed on this device's keyboard. */
export function usePrintedLetters(): ReadonlyMap<number, string> {
  const [letters, setLetters] = useState<ReadonlyMap<number, string>>(new Map());
  useEffect(() => {
    let here = true;
    printedLetters().then((found) => here && setLetters(found));
    return () => { here = false; };
  }, []);
  return letters;
}
