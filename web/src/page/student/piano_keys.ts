/** The piano's keys: which there are, where they stand, and what they are called. */

export interface PianoKey {
  midi: number;
  black: boolean;
  /** Where it begins and how wide it is, in thirds of a white key. */
  left: number;
  width: number;
  /** `C4`, `D sharp 4`: what a screen reader says. */
  name: string;
  /** `C`, `D♯`: what is written on it. */
  sign: string;
}

const IS_BLACK = [false, true, false, true, false, false, true, false, true, false, true, false];
/** Semitone → where it begins within the octave's 21 thirds. */
const LEFT = [0, 2, 3, 5, 6, 9, 11, 12, 14, 15, 17, 18];
const SIGNS = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'];
const OCTAVE_THIRDS = 21;

/** The lowest C that the keys can begin at, and the highest. */
export const LOWEST_C = 24;
export const HIGHEST_C = 84;
/** Where the keys begin at first: middle C on a phone, the octave below it where two octaves fit. */
export const startsAt = (octaves: number): number => (octaves > 1 ? 48 : 60);

/** What is written for a MIDI number, with its octave: 60 is `C4`. */
export const noteSign = (midi: number): string => `${SIGNS[midi % 12]}${Math.floor(midi / 12) - 1}`;

/** `sharp` is the language's word for ♯. */
export function noteName(midi: number, sharp: string): string {
  return noteSign(midi).replace('♯', ` ${sharp} `);
}

/** So many octaves from a C on, and the C above them. */
export function pianoKeys(lowestC: number, octaves: number, sharp: string): PianoKey[] {
  return Array.from({ length: octaves * 12 + 1 }, (_, i) => {
    const semitone = i % 12;
    const black = IS_BLACK[semitone]!;
    return {
      midi: lowestC + i,
      black,
      left: Math.floor(i / 12) * OCTAVE_THIRDS + LEFT[semitone]!,
      width: black ? 2 : 3,
      name: noteName(lowestC + i, sharp),
      sign: SIGNS[semitone]!,
    };
  });
}

/** How many thirds of a white key they are wide together. */
export const pianoWidth = (octaves: number): number => octaves * OCTAVE_THIRDS + 3;

/** An octave up or down (or none), as far as it goes. */
export function shifted(lowestC: number, octaves: number, by: 1 | 0 | -1): number {
  const highest = HIGHEST_C - 12 * (octaves - 1);
  return Math.min(highest, Math.max(LOWEST_C, lowestC + 12 * by));
}

/** How strongly a key is struck, by how far down it the finger is: 0 at its top, 1 at its lower edge. */
export const velocityAt = (depth: number): number => Math.round(60 + 55 * Math.min(1, Math.max(0, depth)));
