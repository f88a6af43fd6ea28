import { useEffect, useState } from 'preact/hooks';

/** One value that several components look at. */
export class Store<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Calls `listener` after each change; gives the way to stop it. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The store's value; the component is drawn anew when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState({ now: store.value });
  useEffect(() => {
    const take = (now: T) => setValue((held) => (Object.is(held.now, now) ? held : { now }));
    take(store.value); // it may have changed between drawing and here
    return store.subscribe(take);
  }, [store]);
  return value.now;
}
