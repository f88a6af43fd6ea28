import { useEffect, useState } from 'preact/hooks';
import type { Member, Room, RoomState } from '../../downbeat/types';
import { attempt } from '../shared';
import { distinctNames, inRosterOrder, studentsOf } from '../shared/people';
import { useWords } from '../words';
import { RosterRow } from './roster_row';
import { sectionsOf } from './roles';

const LIT_MS = 450;

/** Who has just played, for as long as their row is lit. */
function useLit(room: Room): ReadonlySet<string> {
  const [lit, setLit] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const dimming = new Map<string, ReturnType<typeof setTimeout>>();
    const unhear = room.onNote(({ studentId }) => {
      clearTimeout(dimming.get(studentId));
      dimming.set(studentId, setTimeout(() => {
        dimming.delete(studentId);
        setLit(new Set(dimming.keys()));
      }, LIT_MS));
      setLit(new Set(dimming.keys()));
    });
    return () => {
      unhear();
      dimming.forEach((timer) => clearTimeout(timer));
    };
  }, [room]);
  return lit;
}

export const allMuted = (students: readonly Member[]): boolean =>
  students.length > 0 && students.every(({ muted }) => muted);

/** Everybody in the class, and what the teacher can do for each. */
export function RosterPanel({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  const lit = useLit(room);
  const students = inRosterOrder(studentsOf(state));
  const names = distinctNames(students);
  const hands = students.filter(({ hand }) => hand).length;
  const muted = allMuted(students);
  return (
    <section class="card roster" aria-labelledby="class-title">
      <div class="card-head">
        <h2 id="class-title">{words.classTitle(students.filter(({ connections }) => connections > 0).length)}</h2>
        <span role="status">{hands > 0 && <span class="chip chip-down">{words.handsUp(hands)}</span>}</span>
        <button type="button" class="button small" disabled={students.length === 0}
          onClick={() => void attempt(muted ? room.controls.unmuteAll() : room.controls.muteAll())}>
          {muted ? words.unmuteAll : words.muteAll}
        </button>
      </div>
      {students.length === 0
        ? <p class="hint">{words.classEmpty}</p>
        : (
          <ul class="roster-list">
            {students.map((student) => (
              <RosterRow key={student.studentId} room={room} student={student} lit={lit.has(student.studentId)}
                name={names.get(student.studentId) ?? student.name} sections={sectionsOf(students)} />
            ))}
          </ul>
        )}
    </section>
  );
}
