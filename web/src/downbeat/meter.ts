/** Bars, pulses and accents: the same as the server's `src/tempo/meter.rs`. */
import type { Beat, Meter } from './types';

/** The place of a whole beat. Where bar 1 begins between two whole beats, the later one is its first pulse. */
export function place({ beats_per_bar, groups, bar0_ub }: Meter, beat: number): Pick<Beat, 'bar' | 'pulse' | 'accent'> {
  const fromBar1 = beat - Math.ceil(bar0_ub / 1_000_000);
  const bar = Math.floor(fromBar1 / beats_per_bar);
  const within = fromBar1 - bar * beats_per_bar;
  return { bar: bar + 1, pulse: within + 1, accent: accentOf(groups, within) };
}

function accentOf(groups: number[], within: number): Beat['accent'] {
  if (within === 0) return 'bar';
  let start = 0;
  for (const group of groups) {
    if (start === within) return 'group';
    start += group;
  }
  return 'none';
}
