/** What the pages share. */
export { BeatView } from './beat_view';
export { ConnectionBadge, ConnectionBanner } from './connection';
export { Confirm, Dialog } from './dialog';
export { Ended } from './ended';
export { useCalm } from './flash';
export { Notice, attempt, notify } from './notice';
export { say } from './say';
export { useSettings } from './settings';
export { expose, useBeat, useOnBeat, useRoomState } from './use_room';
export { useWords } from '../words';
