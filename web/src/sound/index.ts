/** Everything that sounds on a page: the metronome's click, and the notes of all who play. */
import { clickBuffers, placeClick, type Accent } from './click';
import { createMaster } from './master';

export type { Accent } from './click';

export interface Sound {
  readonly context: AudioContext;
  /** Clicks at `when` on the audio clock, to the sample. What it returns takes the click back. */
  click(accent: Accent, when: number): () => void;
  /** Plays a note, at once or at `when` on the audio clock; velocity 0–127. */
  note(midi: number, velocity: number, when?: number): void;
  /** From 0, silent, to 1. */
  setVolume(volume: number): void;
  /** Whether the browser or the device holds sound back: a gesture is needed, or a call is going on. */
  readonly blocked: boolean;
  /** Calls `listener` whenever `blocked` may have changed. Gives the way to stop it. */
  onBlockedChange(listener: (blocked: boolean) => void): () => void;
  /** Asks the browser again; works in a gesture. */
  unblock(): Promise<void>;
}

/** How long a device may take to get its sound going before it counts as blocked. */
const GOING_MS_MAX = 600;

let started: { context: AudioContext; sound: Promise<Sound> } | null = null;

/**
 * Starts sound. To be called in a gesture of the user's: browsers allow none before. The audio context is made at once,
 * still within the gesture; the instrument is loaded then. Rejects if it cannot be loaded.
 *
 * A page has one sound: called again, this asks the browser anew to let it play, and gives the same one.
 */
export async function startSound(): Promise<Sound> {
  started ??= begin();
  const { context, sound } = started;
  const [made] = await Promise.all([sound, going(context)]);
  return made;
}

function begin(): NonNullable<typeof started> {
  const context = new AudioContext({ latencyHint: 'interactive' });
  const sound = load(context);
  // It may be tried again, with a new context.
  sound.catch(() => { started = null; });
  return { context, sound };
}

async function load(context: AudioContext): Promise<Sound> {
  Object.assign(globalThis, { TONE_SILENCE_LOGGING: true });
  try {
    const { createInstrument } = await import('./instrument');
    return assemble(context, createInstrument);
  } catch (failure) {
    await context.close();
    throw failure;
  }
}

/** Waits until the context runs, but not for ever: where it is not allowed to, its own promise would. */
async function going(context: AudioContext): Promise<void> {
  const late = new Promise<void>((resolve) => { setTimeout(resolve, GOING_MS_MAX); });
  await Promise.race([context.resume().catch(() => {}), late]);
}

function assemble(context: AudioContext, createInstrument: typeof import('./instrument').createInstrument): Sound {
  const master = createMaster(context);
  const clicks = clickBuffers(context);
  const strike = createInstrument(context, master.input);
  return {
    context,
    click: (accent, when) => placeClick(context, master.input, clicks[accent], when),
    note(midi, velocity, when = context.currentTime) {
      // A context that stands still would keep all its notes, and play them in one heap when it is let go.
      if (context.state === 'running') strike(midi, velocity, Math.max(when, context.currentTime));
    },
    setVolume: master.setVolume,
    get blocked() { return context.state !== 'running'; },
    onBlockedChange(listener) {
      const tell = () => listener(context.state !== 'running');
      context.addEventListener('statechange', tell);
      return () => context.removeEventListener('statechange', tell);
    },
    unblock: () => context.resume(),
  };
}
