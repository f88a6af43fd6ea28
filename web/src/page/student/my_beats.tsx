/** One's own beats: the pattern as it goes by, with mine in it, and how well the last note was on the beat. */
import type { Room } from '../../downbeat';
import { useBeat, useRoomState, useWords } from '../shared';
import { barAndPulse, patternLength, placeOfBeat } from '../shared/pattern';
import type { Judgement } from './judgement';
import { beatsUntilMine, placesOf } from './my_places';

/** So many beats fit beside each other on a phone: a longer pattern is turned over like pages, by whole bars. */
const BEATS_SHOWN = 8;
/** From here on the beats to wait are counted down. */
const COUNTED_DOWN = 8;

interface Place {
  place: number;
  mine: boolean;
  taken: boolean;
}

/** The bars of the pattern that are shown while `current` sounds. */
function barsFrom(places: Place[], beatsPerBar: number, current: number): Place[][] {
  const bars = Array.from({ length: Math.ceil(places.length / beatsPerBar) }, (_, i) =>
    places.slice(i * beatsPerBar, (i + 1) * beatsPerBar));
  const shown = Math.max(1, Math.floor(BEATS_SHOWN / beatsPerBar));
  const page = Math.floor((barAndPulse(current, beatsPerBar).bar - 1) / shown);
  return bars.slice(page * shown, (page + 1) * shown);
}

/** The row of beats. Screen readers get `yourBeats` instead: what moves with the music is not for reading out. */
function Row({ bars, current }: { bars: Place[][]; current: number | null }) {
  return (
    <div class="pattern" aria-hidden="true">
      {bars.map((bar) => (
        <div class="pattern-bar" key={bar[0]?.place}>
          {bar.map(({ place, mine, taken }) => (
            <span class="pattern-beat" key={place} data-mine={mine} data-taken={taken} data-now={place === current}>
              {place}
            </span>
          ))}
        </div>
      ))}
    </div>
  );
}

/** Where the last note was, from early to late. */
function Gauge({ offsetMs }: { offsetMs: number }) {
  const part = Math.max(-1, Math.min(1, offsetMs / 150));
  return <span class="gauge" aria-hidden="true"><i style={{ left: `${50 + part * 46}%` }} /></span>;
}

function Mark({ mark }: { mark: Judgement }) {
  const { student } = useWords();
  if (!mark) return null;
  if (mark.mark === 'unmeasured') return <p class="hint mark">{student.markUnknown}</p>;
  const ms = Math.abs(Math.round(mark.offsetMs));
  const [sign, text] = {
    'early': ['◀', student.markEarly(ms)], 'on-time': ['✓', student.markOnBeat], 'late': ['▶', student.markLate(ms)],
  }[mark.mark] as [string, string];
  return (
    <p class="mark" data-mark={mark.mark}>
      <span aria-hidden="true">{sign}</span><span>{text}</span><Gauge offsetMs={mark.offsetMs} />
    </p>
  );
}

export function MyBeats({ room, mark }: { room: Room; mark: Judgement }) {
  const { student } = useWords();
  const { me, assignments, timeline } = useRoomState(room);
  const beat = useBeat(room);
  const meter = timeline?.meter;
  const mine = me ? placesOf(assignments, me.studentId) : [];
  const listed = mine.length && me && meter ? student.yourBeats(mine.join(', ')) : '';

  const body = () => {
    if (!listed || !me || !meter) return null;
    const length = patternLength(assignments, meter.beats_per_bar);
    const places = Array.from({ length }, (_, i) => ({
      place: i + 1, mine: mine.includes(i + 1), taken: (assignments.get(i + 1)?.length ?? 0) > 0,
    }));
    const current = beat && placeOfBeat(assignments, meter, beat.beat);
    const ahead = beat && beatsUntilMine(assignments, meter, beat.beat, me.studentId);
    const now = current !== null && mine.includes(current);
    return (
      <>
        <Row bars={barsFrom(places, meter.beats_per_bar, current ?? mine[0]!)} current={current} />
        <div class="my-beats-words" role="status">
          {mark ? <Mark mark={mark} /> : (
            <p class="coming" data-now={now} aria-hidden="true">
              {now ? student.yourBeatNow : ahead !== null && ahead <= COUNTED_DOWN ? student.yourBeatIn(ahead) : listed}
            </p>
          )}
        </div>
      </>
    );
  };
  return (
    <div class="my-beats" data-any={Boolean(listed)}>
      <p class="visually-hidden" role="status">{listed}</p>
      {body()}
    </div>
  );
}
