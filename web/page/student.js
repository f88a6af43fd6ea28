// A student's page: the code and a name, then the beat, an octave to play, and a hand to raise.
import { at, end, enter, notice, roster, show, toggle } from './classroom.js';
import { note } from './sound.js';
import { ask, say } from './words.js';

const KEYS = 'awsedftgyhujk'; // a piano's octave, on a computer's keyboard
const LEFT = [0, 2, 3, 5, 6, 9, 11, 12, 14, 15, 17, 18, 21]; // where a key begins, in thirds of a white one
const LOWEST = 60;
const VELOCITY = 96;
const NAMES = ['C', 'C sharp', 'D', 'D sharp', 'E', 'F', 'F sharp', 'G', 'G sharp', 'A', 'A sharp', 'B', 'high C'];

/** A guest's token lasts for hours; while the tab lives, its student stays the same. */
const kept = () => JSON.parse(sessionStorage.getItem('guest') ?? 'null');

async function guest(code, name) {
  const { token } = await ask(`/api/music/rooms/${code}/guest`, { body: { name } });
  sessionStorage.setItem('guest', JSON.stringify({ code, name, token }));
  return token;
}

export function open() {
  const wanted = new URLSearchParams(location.search).get('room')?.replace(/\D/g, '') ?? '';
  const last = kept();
  if (last && (!wanted || last.code === `MUSIC-${wanted}`)) return play(last.code, last.name);
  at('code').value = wanted;
  at('name').value = localStorage.getItem('name') ?? '';
  at('entry').onsubmit = async (event) => {
    event.preventDefault();
    const [digits, name] = [at('code').value.replace(/\D/g, ''), at('name').value.trim()];
    const missing = digits.length < 4 ? 'code' : name ? null : 'name';
    if (missing) return at(missing).focus();
    try {
      await guest(`MUSIC-${digits}`, name);
      localStorage.setItem('name', name);
      play(`MUSIC-${digits}`, name);
    } catch ({ message }) {
      at('entry-error').textContent = say(message);
      at('code').focus();
    }
  };
  show('entry');
  at(wanted ? 'name' : 'code').focus();
}

function play(code, name) {
  history.replaceState(null, '', `/?room=${code}`);
  const room = enter(code, name, token, changed, (reason) => {
    sessionStorage.removeItem('guest');
    end(reason, 'Join a class', () => { location.href = '/'; });
  });

  /** In doubt the kept token is tried: one that the server no longer takes (401) is replaced. */
  async function token(doubt) {
    const { token } = kept() ?? {};
    const refused = doubt && await ask(`/api/music/rooms/${code}`, { token }).catch(({ status }) => status === 401);
    if (token && refused !== true) return token;
    return guest(code, name).catch((failure) => { throw Object.assign(failure, { final: failure.status === 404 }); });
  }

  const muted = () => room.muted.has(room.me);
  function changed() {
    roster(room);
    toggle(at('raise'), room.hands.has(room.me));
    at('raise').lastElementChild.textContent = room.hands.has(room.me) ? 'Lower hand' : 'Raise hand';
    at('muted').hidden = !muted();
    at('keys').classList.toggle('muted', muted());
  }

  function strike(key) {
    if (!key || !room.online || muted()) return;
    const midi = LOWEST + [...at('keys').children].indexOf(key);
    note(midi, VELOCITY);
    key.classList.add('down');
    setTimeout(() => key.classList.remove('down'), 220);
    room.push('play_note', { midi, velocity: VELOCITY }).catch(notice);
  }
  at('raise').onclick = () => room.push(room.hands.has(room.me) ? 'lower_hand' : 'raise_hand').catch(notice);
  keyboard(strike);
}

function keyboard(strike) {
  const keys = [...KEYS].map((letter, i) => {
    const key = document.createElement('button');
    [key.type, key.ariaLabel, key.className] = ['button', NAMES[i], 'wetyu'.includes(letter) ? 'black' : 'white'];
    key.style.gridColumn = `${LEFT[i] + 1} / span ${key.className === 'black' ? 2 : 3}`;
    key.append(Object.assign(document.createElement('kbd'), { textContent: letter, ariaHidden: 'true' }));
    // A pointer has struck already; this is Enter, Space or a screen reader.
    key.onclick = ({ detail }) => detail === 0 && strike(key);
    return key;
  });
  at('keys').replaceChildren(...keys);
  const under = ({ clientX, clientY }) => document.elementFromPoint(clientX, clientY)?.closest('#keys button');
  const fingers = new Map(); // pointer → the key that it is on: a finger can slide from key to key
  at('keys').onpointerdown = (event) => { fingers.set(event.pointerId, under(event)); strike(under(event)); };
  addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId) || under(event) === fingers.get(event.pointerId)) return;
    fingers.set(event.pointerId, under(event));
    strike(under(event));
  });
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, ({ pointerId }) => fingers.delete(pointerId));
  addEventListener('keydown', (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input')) return;
    strike(keys[KEYS.indexOf(event.key.toLowerCase())]);
  });
}
