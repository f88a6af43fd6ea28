/** How loud things are. */

/** One note at full velocity; the limiter begins to bend above about two of them. */
const LEVEL = 0.34;

/** How loud a setting from 0 to 1 is: by the square, as ears count. */
export const gainOf = (volume: number): number => Math.min(1, Math.max(0, volume)) ** 2;

/** How strong one note is while `others` sound as well: many together become fuller, not many times as loud. */
export const strength = (velocity: number, others: number): number =>
  (LEVEL * (Math.min(127, Math.max(0, velocity)) / 127) ** 1.4) / Math.sqrt(1 + others / 3);
