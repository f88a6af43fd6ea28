/**
 * The newest token. phoenix.js wants it at once when it connects, and the page's `token` takes its time: so it is asked
 * as soon as a connection has ended, well before the next attempt.
 */
import { endingOfTokenFailure } from './ending';
import type { Ending } from './types';

export class FreshToken {
  readonly #ask: () => Promise<string>;
  readonly #ended: (ending: Ending) => void;
  #asking: Promise<string | null> | null = null;
  /** The last one that was given. */
  latest = '';

  /** `ended` is called when `ask` says by its rejection that it is over. */
  constructor(ask: () => Promise<string>, ended: (ending: Ending) => void) {
    this.#ask = ask;
    this.#ended = ended;
  }

  /** Asks for one; null when there is none just now. */
  renew(): Promise<string | null> {
    this.#asking ??= this.#asked().finally(() => { this.#asking = null; });
    return this.#asking;
  }

  async #asked(): Promise<string | null> {
    try {
      return (this.latest = await this.#ask());
    } catch (failure) {
      const ending = endingOfTokenFailure(failure);
      if (ending) this.#ended(ending);
      return null;
    }
  }
}
