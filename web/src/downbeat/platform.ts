/** What the library takes from the browser; tests bring their own. */
import { startTicker } from './ticker';

export interface Platform {
  /** performance.now(). */
  here(): number;
  /** Date.now(). */
  wall(): number;
  random(): number;
  hidden(): boolean;
  fetch(address: string, init: RequestInit): Promise<Response>;
  /** The socket's transport; without one phoenix.js takes the browser's WebSocket. */
  transport?: new (endpoint: string) => object;
  startTicker(tick: () => void): () => void;
  /** Calls when the page is shown again, or the network is back; gives the way to stop it. */
  onWake(woken: () => void): () => void;
}

export function browserPlatform(): Platform {
  return {
    here: () => performance.now(),
    wall: () => Date.now(),
    random: () => Math.random(),
    hidden: () => globalThis.document?.visibilityState === 'hidden',
    fetch: (address, init) => fetch(address, init),
    startTicker,
    onWake,
  };
}

function onWake(woken: () => void): () => void {
  const shown = () => document.visibilityState === 'visible' && woken();
  globalThis.document?.addEventListener('visibilitychange', shown);
  globalThis.addEventListener?.('online', woken);
  return () => {
    globalThis.document?.removeEventListener('visibilitychange', shown);
    globalThis.removeEventListener?.('online', woken);
  };
}
