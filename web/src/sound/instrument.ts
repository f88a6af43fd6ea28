/**
 * What the keys sound like: a soft struck bar, somewhere between a kalimba and an electric piano. With Tone.js, and in
 * a chunk of its own: the page that has made no sound yet has not loaded it.
 *
 * Tone is imported by its parts. Its index would make an audio context of its own as soon as it is loaded, whose clock
 * is a worker made from a blob, which the page's policy forbids.
 */
import { Context } from 'tone/build/esm/core/context/Context.js';
import { setContext } from 'tone/build/esm/core/Global.js';
import { Synth } from 'tone/build/esm/instrument/Synth.js';
import { strength } from './loudness';
import { Voices } from './voices';

const VOICES_MAX = 24;
const ATTACK_S = 0.004;
const DECAY_S = 1.3;
/** Fundamental, octave, twelfth, … : mellow, with a little bell. */
const PARTIALS = [1, 0.32, 0.06, 0.1, 0, 0.03];
/** Plays a note at `when` on the audio clock; velocity 0–127. */
export type Strike = (midi: number, velocity: number, when: number) => void;

const hertz = (midi: number) => 440 * 2 ** ((midi - 69) / 12);

export function createInstrument(native: AudioContext, out: AudioNode): Strike {
  // `timeout`: its ticks only tidy up voices that have faded, so that they may be late.
  const context = new Context({ context: native, clockSource: 'timeout', lookAhead: 0, updateInterval: 0.25 });
  // Where Tone looks for one, it would make another if there were none.
  setContext(context);
  const voices = new Voices(VOICES_MAX, () => {
    const synth = new Synth({
      context,
      oscillator: { type: 'custom', partials: PARTIALS },
      // Without a sustain it falls silent by itself: a key that is never let go does no harm.
      envelope: { attack: ATTACK_S, decay: DECAY_S, sustain: 0, release: 0.1 },
    });
    synth.connect(out);
    return synth;
  });
  const strike: Strike = (midi, velocity, when) => {
    const share = strength(velocity, voices.sounding(when));
    const { plays, at } = voices.take(when, ATTACK_S + DECAY_S);
    plays.triggerAttack(hertz(midi), at, share);
  };
  // The first note of all takes longest to prepare: it is a silent one, here, and not the first under a finger.
  strike(60, 0, native.currentTime);
  return strike;
}
