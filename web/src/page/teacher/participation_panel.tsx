import type { RoomState } from '../../downbeat/types';
import { Face } from '../shared/face';
import { studentsOf } from '../shared/people';
import { useWords } from '../words';
import { participationView } from './participation_view';

/** Who has played, and who has not yet: while the lesson goes on. */
export function ParticipationPanel({ state }: { state: RoomState }) {
  const { teacher: words } = useWords();
  const { played, notYet } = participationView(state.participation, studentsOf(state));
  const most = played[0]?.notes ?? 1;
  const all = played.length + notYet.length;
  return (
    <section class="card taking-part" aria-labelledby="participation-title">
      <div class="card-head">
        <h2 id="participation-title">{words.participationTitle}</h2>
        {all > 0 && <p class="hint">{words.participationSummary(played.length, all)}</p>}
      </div>
      {played.length === 0 && <p class="hint">{words.participationNone}</p>}
      {played.length > 0 && (
        <ul class="voices">
          {played.map(({ studentId, name, notes }) => (
            <li key={studentId}>
              <span class="voice-name">{name}</span>
              <span class="voice-bar" aria-hidden="true"><i style={{ width: `${(notes / most) * 100}%` }} /></span>
              <span class="voice-notes">{words.notes(notes)}</span>
            </li>
          ))}
        </ul>
      )}
      {played.length > 0 && notYet.length === 0 && <p class="hint">{words.participationAll}</p>}
      {notYet.length > 0 && (
        <>
          <h3 class="not-yet-title">{words.participationNotYet}</h3>
          <ul class="not-yet">
            {notYet.map(({ studentId, name }) => (
              <li key={studentId} class="chip"><Face studentId={studentId} name={name} />{name}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
