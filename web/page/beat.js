// The beat, drawn from the clock and the timeline at every frame: never from when a message came.
import { beatAt, place, plays, timeOf } from './clock.js';
import { click } from './sound.js';

const at = (id) => document.getElementById(id);
/** Above this, nothing large changes its light on every beat: three flashes a second are the most that is safe. */
const CALM_BPM = 170;
const CLICK_AHEAD_MS = 150;

function drawRing(length) {
  at('ring').replaceChildren(...Array.from({ length }, (_, i) => {
    const arc = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
    const shape = { r: 98, pathLength: length, 'stroke-dasharray': `0.9 ${length}`, 'stroke-dashoffset': -i - 0.05 };
    for (const [key, value] of Object.entries(shape)) arc.setAttribute(key, value);
    return arc;
  }));
  at('beat').style.setProperty('--length', length);
}

export function showBeat(room) {
  let [length, shown, clicked] = [0, null, -Infinity];

  function frame() {
    requestAnimationFrame(frame);
    const { timeline } = room;
    const now = room.clock.now();
    if (!timeline || Number.isNaN(now)) return;
    if (length !== timeline.meter.beats_per_bar) drawRing(length = timeline.meter.beats_per_bar);
    const position = timeline.segments.length ? beatAt(timeline, now) : 0;
    const beat = Math.floor(position);
    const sounds = plays(timeline, beat);
    const { bar, pulse, accent } = place(timeline, beat);
    const bpm = sounds ? 60_000 / (timeOf(timeline, beat + 1) - timeOf(timeline, beat)) : room.bpm;
    const since = (position - beat) * 60 / bpm;
    const hit = sounds ? Math.exp(-since / 0.13) : 0;
    const { style } = at('beat');
    style.setProperty('--hit', hit.toFixed(3));
    style.setProperty('--glow', (bpm > CALM_BPM && pulse > 1 ? 0 : hit).toFixed(3));
    style.setProperty('--turn', sounds ? ((pulse - 1 + position - beat) / length).toFixed(4) : 0);
    const text = `${sounds} ${beat} ${length} ${Math.round(bpm)}`;
    if (text === shown) return;
    shown = text;
    at('beat').dataset.playing = sounds;
    at('beat').dataset.downbeat = sounds && pulse === 1 && length > 1;
    at('beat').dataset.accent = sounds && accent;
    at('pulse').textContent = sounds ? pulse : '–';
    at('bar').textContent = !sounds ? 'ready' : bar > 0 ? `bar ${bar}` : 'count-in';
    at('speed').textContent = `${Math.round(bpm)} bpm`;
    at('beat').ariaLabel = sounds ? `Playing, ${Math.round(bpm)} beats a minute, ${length} beats a bar` : 'The clock is stopped';
    [...at('ring').children].forEach((arc, i) => arc.setAttribute('class', !sounds || i >= pulse ? '' : i === pulse - 1 ? 'now' : 'past'));
  }

  /** The loudspeaker is told ahead: a page's timers are too coarse to click by. */
  function clicks() {
    const { timeline } = room;
    const now = room.clock.now();
    if (!timeline?.segments.length || Number.isNaN(now)) return;
    const next = Math.ceil(beatAt(timeline, now));
    const due = timeOf(timeline, next);
    const name = `${timeline.run} ${next}`;
    if (due - now > CLICK_AHEAD_MS || name === clicked || !plays(timeline, next)) return;
    clicked = name;
    click(due - now, place(timeline, next).accent);
  }

  requestAnimationFrame(frame);
  setInterval(clicks, 25);
}
