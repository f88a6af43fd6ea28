import type { Room, RoomState } from '../../downbeat/types';
import { BeatView, attempt } from '../shared';
import { PlayIcon, StopIcon } from '../shared/icons';
import { useWords } from '../words';
import { MetrePanel } from './metre_panel';
import { TempoPanel } from './tempo_panel';
import type { Tempo, When } from './use_tempo';

/** How the teacher likes to conduct; kept while the page is open. */
export interface Conducting {
  when: When;
  countInBars: number;
}

interface ConductPanelProps {
  room: Room;
  state: RoomState;
  tempo: Tempo;
  conducting: Conducting;
  onConducting: (conducting: Conducting) => void;
  onStartStop: () => void;
}

/** The beat, and everything that changes it. */
export function ConductPanel({ room, state, tempo, conducting, onConducting, onStartStop }: ConductPanelProps) {
  const { teacher: words } = useWords();
  const { playing, timeline } = state;
  const hasPlayed = (timeline?.segments.length ?? 0) > 0;
  return (
    <section class="card conduct" aria-labelledby="conduct-title">
      <h2 id="conduct-title" class="visually-hidden">{words.conductTitle}</h2>
      <div class="conduct-beat"><BeatView room={room} size="teacher" /></div>
      <div class="conduct-controls">
        <TempoPanel tempo={tempo} />
        <div class="transport">
          <button type="button" class="button strong transport-main" onClick={onStartStop}>
            {playing ? <StopIcon /> : <PlayIcon />}{playing ? words.stop : words.start}
          </button>
          {!playing && hasPlayed && (
            <button type="button" class="button transport-side"
              onClick={() => void attempt(room.controls.start({ resume: true }))}>{words.resume}</button>
          )}
          {playing && (
            <button type="button" class="button transport-side" onClick={() => void attempt(room.controls.reset())}>
              {words.resetBeats}
            </button>
          )}
        </div>
        <div class="fields">
          <label class="labelled"><span>{words.countIn}</span>
            <select class="field" value={conducting.countInBars}
              onChange={(event) => onConducting({ ...conducting, countInBars: Number(event.currentTarget.value) })}>
              <option value="0">{words.countInNone}</option>
              <option value="1">{words.countInBars(1)}</option>
              <option value="2">{words.countInBars(2)}</option>
            </select>
          </label>
          <label class="labelled"><span>{words.when}</span>
            <select class="field" value={conducting.when}
              onChange={(event) => onConducting({ ...conducting, when: event.currentTarget.value as When })}>
              <option value="now">{words.whenNow}</option>
              <option value="beat">{words.whenBeat}</option>
              <option value="bar">{words.whenBar}</option>
            </select>
          </label>
        </div>
        <MetrePanel room={room} state={state} />
      </div>
    </section>
  );
}
