/** A tick that goes on in hidden tabs. */
import { TICK_MS } from './tick';

/** Calls `tick` each 25 ms until the function that it gives is called. */
export function startTicker(tick: () => void): () => void {
  let stop = () => undefined as void;
  const byTimer = () => {
    const timer = setInterval(tick, TICK_MS);
    stop = () => clearInterval(timer);
  };
  try {
    const worker = new Worker(new URL('./ticker_worker.ts', import.meta.url), { type: 'module' });
    stop = () => worker.terminate();
    worker.onmessage = tick;
    // A policy that forbids workers is told here: then a timer has to do, which a hidden page slows down.
    worker.onerror = () => {
      worker.terminate();
      byTimer();
    };
  } catch {
    byTimer();
  }
  return () => stop();
}
