// What both roles show: the connection, the roster, the notices, the end.
import { showBeat } from './beat.js';
import { Room } from './room.js';
import { note, sounds } from './sound.js';
import { say } from './words.js';

export const at = (id) => document.getElementById(id);
const NAMES = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'];
export const nameOf = (midi) => `${NAMES[midi % 12]}${Math.floor(midi / 12) - 1}`;
const LIT_MS = 500;

let hiding;
export function notice(reason) {
  clearTimeout(hiding);
  at('notice').textContent = say(reason);
  at('notice').hidden = false;
  hiding = setTimeout(() => { at('notice').hidden = true; }, 5_000);
}

/** One of `entry`, `gone` and `room` is to be seen. */
export function show(part) {
  for (const id of ['entry', 'gone', 'room']) at(id).hidden = id !== part;
}

export function end(reason, next, action) {
  show('gone');
  at('link').textContent = at('link').dataset.state = '';
  at('gone-why').textContent = say(reason);
  at('gone-next').textContent = next;
  at('gone-next').onclick = action;
  at('gone-why').focus();
}

export function toggle(button, on) {
  button.setAttribute('aria-pressed', on);
}

export function enter(code, name, token, changed, ended) {
  show('room');
  at('room-code').textContent = code;
  const room = new Room(code, name, token, (event, payload) => {
    if (event === 'ended') return ended(payload ?? room.ending ?? 'room_closed');
    if (event === 'student_note' && payload.student_id !== room.me) note(payload.midi, payload.velocity);
    if (event === 'student_note') return light(payload);
    if (event === 'beat') return;
    at('link').textContent = room.online ? 'connected' : 'reconnecting…';
    at('link').dataset.state = room.online ? 'on' : 'off';
    changed();
  });
  at('link').textContent = 'connecting…';
  showBeat(room);
  return room;
}

const rows = new Map();

/** `extra(id, row)` adds a role's own to a row, once; `each(id, row)` at every change. */
export function roster(room, extra = () => {}, each = () => {}) {
  const students = [...room.members].filter(([, { role }]) => role !== 'teacher');
  for (const id of rows.keys()) if (!room.members.has(id)) { rows.get(id).remove(); rows.delete(id); }
  for (const [id, { name }] of students) {
    const row = rows.get(id) ?? at('row').content.firstElementChild.cloneNode(true);
    if (!rows.has(id)) { rows.set(id, row); extra(id, row); }
    row.style.setProperty('--hue', [...id].reduce((hash, letter) => (hash * 31 + letter.codePointAt()) % 360, 7));
    row.querySelector('.face').textContent = [...name][0]?.toUpperCase() ?? '?';
    row.querySelector('.name').textContent = id === room.me ? `${name} (you)` : name;
    row.querySelector('.hand').hidden = !room.hands.has(id);
    row.classList.toggle('muted', room.muted.has(id));
    each(id, row);
  }
  const order = students.map(([id]) => id).sort((a, b) => room.hands.has(b) - room.hands.has(a) || (a === room.me ? -1 : b === room.me));
  order.forEach((id, i) => { if (at('roster').children[i] !== rows.get(id)) at('roster').insertBefore(rows.get(id), at('roster').children[i] ?? null); });
  const up = order.filter((id) => room.hands.has(id)).length;
  at('class-title').textContent = `Class · ${students.length}${up ? ` · ${up} ${up === 1 ? 'hand' : 'hands'} up` : ''}`;
}

function light({ student_id: id, midi }) {
  const row = rows.get(id);
  if (!row) return;
  row.querySelector('.note').textContent = nameOf(midi);
  row.classList.add('lit');
  clearTimeout(row.dimming);
  row.dimming = setTimeout(() => row.classList.remove('lit'), LIT_MS);
}

for (const [id, key] of [['sound', 'notes'], ['click', 'click']]) {
  at(id).onclick = () => toggle(at(id), sounds[key] = !sounds[key]);
}
