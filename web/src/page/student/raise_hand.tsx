import type { Room } from '../../downbeat';
import { attempt, useRoomState, useWords } from '../shared';
import { HandIcon } from '../shared/icons';

/** One's own hand, up or down. */
export function RaiseHand({ room }: { room: Room }) {
  const { student: words } = useWords();
  const { me, members } = useRoomState(room);
  const up = members.find(({ studentId }) => studentId === me?.studentId)?.hand ?? false;
  return (
    <>
      <button type="button" class="button hand-button" data-up={up}
        onClick={() => void attempt(up ? room.lowerHand() : room.raiseHand())}>
        <HandIcon />{up ? words.lowerHand : words.raiseHand}
      </button>
      <p class="visually-hidden" role="status">{up ? words.handIsUp : ''}</p>
    </>
  );
}
