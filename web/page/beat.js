// The beat, drawn from the clock and the timeline at every frame: never from when a message came.
import { beatAt, place, plays } from './clock.js';

/** Above this, nothing large changes its light on every beat: three flashes a second are the most that is safe. */
const CALM_BPM = 170;
const at = (id) => document.getElementById(id);

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
  let [length, shown] = [0, null];
  requestAnimationFrame(function frame() {
    requestAnimationFrame(frame);
    const { timeline } = room;
    const now = room.clock.now();
    if (!timeline || Number.isNaN(now)) return;
    if (length !== timeline.meter.beats_per_bar) drawRing(length = timeline.meter.beats_per_bar);
    const position = timeline.segments.length ? beatAt(timeline, now) : 0;
    const beat = Math.floor(position);
    const on = plays(timeline, position);
    const { bar, pulse } = place(timeline, beat);
    const bpm = on ? (beatAt(timeline, now + 1) - position) * 60_000 : room.bpm;
    const hit = on ? Math.exp(-(position - beat) * 60 / bpm / 0.13) : 0;
    const glow = bpm > CALM_BPM && pulse > 1 ? 0 : hit;
    const looks = { '--hit': hit, '--glow': glow, '--turn': on ? (pulse - 1 + position - beat) / length : 0 };
    for (const [name, value] of Object.entries(looks)) at('beat').style.setProperty(name, value.toFixed(4));
    const state = `${on} ${beat} ${length} ${Math.round(bpm)}`;
    if (state === shown) return;
    shown = state;
    Object.assign(at('beat').dataset, { playing: on, downbeat: on && pulse === 1 && length > 1 });
    at('pulse').textContent = on ? pulse : '–';
    at('bar').textContent = !on ? 'ready' : beat < 0 ? 'count-in' : `bar ${bar}`;
    at('speed').textContent = `${Math.round(bpm)} bpm`;
    at('beat').ariaLabel = on ? `Playing, ${Math.round(bpm)} beats a minute, ${length} beats a bar` : 'The clock is stopped';
    [...at('ring').children].forEach((arc, i) => arc.setAttribute('class', !on || i >= pulse ? '' : i < pulse - 1 ? 'past' : 'now'));
  });
}
