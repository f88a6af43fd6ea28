/** The piano: keys for fingers, a mouse, letters, and whoever goes by keyboard or screen reader. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { MinusIcon, PlusIcon } from '../shared/icons';
import { hueOf } from '../shared/people';
import { useWords } from '../shared';
import { noteSign, pianoKeys, pianoWidth, shifted, startsAt, type PianoKey } from './piano_keys';
import { usePointers } from './use_pointers';
import { useLetters, usePrintedLetters } from './use_letters';
import type { Strike } from './use_strike';

/** Letters have no velocity of their own. */
const LETTER_VELOCITY = 92;
const GLOW_MS = 600;

interface PianoProps {
  room: Room;
  octaves: number;
  /** Whether one may not play just now. */
  silent: boolean;
  strike: Strike;
  /** Keys that a MIDI keyboard holds down. */
  heldElsewhere: ReadonlySet<number>;
}

/** Which keys are down, by any number of fingers each. */
function useHeld() {
  const [held, setHeld] = useState<ReadonlyMap<number, number>>(new Map());
  const change = useCallback((midi: number, by: 1 | -1) => setHeld((before) => {
    const after = new Map(before);
    const fingers = (after.get(midi) ?? 0) + by;
    if (fingers > 0) after.set(midi, fingers);
    else after.delete(midi);
    return after;
  }), []);
  return { held, press: (midi: number) => change(midi, 1), release: (midi: number) => change(midi, -1) };
}

/** A key lights up in the colour of whoever else plays it. */
function useGlow(room: Room, keys: { current: HTMLDivElement | null }) {
  useEffect(() => room.onNote(({ midi, studentId, own }) => {
    if (own) return;
    const light = keys.current?.querySelector(`[data-midi="${midi}"] .key-glow`);
    light?.animate(
      [{ opacity: 0.9, background: `oklch(.75 .14 ${hueOf(studentId)})` },
        { opacity: 0, background: `oklch(.75 .14 ${hueOf(studentId)})` }],
      { duration: GLOW_MS, easing: 'ease-out' },
    );
  }), [room]);
}

export function Piano({ room, octaves, silent, strike, heldElsewhere }: PianoProps) {
  const { student: words } = useWords();
  const [lowest, setLowest] = useState(() => startsAt(octaves));
  const [focused, setFocused] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const { held, press, release } = useHeld();
  const letters = usePrintedLetters();
  const lowestC = shifted(lowest, octaves, 0);
  const keys = useMemo(() => pianoKeys(lowestC, octaves, words.sharp), [lowestC, octaves, words.sharp]);

  const move = (by: 1 | -1) => setLowest(shifted(lowestC, octaves, by));
  usePointers(box, {
    onDown: (midi, velocity, at) => {
      const sounded = strike(midi, velocity, at);
      if (sounded) press(midi);
      return sounded;
    },
    onUp: release,
  });
  useLetters({
    onDown: (semitone, at) => {
      const midi = lowestC + semitone;
      if (!strike(midi, LETTER_VELOCITY, at)) return null;
      press(midi);
      return midi;
    },
    onUp: release,
    onOctave: move,
  });
  useGlow(room, box);

  const walk = (event: KeyboardEvent) => {
    const to = { ArrowRight: focused + 1, ArrowLeft: focused - 1, Home: 0, End: keys.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(keys.length - 1, to));
    setFocused(next);
    box.current?.querySelectorAll<HTMLButtonElement>('button')[next]?.focus();
  };

  const drawn = (key: PianoKey, i: number) => (
    <button
      key={key.midi}
      type="button"
      class={key.black ? 'key key-black' : 'key'}
      style={{ gridColumn: `${key.left + 1} / span ${key.width}` }}
      data-midi={key.midi}
      data-letter={letters.get(i) ?? ''}
      data-down={held.has(key.midi) || heldElsewhere.has(key.midi)}
      aria-label={key.name}
      aria-disabled={silent}
      tabIndex={i === Math.min(focused, keys.length - 1) ? 0 : -1}
      onFocus={() => setFocused(i)}
      // A pointer has struck already; this is Enter, Space or a screen reader.
      onClick={(event) => { if (event.detail === 0) strike(key.midi, LETTER_VELOCITY, event.timeStamp); }}
    >
      <span class="key-glow" aria-hidden="true" />
      <span class="key-sign" aria-hidden="true">{key.midi % 12 === 0 ? noteSign(key.midi) : key.sign}</span>
    </button>
  );

  return (
    <div class="piano-frame">
      <button type="button" class="icon-button" aria-label={words.octaveDown}
        aria-disabled={shifted(lowestC, octaves, -1) === lowestC} onClick={() => move(-1)}><MinusIcon /></button>
      <div
        ref={box}
        class="piano"
        role="group"
        aria-label={words.keysLabel}
        data-silent={silent}
        style={{ gridTemplateColumns: `repeat(${pianoWidth(octaves)}, 1fr)` }}
        onKeyDown={walk}
      >
        {keys.map(drawn)}
      </div>
      <button type="button" class="icon-button" aria-label={words.octaveUp}
        aria-disabled={shifted(lowestC, octaves, 1) === lowestC} onClick={() => move(1)}><PlusIcon /></button>
      <p class="visually-hidden" role="status">{words.octaveNow(noteSign(lowestC), noteSign(keys.at(-1)!.midi))}</p>
    </div>
  );
}
