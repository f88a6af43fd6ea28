import { useState } from 'preact/hooks';
import { FAIR_MS, type AssignedRole, type Member, type Room } from '../../downbeat/types';
import { Confirm, Dialog, attempt } from '../shared';
import { lowerHandOf } from '../shared/api';
import { roundedMs } from '../shared/connection';
import { Face } from '../shared/face';
import { HandIcon, MicrophoneIcon, MutedIcon, RemoveIcon } from '../shared/icons';
import { useWords } from '../words';
import { sectionRole } from './roles';

interface RosterRowProps {
  room: Room;
  student: Member;
  /** How the student is called here: distinct from the others. */
  name: string;
  sections: readonly string[];
  /** Has just played. */
  lit: boolean;
}

const PLAYER = 'player';
const NEW_SECTION = 'new';

function RoleChoice({ room, student, name, sections }: RosterRowProps) {
  const { teacher: words } = useWords();
  const [naming, setNaming] = useState(false);
  const held = student.assignedRole ?? PLAYER;
  const assign = (role: AssignedRole | null) => void attempt(room.controls.assignRole(student.studentId, role));
  return (
    <>
      <select
        class="field roster-role"
        aria-label={words.roleOf(name)}
        value={held}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          event.currentTarget.value = held; // the room's answer changes it
          if (chosen === NEW_SECTION) setNaming(true);
          else assign(chosen === PLAYER ? null : (chosen as AssignedRole));
        }}
      >
        <option value={PLAYER}>{words.rolePlayer}</option>
        <option value="soloist">{words.roleSoloist}</option>
        <option value="listener">{words.roleListener}</option>
        <option value="co_teacher">{words.roleCoTeacher}</option>
        {sections.map((section) => (
          <option key={section} value={sectionRole(section)}>{words.roleSection(section)}</option>
        ))}
        <option value={NEW_SECTION}>{words.roleNewSection}</option>
      </select>
      {naming && (
        <SectionDialog name={name} onClose={() => setNaming(false)}
          onSave={(section) => assign(sectionRole(section))} />
      )}
    </>
  );
}

interface SectionDialogProps {
  name: string;
  onSave: (section: string) => void;
  onClose: () => void;
}

function SectionDialog({ name, onSave, onClose }: SectionDialogProps) {
  const { teacher: words } = useWords();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const section = String(new FormData(event.currentTarget as HTMLFormElement).get('section')).trim();
    if (!section) return;
    onClose();
    onSave(section);
  };
  return (
    <Dialog title={words.sectionTitle(name)} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <label class="labelled"><span class="label">{words.sectionName}</span>
          <input class="field" type="text" name="section" maxLength={32} required autocomplete="off" autofocus />
        </label>
        <button class="button strong">{words.sectionSave}</button>
      </form>
    </Dialog>
  );
}

/** How well a student's device knows the clock: a number while it does, a word where it does not. */
function Sync({ uncertaintyMs, roundTripMs }: NonNullable<Member['clock']>) {
  const { teacher: words } = useWords();
  const bad = uncertaintyMs > FAIR_MS;
  const ms = roundedMs(uncertaintyMs);
  return (
    <span class="sync" data-bad={bad} title={words.syncRoundTrip(roundedMs(roundTripMs))}>
      {bad ? words.syncBad(ms) : words.syncGood(ms)}
    </span>
  );
}

function Presence({ student }: { student: Member }) {
  const { teacher: words, common } = useWords();
  const { connections, muted, clock } = student;
  return (
    <span class="roster-state">
      <span class="presence" data-here={connections > 0}>
        {student.hand && <span class="visually-hidden">{common.handRaised}, </span>}
        {connections === 0 ? words.away : connections === 1 ? words.here : words.devices(connections)}
      </span>
      {muted && <span>{words.muted}</span>}
      {clock && connections > 0 && <Sync {...clock} />}
    </span>
  );
}

/** One student: how they are, and what can be done. */
export function RosterRow(props: RosterRowProps) {
  const { room, student, name, lit } = props;
  const { teacher: words } = useWords();
  const [removing, setRemoving] = useState(false);
  const { studentId, muted, hand, connections } = student;
  const mute = () => void attempt(muted ? room.controls.unmute(studentId) : room.controls.mute(studentId));
  return (
    <li class="roster-row" data-lit={lit} data-muted={muted} data-away={connections === 0} data-hand={hand}>
      {hand
        ? (
          <button type="button" class="icon-button roster-hand" aria-label={words.lowerHand(name)}
            title={words.lowerHand(name)} onClick={() => void attempt(lowerHandOf(room.state.code, studentId))}>
            <HandIcon />
          </button>
        )
        : <Face studentId={studentId} name={name} />}
      <span class="roster-who">
        <span class="roster-name">{name}</span>
        <Presence student={student} />
      </span>
      <RoleChoice {...props} />
      <button type="button" class="icon-button" aria-label={muted ? words.unmute(name) : words.mute(name)}
        title={muted ? words.unmute(name) : words.mute(name)} data-muted={muted} onClick={mute}>
        {muted ? <MutedIcon /> : <MicrophoneIcon />}
      </button>
      <button type="button" class="icon-button" aria-label={words.remove(name)} title={words.remove(name)}
        onClick={() => setRemoving(true)}><RemoveIcon /></button>
      {removing && (
        <Confirm title={words.removeTitle(name)} text={words.removeText} confirm={words.removeConfirm}
          onConfirm={() => void attempt(room.controls.remove(studentId))} onClose={() => setRemoving(false)} />
      )}
    </li>
  );
}
