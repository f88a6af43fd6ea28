// Waiting for what must happen, instead of sleeping and hoping: everything heard is kept in order, and a test
// asks for the first thing that fits, past or future.

/** How long anything may take before a test calls it missing. Generous: the machine may be busy. */
export const PATIENCE_MS = 20_000;

/** All that was heard on one socket or channel, in order. */
export class Heard {
  constructor(name) {
    this.name = name;
    this.items = [];
    this.waiting = new Set();
    this.ended = null;
  }

  add(item) {
    this.items.push(item);
    for (const waiter of [...this.waiting]) waiter.offer(item);
  }

  /** Nothing will come any more: whoever still waits is told why. */
  end(why) {
    this.ended = why;
    for (const waiter of [...this.waiting]) waiter.fail(new Error(`${this.name}: ${why}, before ${waiter.what}`));
  }

  /** The place from which a later `until` should look: what was heard up to now no longer counts. */
  mark() {
    return this.items.length;
  }

  since(mark) {
    return this.items.slice(mark);
  }

  /** The first item at or after `from` that `fits`; rejects with what was heard instead. */
  until(what, fits, { from = 0, ms = PATIENCE_MS } = {}) {
    const past = this.items.slice(from).find(fits);
    if (past !== undefined) return Promise.resolve(past);
    if (this.ended) return Promise.reject(new Error(`${this.name}: ${this.ended}, before ${what}`));
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
        settle(value);
      };
      const waiter = {
        what,
        offer: (item) => fits(item) && finish(resolve, item),
        fail: (error) => finish(reject, error),
      };
      const timer = setTimeout(() => {
        const last = this.items
          .slice(from)
          .slice(-8)
          .map((item) => JSON.stringify(item)?.slice(0, 300));
        waiter.fail(new Error(`${this.name}: no ${what} within ${ms} ms; heard last:\n  ${last.join("\n  ")}`));
      }, ms);
      this.waiting.add(waiter);
    });
  }
}

/** A promise that must settle in time. */
export function soon(what, promise, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again and again until the answer fits; `ask` must itself wait for something, such as an HTTP answer. */
export async function eventually(what, ask, fits, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what} did not come true within ${ms} ms; last: ${JSON.stringify(answer)}`);
  }
}

/** A stretch of time that is itself the subject of a test: "Redis is away for 20 s". Never a hope that it is enough. */
export function span(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
