/**
 * The metronome's click: a short woody tone, computed once for each accent and then only placed. A buffer that is
 * started at a moment of the audio clock begins at that very sample, whatever the page is doing just then.
 *
 * All of it works on any `BaseAudioContext`, so that a test can render it offline and look at each sample.
 */
import type { Beat } from '../downbeat/types';

export type Accent = Beat['accent'];

/** How an accent sounds: told apart by pitch and by strength, so that either is enough. */
const TONES: Record<Accent, { hertz: number; level: number }> = {
  bar: { hertz: 1568, level: 0.6 },
  group: { hertz: 1245, level: 0.45 },
  none: { hertz: 988, level: 0.3 },
};

const LENGTH_S = 0.06;
/** How fast it dies away: to a third in so many seconds. */
const DECAY_S = 0.009;
/** A beat that is later than this is not clicked at all: a wrong click is worse than none. */
const LATE_S_MAX = 0.03;

/** The samples of one click. They begin with the tone at once and end in silence. */
export function clickSamples(accent: Accent, sampleRate: number): Float32Array<ArrayBuffer> {
  const { hertz, level } = TONES[accent];
  const samples = new Float32Array(Math.round(LENGTH_S * sampleRate));
  for (let i = 0; i < samples.length; i += 1) {
    const t = i / sampleRate;
    const fade = 1 - i / samples.length;
    // The octave gives it wood; a cosine's part makes the first sample the loudest that a speaker can follow.
    const tone = 0.75 * Math.sin(2 * Math.PI * hertz * t) + 0.25 * Math.cos(4 * Math.PI * hertz * t);
    samples[i] = level * tone * Math.exp(-t / DECAY_S) * fade;
  }
  return samples;
}

export type ClickBuffers = Record<Accent, AudioBuffer>;

/** The three clicks, at this context's own rate: nothing is resampled when they play. */
export function clickBuffers(context: BaseAudioContext): ClickBuffers {
  const make = (accent: Accent) => {
    const samples = clickSamples(accent, context.sampleRate);
    const buffer = context.createBuffer(1, samples.length, context.sampleRate);
    buffer.copyToChannel(samples, 0);
    return buffer;
  };
  return { bar: make('bar'), group: make('group'), none: make('none') };
}

/** Places a click at `when` on the context's clock. Calling what it returns takes it back. */
export function placeClick(context: BaseAudioContext, out: AudioNode, buffer: AudioBuffer, when: number): () => void {
  if (when < context.currentTime - LATE_S_MAX) return () => {};
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(out);
  source.start(Math.max(0, when));
  return () => {
    source.stop();
    source.disconnect();
  };
}
