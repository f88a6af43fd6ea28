// The teacher's page: makes a room, keeps its code in the address, and conducts.
import { at, end, enter, notice, roster, students } from './classroom.js';
import { ask } from './words.js';

const SETTLE_MS = 120;

async function token() {
  const answer = await ask('/dev/token?role=teacher&sub=teacher').catch((failure) => {
    throw [403, 404].includes(failure.status) ? Object.assign(new Error('not_here'), { final: true }) : failure;
  });
  return answer.token;
}

export async function open() {
  addEventListener('hashchange', () => location.reload());
  try {
    let code = location.hash.slice(1).toUpperCase();
    if (!/^MUSIC-\d{4,6}$/.test(code)) {
      ({ room_id: code } = await ask('/api/music/rooms', { token: await token(), body: { bpm: 100, name: 'Class' } }));
      history.replaceState(null, '', `#${code}`);
    }
    conduct(code);
  } catch ({ message }) {
    end(message, 'Try again', () => location.reload());
  }
}

function conduct(code) {
  const room = enter(code, 'Teacher', token, changed,
    (reason) => end(reason, 'Start a new class', () => { location.href = '/?role=teacher'; }));
  const control = (event, payload) => room.push(event, payload).catch(notice);
  const allMuted = () => students(room).length > 0 && students(room).every((id) => room.muted.has(id));
  let settling = null;

  function tempo(wanted) {
    const bpm = Math.round(Math.max(1, Math.min(299, wanted || room.bpm)));
    at('bpm').value = at('slider').value = bpm;
    clearTimeout(settling);
    settling = setTimeout(() => { settling = null; control('set_tempo', { bpm }); }, SETTLE_MS);
  }

  function muting(id, row) {
    const muted = room.muted.has(id);
    const button = row.querySelector('button');
    button.textContent = muted ? 'Unmute' : 'Mute';
    button.ariaLabel = `${button.textContent} ${room.members.get(id).name}`;
    button.onclick = () => control(muted ? 'unmute_student' : 'mute_student', { student_id: id });
  }

  function changed() {
    roster(room, muting);
    at('empty').hidden = students(room).length > 0;
    at('mute-all').textContent = allMuted() ? 'Unmute all' : 'Mute all';
    at('start').textContent = room.timeline?.playing ? 'Stop' : 'Start';
    if (settling === null && document.activeElement !== at('bpm')) at('bpm').value = at('slider').value = room.bpm;
  }

  const link = `${location.origin}/?room=${code}`;
  Object.assign(at('student-link'), { href: link, textContent: link.replace(/^https?:\/\//, '') });
  at('copy').onclick = () => navigator.clipboard?.writeText(link).then(() => { at('copy').textContent = 'Copied'; });
  at('slower').onclick = () => tempo(+at('bpm').value - 1);
  at('faster').onclick = () => tempo(+at('bpm').value + 1);
  at('bpm').onchange = () => tempo(+at('bpm').value);
  at('slider').oninput = () => tempo(+at('slider').value);
  at('start').onclick = () => control(room.timeline?.playing ? 'stop_clock' : 'start_clock');
  at('mute-all').onclick = () => control(allMuted() ? 'unmute_all' : 'mute_all');
}
