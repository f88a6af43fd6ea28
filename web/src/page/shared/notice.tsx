import { say } from './say';
import { Store, useStore } from './store';

const SHOWN_MS = 6_000;
const shown = new Store<{ text: string; nth: number } | null>(null);
let nth = 0;
let hiding: ReturnType<typeof setTimeout> | undefined;

/** Says a sentence for some seconds. */
export function notify(text: string): void {
  nth += 1;
  shown.set({ text, nth });
  clearTimeout(hiding);
  hiding = setTimeout(() => shown.set(null), SHOWN_MS);
}

/** Does something that may fail, and says so if it does. Gives whether it went well. */
export async function attempt(doing: Promise<unknown>): Promise<boolean> {
  try {
    await doing;
    return true;
  } catch (failure) {
    notify(say(failure));
    return false;
  }
}

/** Where sentences of `notify` appear: once on each page. */
export function Notice() {
  const notice = useStore(shown);
  return (
    <div class="notice-place" role="status">
      {notice && <p class="notice" key={notice.nth}>{notice.text}</p>}
    </div>
  );
}
