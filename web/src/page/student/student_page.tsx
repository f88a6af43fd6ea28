/** A student's page: in by code and name, then the lesson, then an end that says why and how to go on. */
import './student.css';
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Room } from '../../downbeat';
import { startSound } from '../../sound';
import { expose, Notice, useRoomState } from '../shared';
import { Header } from '../shared/header';
import { forgetGuestPass } from '../shared/session';
import {
  codeInAddress, codeOf, enter, join, knownHere, putCodeIntoAddress, rememberedName, schoolTokenEnded,
} from './entrance';
import { Goodbye } from './goodbye';
import { JoinForm } from './join_form';
import { forgetWritten, keepWritten, writtenHere } from './kept_reflection';
import type { Written } from './reflection_rules';
import { RoomView } from './room_view';
import { Waiting } from './waiting';

/** Where this tab is in its visit. */
type Visit =
  | { at: 'door'; digits: string; name: string; failure: unknown }
  | { at: 'room'; room: Room; name: string };

function firstVisit(): Visit {
  const digits = codeInAddress();
  const name = digits ? knownHere(codeOf(digits)) : null;
  return name ? { at: 'room', room: join(codeOf(digits), name), name }
    : { at: 'door', digits, name: rememberedName(), failure: schoolTokenEnded() ? 'session_expired' : null };
}

export function StudentPage() {
  const [visit, setVisit] = useState(firstVisit);
  const [busy, setBusy] = useState(false);
  const room = visit.at === 'room' ? visit.room : null;
  useEffect(() => {
    expose(room);
    putCodeIntoAddress(room?.state.code ?? null);
    document.title = room ? `${room.state.code} · Downbeat` : 'Downbeat';
  }, [room]);

  const toDoor = useCallback((digits: string, name: string, failure: unknown = null) =>
    setVisit({ at: 'door', digits, name, failure }), []);
  const onJoin = async (digits: string, name: string) => {
    // Still within the gesture. If it fails, the room's page offers it again.
    startSound().catch(() => {});
    setBusy(true);
    try {
      setVisit({ at: 'room', room: await enter(codeOf(digits), name), name });
    } catch (failure) {
      toDoor(digits, name, failure);
    } finally {
      setBusy(false);
    }
  };

  if (visit.at === 'room') {
    const { name } = visit;
    const { code } = visit.room.state;
    return (
      <Inside
        key={code}
        room={visit.room}
        name={name}
        onDoor={(digits, failure) => toDoor(digits, name, failure)}
        onAgain={() => setVisit({ at: 'room', room: join(code, name), name })}
      />
    );
  }
  return (
    <>
      <Header home="/" />
      <main id="content" class="door" tabIndex={-1}>
        <JoinForm digits={visit.digits} name={visit.name} failure={visit.failure} busy={busy} onJoin={onJoin} />
      </main>
      <Notice />
    </>
  );
}

interface InsideProps {
  room: Room;
  name: string;
  onDoor: (digits: string, failure?: unknown) => void;
  onAgain: () => void;
}

/** From the first attempt to connect until the end. */
function Inside({ room, name, onDoor, onAgain }: InsideProps) {
  const state = useRoomState(room);
  const { ending, me, code } = state;
  const [written, setWritten] = useState(() => writtenHere(code));
  const digits = code.replace(/\D/g, '');

  useEffect(() => {
    if (!ending) return;
    expose(null);
    if (ending !== 'left') {
      forgetGuestPass(code);
      forgetWritten(code);
    }
    // Never inside: what is wrong is for the form to say, where it can be put right.
    if (!me && ending !== 'left') onDoor(digits, ending);
  }, [ending]);

  const write = (now: Written) => {
    setWritten(now);
    keepWritten(code, now);
  };

  if (!me) return <Waiting name={name} onBack={() => { room.leave(); onDoor(digits); }} />;
  if (ending) {
    return (
      <>
        <Header home="/" />
        <main id="content" class="door" tabIndex={-1}>
          <Goodbye ending={ending} written={written} onAgain={onAgain} onDoor={() => onDoor('')} />
        </main>
      </>
    );
  }
  return <RoomView room={room} written={written} onWrite={write} onLeave={() => room.leave()} />;
}
