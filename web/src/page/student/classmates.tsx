/** Who is here, and who plays: a face lights up in its colour as its note arrives. */
import { useEffect, useRef } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { useRoomState, useWords } from '../shared';
import { Face } from '../shared/face';
import { HandIcon } from '../shared/icons';
import { inRosterOrder, studentsOf } from '../shared/people';
import { noteSign } from './piano_keys';

const LIT_MS = 700;

export function Classmates({ room }: { room: Room }) {
  const words = useWords();
  const state = useRoomState(room);
  const here = inRosterOrder(studentsOf(state)).filter(({ connections }) => connections > 0);
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => room.onNote(({ studentId, midi }) => {
    const face = list.current?.querySelector<HTMLElement>(`[data-student="${CSS.escape(studentId)}"] .face`);
    if (!face) return;
    face.dataset.note = noteSign(midi);
    face.getAnimations().forEach((animation) => animation.cancel());
    face.animate([{ boxShadow: '0 0 0 5px var(--beat)' }, { boxShadow: '0 0 0 0 transparent' }],
      { duration: LIT_MS, easing: 'ease-out' }).onfinish = () => { delete face.dataset.note; };
  }), [room]);

  return (
    <section class="classmates" aria-labelledby="classmates-title">
      <h2 id="classmates-title">{words.student.classmates}</h2>
      <ul ref={list}>
        {here.map(({ studentId, name, hand, muted }) => (
          <li key={studentId} data-student={studentId} data-muted={muted}>
            <Face studentId={studentId} name={name} />
            <span class="classmate-name">{studentId === state.me?.studentId ? words.common.you(name) : name}</span>
            {hand && <span class="classmate-hand" role="img" aria-label={words.common.handRaised}><HandIcon /></span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
