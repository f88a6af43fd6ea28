/** How it stands between this page and the class: in a corner always, in a banner when something is wrong. */
import type { Room, RoomState } from '../../downbeat/types';
import { useWords, type Words } from '../words';
import { useRoomState } from './use_room';

/** Milliseconds as people read them: one digit after the point below ten. */
export const roundedMs = (ms: number): string => (ms < 9.95 ? ms.toFixed(1) : String(Math.round(ms)));

/** What a banner says of this state; null when all is well, or over. The most serious trouble first. */
export function troubleOf(state: RoomState, soundBlocked: boolean, { common }: Words): string | null {
  if (state.connection === 'ended' || state.timeline === null) return soundBlocked ? common.banner.soundBlocked : null;
  if (state.clock.source === 'lost') return common.banner.lost;
  if (state.connection === 'offline') return common.banner.offline;
  if (state.clock.source === 'holdover') return common.banner.holdover;
  if (soundBlocked) return common.banner.soundBlocked;
  return state.clock.quality === 'uncertain' ? common.banner.uncertain : null;
}

/** A line across the page while something is wrong. It stays in the page when empty, so that readers hear it change. */
export function ConnectionBanner({ room, soundBlocked = false }: { room: Room; soundBlocked?: boolean }) {
  const words = useWords();
  const trouble = troubleOf(useRoomState(room), soundBlocked, words);
  return <div class="banner-place" role="status">{trouble && <p class="banner">{trouble}</p>}</div>;
}

function clockText({ clock }: RoomState, { common }: Words): string {
  const text = common.clock[clock.quality];
  return typeof text === 'string' ? text : text(roundedMs(clock.uncertaintyMs));
}

/** Whether we are connected, and how well the clock is known. */
export function ConnectionBadge({ room }: { room: Room }) {
  const words = useWords();
  const state = useRoomState(room);
  const online = state.connection === 'online';
  return (
    <p class="connection" data-connection={state.connection} data-clock={state.clock.quality}>
      <span class="connection-dot" aria-hidden="true" />
      <span class="connection-word">{words.common.connection[state.connection]}</span>
      {online && <span class="connection-clock">· {clockText(state, words)}</span>}
    </p>
  );
}
