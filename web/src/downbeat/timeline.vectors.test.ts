/// <reference types="node" />
// The same numbers as the server's arithmetic gives: the file is made by it.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { place } from './meter';
import { beatAt, timeOf } from './timeline';
import type { Beat, Timeline } from './types';

interface Vector {
  name: string;
  timeline: Timeline;
  time_of_beat: [beatUb: number, timeUs: number][];
  beat_at: [timeUs: number, beatUb: number][];
  places: [beat: number, bar: number, pulse: number, accent: Beat['accent']][];
}

const file = new URL('../../../tests/vectors/timeline.json', import.meta.url);
const there = existsSync(file);
if (!there) console.warn(`SKIPPED: the vectors of the timeline; ${file.pathname} is missing`);
const vectors = there ? (JSON.parse(readFileSync(file, 'utf8')) as Vector[]) : [];

describe.skipIf(!there)('the shared vectors', () => {
  it('are there', () => expect(vectors.length).toBeGreaterThan(0));

  it.each(vectors)('$name', ({ timeline, time_of_beat, beat_at, places }) => {
    expect(time_of_beat.map(([beatUb]) => [beatUb, timeOf(timeline, beatUb)])).toEqual(time_of_beat);
    expect(beat_at.map(([timeUs]) => [timeUs, beatAt(timeline, timeUs)])).toEqual(beat_at);
    const placed = places.map(([beat]) => {
      const { bar, pulse, accent } = place(timeline.meter, beat);
      return [beat, bar, pulse, accent];
    });
    expect(placed).toEqual(places);
  });
});
