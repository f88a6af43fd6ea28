import { useEffect, useId, useState } from 'preact/hooks';
import type { Room, RoomState } from '../../downbeat/types';
import { attempt } from '../shared';
import { groupsFit, parseGroups } from '../shared/metre';
import { useWords } from '../words';

const BEATS_MAX = 64;

/** How many beats a bar has, and which of them are accented. */
function MetreForm({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  const hint = useId();
  const meter = state.timeline?.meter;
  const [beats, setBeats] = useState('4');
  const [groups, setGroups] = useState('');
  const [wrong, setWrong] = useState(false);
  const held = `${meter?.beats_per_bar ?? 4} ${meter?.groups.join('+') ?? ''}`;
  useEffect(() => { // somebody (a co-teacher, another tab) may change it
    const [length = '4', accents = ''] = held.split(' ');
    setBeats(length);
    setGroups(accents);
    setWrong(false);
  }, [held]);

  const submit = (event: Event) => {
    event.preventDefault();
    const [length, accents] = [Number(beats), parseGroups(groups)];
    const fits = accents !== null && groupsFit(accents, length);
    setWrong(!fits);
    if (fits) void attempt(room.controls.setMeter(length, accents));
  };
  return (
    <form class="stack" onSubmit={submit}>
      <h3>{words.metre}</h3>
      <div class="fields">
        <label class="labelled"><span>{words.beatsPerBar}</span>
          <input class="field" type="number" min="1" max={BEATS_MAX} required value={beats}
            onInput={(event) => setBeats(event.currentTarget.value)} />
        </label>
        <label class="labelled"><span>{words.groups}</span>
          <input class="field" type="text" autocomplete="off" placeholder={words.groupsPlaceholder} value={groups}
            aria-describedby={hint} aria-invalid={wrong} onInput={(event) => setGroups(event.currentTarget.value)} />
        </label>
        <button class="button">{words.setMetre}</button>
      </div>
      <p id={hint} class={wrong ? 'wrong' : 'hint'} role={wrong ? 'alert' : undefined}>
        {wrong ? words.groupsWrong(Number(beats)) : words.groupsHint}
      </p>
    </form>
  );
}

/** From this tempo to another, evenly over some beats. */
function RampForm({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  const [bpm, setBpm] = useState('');
  const [beats, setBeats] = useState('16');
  const submit = (event: Event) => {
    event.preventDefault();
    void attempt(room.controls.rampTempo(Number(bpm), Number(beats)));
  };
  return (
    <form class="stack" onSubmit={submit}>
      <h3>{words.ramp}</h3>
      <div class="fields">
        <label class="labelled"><span>{words.rampTo}</span>
          <input class="field" type="number" min="1" max="299" required value={bpm}
            placeholder={String(Math.round(state.bpm))} onInput={(event) => setBpm(event.currentTarget.value)} />
        </label>
        <label class="labelled"><span>{words.rampOver}</span>
          <input class="field" type="number" min="1" max="1024" required value={beats}
            onInput={(event) => setBeats(event.currentTarget.value)} />
        </label>
        <button class="button">{words.startRamp}</button>
      </div>
    </form>
  );
}

/** What is wanted less often: folded away. */
export function MetrePanel({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  return (
    <details class="more">
      <summary>{words.more}</summary>
      <div class="more-inside">
        <MetreForm room={room} state={state} />
        <RampForm room={room} state={state} />
      </div>
    </details>
  );
}
