// Simple tones. Browsers allow sound only after the first gesture.
let audio = null;
let out = null;
let quiet = false;

export const hush = (on) => { quiet = on; };

function wake() {
  if (!audio) {
    audio = new AudioContext({ latencyHint: 'interactive' });
    out = audio.createDynamicsCompressor(); // many may play at once
    out.connect(audio.destination);
  }
  if (audio.state === 'suspended') audio.resume();
}
for (const gesture of ['pointerdown', 'touchend', 'keydown']) addEventListener(gesture, wake, { capture: true });

export function note(midi, velocity) {
  if (audio?.state !== 'running' || quiet) return;
  const now = audio.currentTime;
  for (const [type, times, share, seconds] of [['triangle', 1, 0.3, 1.1], ['sine', 2, 0.08, 0.5]]) {
    const oscillator = new OscillatorNode(audio, { type, frequency: 440 * 2 ** ((midi - 69) / 12) * times });
    const envelope = new GainNode(audio, { gain: 0 });
    envelope.gain.linearRampToValueAtTime(share * velocity / 127 + 0.001, now + 0.006);
    envelope.gain.exponentialRampToValueAtTime(0.0005, now + seconds);
    oscillator.connect(envelope).connect(out);
    oscillator.start(now);
    oscillator.stop(now + seconds);
  }
}
