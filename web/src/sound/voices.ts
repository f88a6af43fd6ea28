/** Which voice plays a note: a free one while there are, then the one that began first. */

/** One voice, and when it began and will be silent (seconds of the audio clock). */
interface Voice<T> {
  readonly plays: T;
  began: number;
  silentAt: number;
}

/**
 * A stolen voice begins so much later: its oscillator must start anew strictly after it started last, and the audio
 * clock may be a few milliseconds further on by the time it hears of it.
 */
const STOLEN_LATER_S = 0.012;
const APART_S = 0.002;

/**
 * At most `most` voices, made when they are first needed. A whole class that plays at once costs no more than that, and
 * what is cut off is the oldest note, which has nearly faded.
 */
export class Voices<T> {
  readonly #all: Voice<T>[] = [];

  constructor(readonly most: number, private readonly make: () => T) {}

  /** The voice for a note from `when` on that lasts `seconds`, and the moment at which it can begin. */
  take(when: number, seconds: number): { plays: T; at: number } {
    const silent = this.#free(when) ?? this.#another();
    const voice = silent ?? this.#oldest();
    const at = silent ? when : Math.max(when + STOLEN_LATER_S, voice.began + APART_S);
    voice.began = at;
    voice.silentAt = at + seconds;
    return { plays: voice.plays, at };
  }

  /** How many sound at a moment. */
  sounding(when: number): number {
    return this.#all.filter((voice) => voice.silentAt > when).length;
  }

  #free(when: number): Voice<T> | undefined {
    return this.#all.find((voice) => voice.silentAt <= when);
  }

  #another(): Voice<T> | undefined {
    if (this.#all.length >= this.most) return undefined;
    const voice = { plays: this.make(), began: -Infinity, silentAt: -Infinity };
    this.#all.push(voice);
    return voice;
  }

  #oldest(): Voice<T> {
    return this.#all.reduce((oldest, voice) => (voice.began < oldest.began ? voice : oldest));
  }
}
