// What both roles show: the connection, the roster, notices, the end.
import { showBeat } from './beat.js';
import { Room } from './room.js';
import { hush, note } from './sound.js';
import { say } from './words.js';

const NOTES = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'];
const LIT_MS = 700;
const rows = new Map();
let hiding;

export const at = (id) => document.getElementById(id);
export const toggle = (button, on) => button.setAttribute('aria-pressed', on);

export function notice({ message }) {
  clearTimeout(hiding);
  at('notice').textContent = say(message);
  hiding = setTimeout(() => { at('notice').textContent = ''; }, 5_000);
}

/** One of `entry`, `gone` and `room` is to be seen. */
export function show(part) {
  for (const id of ['entry', 'gone', 'room']) at(id).hidden = id !== part;
}

export function end(reason, next, action) {
  show('gone');
  at('link').dataset.state = at('link').textContent = '';
  at('gone-why').textContent = say(reason);
  Object.assign(at('gone-next'), { textContent: next, onclick: action });
  at('gone-why').focus();
}

export function enter(code, name, token, changed, ended) {
  show('room');
  at('room-code').textContent = code;
  at('link').textContent = 'connecting…';
  const room = new Room(code, name, token, (event, payload) => {
    if (event === 'ended') return ended(payload ?? room.ending ?? 'room_closed');
    if (event === 'student_note') return hear(payload, room.me);
    if (event === 'beat') return;
    at('link').textContent = room.online ? 'connected' : 'reconnecting…';
    at('link').dataset.state = room.online ? 'on' : 'off';
    changed();
  });
  at('sound').onclick = () => {
    const on = at('sound').ariaPressed !== 'true';
    toggle(at('sound'), on);
    hush(!on);
  };
  showBeat(room);
  return room;
}

export const students = (room) => [...room.members.keys()].filter((id) => room.members.get(id).role !== 'teacher');

/** Raised hands first, then oneself. `each(id, row)` adds what a role shows besides. */
export function roster(room, each = () => {}) {
  const rank = (id) => 2 * room.hands.has(id) + (id === room.me);
  const order = students(room).sort((a, b) => rank(b) - rank(a));
  for (const [id, row] of rows) if (!order.includes(id)) { row.remove(); rows.delete(id); }
  order.forEach((id, i) => {
    const row = rows.get(id) ?? at('row').content.firstElementChild.cloneNode(true);
    rows.set(id, row);
    const { name } = room.members.get(id);
    row.style.setProperty('--hue', [...id].reduce((hash, letter) => (hash * 31 + letter.codePointAt()) % 360, 7));
    row.querySelector('.face').textContent = [...name][0].toUpperCase();
    row.querySelector('.name').textContent = id === room.me ? `${name} (you)` : name;
    row.querySelector('.hand').hidden = !room.hands.has(id);
    row.classList.toggle('muted', room.muted.has(id));
    each(id, row);
    if (at('roster').children[i] !== row) at('roster').insertBefore(row, at('roster').children[i]);
  });
  const up = order.filter((id) => room.hands.has(id)).length;
  at('class-title').textContent = `Class of ${order.length}`;
  at('hands').textContent = up ? `${up} ${up > 1 ? 'hands' : 'hand'} up` : '';
}

function hear({ student_id: id, midi, velocity }, me) {
  if (id !== me) note(midi, velocity); // one's own has sounded already
  const row = rows.get(id);
  if (!row) return;
  row.querySelector('.face').dataset.note = `${NOTES[midi % 12]}${Math.floor(midi / 12) - 1}`;
  row.classList.add('lit');
  clearTimeout(row.dimming);
  row.dimming = setTimeout(() => row.classList.remove('lit'), LIT_MS);
}
