import { useEffect, useState } from 'preact/hooks';
import { joinRoom, type Room } from '../../downbeat';
import { words } from '../words';
import { teacherToken } from './api';
import { claimsOf } from './session';
import { expose } from './use_room';

/** The room with this code, entered as the teacher, for as long as the component is there. */
export function useJoined(code: string): Room | null {
  const [room, setRoom] = useState<Room | null>(null);
  useEffect(() => {
    let joined: Room | null = null;
    let gone = false;
    void teacherToken().catch(() => null).then((token) => {
      if (gone) return;
      // The school's name for the teacher, where the token has one.
      const isNamed = token !== null && Boolean(claimsOf(token)?.name);
      joined = joinRoom({ code, token: teacherToken, ...(!isNamed && { name: words.value.teacher.defaultName }) });
      expose(joined);
      setRoom(joined);
    });
    return () => {
      gone = true;
      joined?.leave();
      expose(null);
    };
  }, [code]);
  return room;
}
