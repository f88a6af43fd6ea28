import { useEffect, useState } from 'preact/hooks';
import type { Room, RoomState } from '../../downbeat/types';
import { useWords } from '../words';
import { gridPlaces, patternLength, placeOfBeat } from '../shared/pattern';
import { distinctNames } from '../shared/people';

/** More than that in one cell nobody reads from the back row. */
const NAMES_MAX = 5;
/** A name that is longer than this is cut off rather than making all of them small. */
const LETTERS_MAX = 12;
const LETTERS_MIN = 4;

/** The place of the pattern that sounds; null while nothing does. */
function usePlace(room: Room, { assignments, timeline, playing }: RoomState): number | null {
  const [place, setPlace] = useState<number | null>(null);
  const meter = timeline?.meter;
  useEffect(() => {
    if (!playing || !meter) return setPlace(null);
    return room.onBeat(({ beat }) => setPlace(placeOfBeat(assignments, meter, beat)));
  }, [room, assignments, meter, playing]);
  return place;
}

/** A cell for each place of the pattern, with the names of those who play there; a line for each bar. */
export function ProjectorGrid({ room, state }: { room: Room; state: RoomState }) {
  const words = useWords();
  const now = usePlace(room, state);
  const { assignments, members, timeline } = state;
  const beatsPerBar = timeline?.meter.beats_per_bar ?? 4;
  if (patternLength(assignments, beatsPerBar) === 0) return null;

  const names = distinctNames(members);
  const places = gridPlaces(assignments, beatsPerBar, 1);
  const lines = Math.min(NAMES_MAX, Math.max(...places.map((place) => assignments.get(place)?.length ?? 0)));
  const shown = places.flatMap((place) => (assignments.get(place) ?? []).slice(0, NAMES_MAX));
  const letters = Math.max(...shown.map((id) => [...(names.get(id) ?? id)].length));
  const look = {
    '--letters': Math.min(LETTERS_MAX, Math.max(LETTERS_MIN, letters)),
    '--columns': beatsPerBar,
    '--rows': Math.ceil(places.length / beatsPerBar),
    '--lines': Math.max(1, lines),
  };
  return (
    <section class="projector-pattern" aria-label={words.common.gridLabel}>
      <ol class="projector-grid" style={look}>
        {places.map((place) => {
          const ids = assignments.get(place) ?? [];
          return (
            <li key={place} data-now={place === now} data-free={ids.length === 0}>
              <span class="projector-place">{place}</span>
              {ids.slice(0, NAMES_MAX).map((id) => (
                <span key={id} class="projector-name">{names.get(id) ?? id}</span>
              ))}
              {ids.length > NAMES_MAX && (
                <span class="projector-name">{words.projector.andMore(ids.length - NAMES_MAX)}</span>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
