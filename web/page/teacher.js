// The teacher's page: makes a room, keeps its code in the address, and conducts.
import { at, end, enter, notice, roster, show, toggle } from './classroom.js';
import { ask } from './words.js';

const SETTLE_MS = 120;

const token = () => ask('/dev/token?role=teacher&sub=teacher').then(
  ({ token }) => token,
  (failure) => { throw failure.status ? Object.assign(new Error('not_here'), { final: true }) : failure; });

const another = (reason) => end(reason, 'Start a new class', () => { location.href = '/?role=teacher'; });

export async function open() {
  addEventListener('hashchange', () => location.reload());
  show('none');
  try {
    let code = location.hash.slice(1).toUpperCase();
    if (!/^MUSIC-\d{4,6}$/.test(code)) {
      ({ room_id: code } = await ask('/api/music/rooms', { token: await token(), body: { bpm: 100, name: 'Class' } }));
      history.replaceState(null, '', `/?role=teacher#${code}`);
    }
    conduct(code);
  } catch ({ message }) {
    end(message, 'Try again', () => location.reload());
  }
}

function conduct(code) {
  const room = enter(code, 'Teacher', token, changed, another);
  const control = (event, payload) => room.push(event, payload).catch(({ message }) => notice(message));
  const students = () => [...room.members].filter(([, { role }]) => role !== 'teacher').map(([id]) => id);
  const allMuted = () => students().length > 0 && students().every((id) => room.muted.has(id));
  const playing = () => room.timeline?.playing;
  let settling = null;

  function tempo(bpm) {
    bpm = Math.round(Math.max(1, Math.min(299, bpm || room.bpm)));
    at('bpm').value = at('slider').value = bpm;
    clearTimeout(settling);
    settling = setTimeout(() => { settling = null; control('set_tempo', { bpm }); }, SETTLE_MS);
  }

  function muteButton(id, row) {
    const button = row.appendChild(document.createElement('button'));
    [button.type, button.className, button.textContent] = ['button', 'quiet', 'Mute'];
    button.onclick = () => control(room.muted.has(id) ? 'unmute_student' : 'mute_student', { student_id: id });
  }

  function changed() {
    roster(room, muteButton, (id, row) => {
      toggle(row.lastElementChild, room.muted.has(id));
      row.lastElementChild.ariaLabel = `Mute ${room.members.get(id).name}`;
    });
    at('empty').hidden = students().length > 0;
    at('mute-all').textContent = allMuted() ? 'Unmute all' : 'Mute all';
    at('start').textContent = playing() ? 'Stop' : 'Start';
    toggle(at('lock'), room.locked);
    if (settling === null && document.activeElement !== at('bpm')) at('bpm').value = at('slider').value = room.bpm;
  }

  const link = `${location.origin}/?room=${code}`;
  at('student-link').href = link;
  at('student-link').textContent = link.replace(/^https?:\/\//, '');
  at('copy').onclick = () => navigator.clipboard?.writeText(link).then(() => { at('copy').textContent = 'Copied'; });
  at('slower').onclick = () => tempo(at('bpm').value - 1);
  at('faster').onclick = () => tempo(+at('bpm').value + 1);
  at('bpm').onchange = () => tempo(+at('bpm').value);
  at('slider').oninput = () => tempo(+at('slider').value);
  at('start').onclick = () => control(playing() ? 'stop_clock' : 'start_clock');
  at('lock').onclick = () => control(room.locked ? 'unlock_room' : 'lock_room');
  at('mute-all').onclick = () => control(allMuted() ? 'unmute_all' : 'mute_all');
}
