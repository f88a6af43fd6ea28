import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Room, RoomState } from '../../downbeat/types';
import { useWords } from '../words';
import { mayFlash, useCalm } from '../shared/flash';
import { placeOfBeat } from '../shared/pattern';
import { projectorCells } from './projector_cells';

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
  const steady = !mayFlash(state.bpm, useCalm());
  const { cells, columns, rows, lines, letters, dense } = useMemo(() => projectorCells(state), [state]);
  const look = { '--columns': columns, '--rows': rows, '--lines': lines, '--letters': letters };
  return (
    <section class="projector-pattern" aria-label={words.common.gridLabel}>
      <ol class="projector-grid" data-dense={dense} data-steady={steady} style={look}>
        {cells.map(({ place, names, more }) => (
          <li key={place} data-now={place === now} data-free={names.length === 0}>
            <span class="projector-place">{place}</span>
            {names.map((name) => <span key={name} class="projector-name">{name}</span>)}
            {more > 0 && <span class="projector-more">{words.projector.andMore(more)}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
