import './grid.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Member, Room } from '../../downbeat/types';
import { useWords } from '../words';
import { Face } from './face';
import { mayFlash, useCalm } from './flash';
import { groupStarts } from './metre';
import { barAndPulse, patternLength, placeInRound } from './pattern';
import { distinctNames } from './people';
import { useRoomState } from './use_room';

interface BeatGridProps {
  room: Room;
  students: readonly Member[];
  /** The places that are columns. */
  places: readonly number[];
  onToggle: (place: number, studentId: string) => void;
  onClear: (place: number) => void;
}

/** Goes from box to box with the arrows, Home and End. */
function moveFocus(table: HTMLTableElement, event: KeyboardEvent): void {
  const from = (event.target as HTMLElement).closest<HTMLInputElement>('input[data-row]');
  if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
  const [row, column] = [Number(from.dataset.row), Number(from.dataset.column)];
  const line = table.querySelectorAll(`input[data-row="${row}"]`).length;
  const to: Record<string, [number, number]> = {
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    Home: [row, 0],
    End: [row, line - 1],
  };
  const wanted = to[event.key];
  if (!wanted) return;
  event.preventDefault();
  table.querySelector<HTMLInputElement>(`input[data-row="${wanted[0]}"][data-column="${wanted[1]}"]`)?.focus();
}

/**
 * Beats × students. The column that sounds lights up; it is marked on the elements directly, because drawing a table of
 * thousands of boxes anew at every beat would cost a small device more than it has.
 */
export function BeatGrid({ room, students, places, onToggle, onClear }: BeatGridProps) {
  const { teacher: words } = useWords();
  const state = useRoomState(room);
  const table = useRef<HTMLTableElement>(null);
  const steady = !mayFlash(state.bpm, useCalm());
  const { assignments, timeline, playing } = state;
  const meter = timeline?.meter;
  const beatsPerBar = meter?.beats_per_bar ?? 4;
  const used = patternLength(assignments, beatsPerBar);
  const starts = groupStarts(beatsPerBar, meter?.groups ?? []);
  const names = distinctNames(students);
  // One box is the stop of the Tab key: the one that had the focus last, or the first where that one is gone.
  const [last, setLast] = useState({ row: 0, column: 0 });
  const stop = last.row < students.length && last.column < places.length ? last : { row: 0, column: 0 };

  useEffect(() => {
    const light = (place: number | null) => {
      for (const cell of table.current?.querySelectorAll('[data-now]') ?? []) cell.removeAttribute('data-now');
      if (place === null) return;
      for (const cell of table.current?.querySelectorAll(`[data-place="${place}"]`) ?? []) {
        cell.setAttribute('data-now', '');
      }
    };
    if (!playing || !meter) return light(null);
    return room.onBeat(({ beat }) => light(placeInRound(used || places.length, meter, beat)));
  }, [room, playing, meter, used, places.length]);

  const kind = (place: number) => {
    const { pulse } = barAndPulse(place, beatsPerBar);
    return pulse === 1 ? 'bar' : starts.has(pulse) ? 'group' : 'none';
  };
  const unused = (place: number) => used > 0 && place > used;
  return (
    <div class="grid-scroll">
      <table class="grid" data-steady={steady} ref={table} onKeyDown={(event) => moveFocus(event.currentTarget, event)}>
        <caption class="visually-hidden">{words.patternTitle}</caption>
        <thead>
          <tr>
            <th scope="col" class="grid-name"><span class="visually-hidden">{words.patternStudent}</span></th>
            {places.map((place) => (
              <th key={place} scope="col" data-place={place} data-starts={kind(place)} data-unused={unused(place)}>
                {assignments.get(place)?.length
                  ? <button type="button" class="grid-clear" aria-label={words.clearBeat(place)}
                    title={words.clearBeat(place)} onClick={() => onClear(place)}>{place}</button>
                  : <span class="grid-number">{place}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {students.map(({ studentId, name, connections }, row) => (
            <tr key={studentId} data-away={connections === 0}>
              <th scope="row" class="grid-name">
                <span class="grid-who">
                  <Face studentId={studentId} name={name} />
                  <span class="grid-text">{names.get(studentId)}</span>
                </span>
              </th>
              {places.map((place, column) => (
                <td key={place} data-place={place} data-starts={kind(place)} data-unused={unused(place)}>
                  <label class="grid-box">
                    <input
                      type="checkbox"
                      data-row={row}
                      data-column={column}
                      tabIndex={row === stop.row && column === stop.column ? 0 : -1}
                      onFocus={() => setLast({ row, column })}
                      aria-label={words.patternCell(place, names.get(studentId) ?? name)}
                      checked={assignments.get(place)?.includes(studentId) ?? false}
                      onClick={(event) => { event.preventDefault(); onToggle(place, studentId); }}
                    />
                    <span class="grid-mark" aria-hidden="true" />
                  </label>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
