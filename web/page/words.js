// What went wrong, in words for people.
const WORDS = {
  'Room not found': 'There is no class with this code. Look at the board again.',
  room_locked: 'The teacher has locked this class: nobody can join just now.',
  room_full: 'This class is full.',
  removed_from_room: 'The teacher has taken you out of this class.',
  room_closed: 'The class is over. Thank you for playing!',
  muted: 'The teacher has muted you for the moment.',
  only_soloist_can_play: 'Listen: somebody is playing a solo.',
  listener_cannot_play: 'You are listening in this class.',
  rate_limit_exceeded: 'That was a lot at once. A little slower, please.',
  no_conductor: 'The class is finding its conductor again. Try once more in a moment.',
  offline: 'The connection is gone. The beat goes on; trying again…',
  timeout: 'No answer came. Try once more.',
  unreachable: 'Downbeat cannot be reached. Is it still running, and are you on the same network?',
  not_here: 'The teacher’s page opens only on the computer that runs Downbeat.',
};
export const say = (reason) => WORDS[reason] ?? `That did not work: ${reason}.`;

/** Asks the server; gives its JSON, or throws an Error whose message `say` takes and whose `status` is HTTP's. */
export async function ask(path, { token, body, method = body ? 'POST' : 'GET' } = {}) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) })
    .catch(() => { throw new Error('unreachable'); });
  const json = await answer.json().catch(() => ({}));
  if (answer.ok) return json;
  throw Object.assign(new Error(json.error?.message ?? `HTTP ${answer.status}`), { status: answer.status });
}
