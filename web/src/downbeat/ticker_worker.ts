// In a worker of its own because browsers slow down the timers of hidden pages, but not those of their workers.
import { TICK_MS } from './tick';

setInterval(() => postMessage(null), TICK_MS);
