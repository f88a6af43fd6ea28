/** A room in a component. */
import { useEffect, useState } from 'preact/hooks';
import type { Beat, Room, RoomState } from '../../downbeat/types';

/** What the room is like; the component is drawn anew after each change. */
export function useRoomState(room: Room): RoomState {
  const [state, setState] = useState(room.state);
  useEffect(() => {
    setState(room.state); // it may have changed between drawing and here
    return room.subscribe(setState);
  }, [room]);
  return state;
}

/** Calls `listener` at each beat, when it is heard. */
export function useOnBeat(room: Room, listener: (beat: Beat) => void): void {
  useEffect(() => room.onBeat(listener), [room, listener]);
}

/** The beat that sounds; null while nothing plays. Drawn anew at each beat: for small components. */
export function useBeat(room: Room): Beat | null {
  const [beat, setBeat] = useState<Beat | null>(() => room.currentBeat());
  useEffect(() => room.onBeat(setBeat), [room]);
  const playing = useRoomState(room).playing;
  return playing ? beat : null;
}

/** The room for tests and curious teachers: `downbeatRoom` in the browser's console. */
export function expose(room: Room | null): void {
  (globalThis as { downbeatRoom?: Room | null }).downbeatRoom = room;
}
