import { useState } from 'preact/hooks';
import type { Controls, Room, RoomState } from '../../downbeat/types';
import { attempt } from '../shared';
import { BeatGrid } from '../shared/beat_grid';
import { NumberField } from '../shared/number_field';
import { barsMax, gridPlaces, patternLength, takeTurns, toggleSteps, type GridStep } from '../shared/pattern';
import { studentsOf } from '../shared/people';
import { useWords } from '../words';

/** One order after the other: the server takes them in this order, and the first that fails ends it. */
async function carryOut(controls: Controls, steps: readonly GridStep[]): Promise<void> {
  for (const step of steps) {
    await ('clear' in step ? controls.clearBeat(step.clear) : controls.assignBeat(step.assign, step.beat));
  }
}

/** Who plays on which beat. */
export function PatternPanel({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  const [bars, setBars] = useState(1);
  const { assignments, timeline } = state;
  const beatsPerBar = timeline?.meter.beats_per_bar ?? 4;
  const students = studentsOf(state);
  const places = gridPlaces(assignments, beatsPerBar, bars);
  const shownBars = Math.ceil(places.length / beatsPerBar);
  const least = Math.max(1, Math.ceil(patternLength(assignments, beatsPerBar) / beatsPerBar));
  const run = (steps: readonly GridStep[]) => void attempt(carryOut(room.controls, steps));

  const turns = async () => {
    await room.controls.clearBeats();
    await carryOut(room.controls, takeTurns(students.map(({ studentId }) => studentId)));
  };
  return (
    <section class="card pattern" aria-labelledby="pattern-title">
      <div class="card-head">
        <div>
          <h2 id="pattern-title">{words.patternTitle}</h2>
          <p class="hint">{words.patternHint}</p>
        </div>
        <label class="row"><span>{words.patternBars}</span>
          <NumberField class="field pattern-bars" value={shownBars} min={least} max={barsMax(beatsPerBar)}
            onCommit={setBars} />
        </label>
        <button type="button" class="button small" disabled={students.length === 0}
          onClick={() => void attempt(turns())}>{words.patternTakeTurns}</button>
        <button type="button" class="button small" disabled={assignments.size === 0}
          onClick={() => void attempt(room.controls.clearBeats())}>{words.clearBeats}</button>
      </div>
      {students.length === 0
        ? <p class="hint">{words.classEmpty}</p>
        : <BeatGrid room={room} students={students} places={places}
          onToggle={(place, id) => run(toggleSteps(room.state.assignments, place, id))}
          onClear={(place) => run([{ clear: place }])} />}
    </section>
  );
}
