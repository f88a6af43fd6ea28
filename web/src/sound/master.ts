/**
 * What everything goes through at the end: the volume, and a limiter.
 *
 * The limiter is a curve that is straight in the middle and bends towards full scale, not a compressor node: browsers'
 * compressors look ahead and delay all sound by 6 ms, which would move the clicks off the beat and the keys away from
 * the finger.
 */
import { gainOf } from './loudness';

/** Up to here the curve is straight: a class at ordinary loudness passes unchanged. */
const STRAIGHT = 0.7;
/** Inputs from −RANGE to RANGE are told apart; beyond, all is as loud as it gets. */
const RANGE = 4;
const POINTS = 8193;

/** Where the limiter puts an input: odd, never falling, and never beyond ±1. */
export function limited(input: number): number {
  const size = Math.abs(input);
  if (size <= STRAIGHT) return input;
  const room = 1 - STRAIGHT;
  return Math.sign(input) * (STRAIGHT + room * Math.tanh((size - STRAIGHT) / room));
}

/** The limiter as a wave shaper's curve, for an input that was divided by `RANGE`. */
function limiterCurve(): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: POINTS }, (_, i) => limited((2 * i / (POINTS - 1) - 1) * RANGE));
}

export interface Master {
  /** What sounds is connected here. */
  input: AudioNode;
  setVolume(volume: number): void;
}

/** Far below what any device can play, and not nothing. */
const INAUDIBLE = 1e-9;

/**
 * Browsers put a device to sleep that has had nothing but zeros for half a minute, and its clock leaps when it wakes: the
 * first clicks after a long stop would be misplaced.
 */
function keepAwake(context: BaseAudioContext): void {
  const breath = new ConstantSourceNode(context, { offset: INAUDIBLE });
  breath.connect(context.destination);
  breath.start();
}

export function createMaster(context: BaseAudioContext): Master {
  const scale = new GainNode(context, { gain: 1 / RANGE });
  const limiter = new WaveShaperNode(context, { curve: limiterCurve(), oversample: 'none' });
  const volume = new GainNode(context);
  scale.connect(limiter).connect(volume).connect(context.destination);
  keepAwake(context);
  return {
    input: scale,
    // In a few steps, not at once: a jump would crackle.
    setVolume: (to) => volume.gain.setTargetAtTime(gainOf(to), context.currentTime, 0.02),
  };
}
