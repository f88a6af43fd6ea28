/** The lesson: the beat, one's own beats, the keys, the class. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { BeatView, ConnectionBanner, Notice, useRoomState, useWords } from '../shared';
import { Header, SoundButton } from '../shared/header';
import { useSound } from '../shared/use_sound';
import { Classmates } from './classmates';
import { MidiButton } from './midi_button';
import { MyBeats } from './my_beats';
import { silenceOf } from './permission';
import { Piano } from './piano';
import { RaiseHand } from './raise_hand';
import { ReflectionForm } from './reflection_form';
import type { Written } from './reflection_rules';
import { useMidi } from './use_midi';
import { useOctaves } from './use_octaves';
import { useFirstGesture, useOwnSound } from './use_own_sound';
import { useStrike } from './use_strike';

interface RoomViewProps {
  room: Room;
  written: Written;
  onWrite: (written: Written) => void;
  onLeave: () => void;
}

/** What the teacher made of one: a solo, a section, or silence. */
function Standing({ room }: { room: Room }) {
  const { student: words } = useWords();
  const state = useRoomState(room);
  const silence = silenceOf(state);
  const role = state.members.find(({ studentId }) => studentId === state.me?.studentId)?.assignedRole;
  const silenced = { 'muted': words.muted, 'listener': words.listener, 'solo-of-another': words.soloOther };
  const said = silence ? silenced[silence]
    : role === 'soloist' ? words.soloYou
      : role?.startsWith('section:') ? words.section(role.slice('section:'.length)) : '';
  return <p class="standing" role="status" data-silent={silence !== null}>{said}</p>;
}

/** Whether the music has played and stands still now: a good moment to look back. */
function useHasStopped(room: Room): boolean {
  const { playing } = useRoomState(room);
  const [played, setPlayed] = useState(false);
  useEffect(() => { if (playing) setPlayed(true); }, [playing]);
  return played && !playing;
}

/** The keys that a MIDI keyboard holds down. */
function useHeldByMidi() {
  const [held, setHeld] = useState<ReadonlySet<number>>(new Set());
  const hold = useCallback((midi: number, down: boolean) => setHeld((before) => {
    const after = new Set(before);
    if (down) after.add(midi);
    else after.delete(midi);
    return after;
  }), []);
  return { held, hold };
}

export function RoomView({ room, written, onWrite, onLeave }: RoomViewProps) {
  const words = useWords();
  const state = useRoomState(room);
  const sound = useSound(room);
  useFirstGesture(sound.start);
  const { strike, mark } = useStrike(room, useOwnSound(sound));
  const octaves = useOctaves();
  const { held, hold } = useHeldByMidi();
  const { midi, ask } = useMidi((key, at) => {
    if (!key.down) hold(key.midi, false);
    else if (strike(key.midi, key.velocity, at)) hold(key.midi, true);
  });
  const [reflecting, setReflecting] = useState(false);
  const stopped = useHasStopped(room);
  const content = useRef<HTMLElement>(null);
  // From the form, which is gone, the focus comes here: readers tell where one is.
  useEffect(() => content.current?.focus(), []);

  return (
    <>
      <Header home="/" room={room} start={<span class="room-name">{state.name || state.code}</span>}>
        <SoundButton sound={sound} />
        <button type="button" class="button small plain" onClick={onLeave}>{words.student.leave}</button>
      </Header>
      <ConnectionBanner room={room} soundBlocked={sound.blocked} />
      <main id="content" class="student" ref={content} tabIndex={-1} aria-labelledby="room-title">
        <h1 id="room-title" class="visually-hidden">{state.name || state.code}</h1>
        <section class="student-beat" aria-label={words.common.beat}><BeatView room={room} size="student" /></section>
        <section class="student-mine" aria-label={words.student.myBeats}><MyBeats room={room} mark={mark} /></section>
        <div class="student-side">
          <div class="row student-actions">
            <RaiseHand room={room} />
            <button type="button" class="button" data-suggested={stopped && !written.sent}
              onClick={() => setReflecting(true)}>
              {words.reflection.title}
            </button>
          </div>
          <p class="hint" role="status">{stopped && !written.sent ? words.student.musicStopped : ''}</p>
          <Classmates room={room} />
        </div>
        <section class="student-play" aria-labelledby="play-title">
          <h2 id="play-title" class="visually-hidden">{words.student.playTitle}</h2>
          <div class="student-play-head">
            <Standing room={room} />
            {!sound.on && (
              <button type="button" class="button small" onClick={sound.start}>{words.student.startSound}</button>
            )}
            <MidiButton midi={midi} ask={ask} />
          </div>
          <Piano room={room} octaves={octaves} silent={silenceOf(state) !== null} strike={strike}
            heldElsewhere={held} />
        </section>
      </main>
      {reflecting && (
        <ReflectionForm room={room} written={written} onWrite={onWrite} onClose={() => setReflecting(false)} />
      )}
      <Notice />
    </>
  );
}
