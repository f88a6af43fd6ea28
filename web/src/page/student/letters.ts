/**
 * The computer's keyboard as a piano: the middle row is white, the row above it black, as on many sound programs. It
 * goes by the places of the keys, not by what is printed on them, so that it is a piano on French and German ones too.
 */

/** From C upwards, by place (`KeyboardEvent.code` without `Key`). */
const PLACES = ['A', 'W', 'S', 'E', 'D', 'F', 'T', 'G', 'Y', 'H', 'U', 'J', 'K', 'O', 'L', 'P'] as const;

/** Semitones above the lowest C → the letter printed at its place on a plain keyboard. */
export const letterAt = (semitone: number): string | undefined => PLACES[semitone]?.toLowerCase();

/** What is asked of a `KeyboardEvent` here. */
export interface Stroke {
  code: string;
  key: string;
  repeat: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  target: EventTarget | null;
}

/** What a stroke means: a semitone above the lowest C, an octave down or up, or nothing for the piano. */
export type Meaning = { semitone: number } | { octave: 1 | -1 } | null;

/** Where letters are for writing, or choose something. */
const WRITES = 'input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select, '
  + '[contenteditable]:not([contenteditable=false]), dialog';

function isWriting(target: EventTarget | null): boolean {
  return target !== null && 'closest' in target && (target as Element).closest(WRITES) !== null;
}

/** The place on the keyboard; some on-screen and remote keyboards tell only the letter. */
function placeOf({ code, key }: Stroke): string {
  return code.startsWith('Key') ? code.slice(3) : code === '' ? key.toUpperCase() : '';
}

export function meaningOf(stroke: Stroke): Meaning {
  if (stroke.repeat || stroke.ctrlKey || stroke.metaKey || stroke.altKey || isWriting(stroke.target)) return null;
  const place = placeOf(stroke);
  if (place === 'Z') return { octave: -1 };
  if (place === 'X') return { octave: 1 };
  const semitone = (PLACES as readonly string[]).indexOf(place);
  return semitone < 0 ? null : { semitone };
}

/** What this device's keyboard has printed at the piano's places, where the browser tells it (Chromium does). */
export async function printedLetters(): Promise<ReadonlyMap<number, string>> {
  const keyboard = (navigator as { keyboard?: { getLayoutMap?(): Promise<Map<string, string>> } }).keyboard;
  const layout = await keyboard?.getLayoutMap?.().catch(() => undefined);
  return new Map(PLACES.map((place, semitone) => [semitone, layout?.get(`Key${place}`) ?? place.toLowerCase()]));
}
