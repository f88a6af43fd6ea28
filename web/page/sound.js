// Simple tones and the click. Browsers allow sound only after the first gesture.

let audio = null;
let out = null;
export const sounds = { notes: true, click: false };

function wake() {
  if (!audio) {
    audio = new AudioContext({ latencyHint: 'interactive' });
    out = audio.createDynamicsCompressor();
    out.connect(audio.destination);
  }
  if (audio.state === 'suspended') audio.resume();
}
for (const gesture of ['pointerdown', 'keydown', 'touchend']) addEventListener(gesture, wake, { capture: true });

function tone(type, hertz, loud, at, seconds) {
  const oscillator = new OscillatorNode(audio, { type, frequency: hertz });
  const envelope = new GainNode(audio, { gain: 0 });
  envelope.gain.setValueAtTime(0, at);
  envelope.gain.linearRampToValueAtTime(loud, at + 0.006);
  envelope.gain.exponentialRampToValueAtTime(0.0005, at + seconds);
  oscillator.connect(envelope).connect(out);
  oscillator.start(at);
  oscillator.stop(at + seconds);
}

export function note(midi, velocity = 96) {
  if (audio?.state !== 'running' || !sounds.notes) return;
  const [hertz, loud] = [440 * 2 ** ((midi - 69) / 12), 0.3 * velocity / 127];
  tone('triangle', hertz, loud, audio.currentTime, 1.1);
  tone('sine', hertz * 2, loud / 4, audio.currentTime, 0.5);
}

/** A click in so many ms, on the audio clock, early enough for the loudspeaker. */
export function click(inMs, accent) {
  if (audio?.state !== 'running' || !sounds.click) return;
  const at = audio.currentTime + inMs / 1000 - (audio.outputLatency || 0);
  tone('square', accent ? 1760 : 1175, 0.12, Math.max(at, audio.currentTime), 0.05);
}
