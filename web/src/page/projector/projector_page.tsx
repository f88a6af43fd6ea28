import './projector.css';
import { useEffect, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { BeatView, ConnectionBanner, Ended, useRoomState } from '../shared';
import { teacherToken } from '../shared/api';
import { patternLength } from '../shared/pattern';
import { studentsOrigin } from '../shared/session';
import { useJoined } from '../shared/use_joined';
import { useWords } from '../words';
import { ProjectorGrid } from './projector_grid';

function Projected({ room }: { room: Room }) {
  const { projector: words } = useWords();
  const state = useRoomState(room);
  if (state.connection === 'ended') return <main class="centre"><Ended why={state.ending ?? 'left'} /></main>;
  const hasPattern = patternLength(state.assignments, state.timeline?.meter.beats_per_bar ?? 4) > 0;
  return (
    <main class="projector" data-pattern={hasPattern}>
      <ConnectionBanner room={room} />
      <header class="projector-join">
        <p class="hint">{words.joinAt} <b>{studentsOrigin().replace(/^https?:\/\//, '')}</b></p>
        <h1 class="projector-code" style={{ '--letters': state.code.length }}>
          <span class="visually-hidden">{words.codeLabel} </span>{state.code}
        </h1>
      </header>
      <div class="projector-beat"><BeatView room={room} size="projector" /></div>
      {hasPattern && <ProjectorGrid room={room} state={state} />}
    </main>
  );
}

function Joined({ code }: { code: string }) {
  const room = useJoined(code);
  const { common } = useWords();
  if (room) return <Projected room={room} />;
  return <main class="centre"><p class="hint" role="status">{common.loading}</p></main>;
}

/** What hangs on the wall: the beat, the bar, the code and the grid. */
export function ProjectorPage() {
  const words = useWords();
  const [code] = useState(() => new URLSearchParams(location.search).get('room')?.trim().toUpperCase() ?? '');
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => { teacherToken().catch(setFailure); }, []);
  useEffect(() => { document.title = `${code || words.projector.title} · Downbeat`; }, [code, words]);
  if (failure) return <main class="centre"><Ended why={failure} /></main>;
  if (!code) return <main class="centre"><Ended why="" title={words.projector.noRoom} /></main>;
  return <Joined code={code} />;
}
