import { describe, expect, it } from 'vitest';
import { ClusterClock, type Probe } from './clock';
import { ClockSync } from './clock_sync';
import { TICK_MS } from './tick';

function syncing() {
  const time = { here: 1_000, wall: 500_000 };
  const clock = new ClusterClock(() => time.here);
  const asked: number[] = [];
  let answer: (sent: number) => Promise<Probe> = (sent) =>
    Promise.resolve({ t0: sent, t1: sent + 5, t2: sent + 5, t3: sent + 10, serverUncertaintyMs: 0 });
  const ask = () => {
    asked.push(time.here);
    return answer(time.here);
  };
  let changes = 0;
  const times = { here: () => time.here, wall: () => time.wall, random: () => 0.5 };
  const sync = new ClockSync(clock, ask, times, () => { changes += 1; });
  const run = async (ms: number, online = true) => {
    for (const end = time.here + ms; time.here < end;) {
      sync.tick(online);
      await Promise.resolve();
      await Promise.resolve();
      time.here += TICK_MS;
      time.wall += TICK_MS;
    }
  };
  return { time, clock, sync, asked, run, changes: () => changes, answerBy: (way: typeof answer) => { answer = way; } };
}

describe('clock sync', () => {
  it('asks quickly until the clock is settled, then each two seconds', async () => {
    const { asked, run, clock } = syncing();
    await run(375);
    expect(asked).toHaveLength(8);
    expect(clock.settled).toBe(true);
    await run(10_000);
    expect(asked).toHaveLength(13);
  });

  it('asks each half a second where the network is jittery', async () => {
    const { asked, run, answerBy } = syncing();
    let odd = 0;
    answerBy((sent) => {
      const t1 = sent + 20 + 30 * ((odd += 1) % 2);
      return Promise.resolve({ t0: sent, t1, t2: t1, t3: t1 + 20, serverUncertaintyMs: 0 });
    });
    await run(800);
    expect(asked).toHaveLength(16);
    await run(3_200);
    expect(asked).toHaveLength(48);
    await run(10_000);
    expect(asked.length - 48).toBeGreaterThanOrEqual(18);
    expect(asked.length - 48).toBeLessThanOrEqual(20);
  });

  it('asks nobody while offline', async () => {
    const { asked, run } = syncing();
    await run(5_000, false);
    expect(asked).toHaveLength(0);
  });

  it('asks a few times quickly when the page is woken, and keeps what it knows', async () => {
    const { asked, run, sync, clock } = syncing();
    await run(3_000);
    const before = asked.length;
    sync.soon();
    expect(clock.known).toBe(true);
    await run(1_500);
    expect(asked.length - before).toBe(8);
  });

  it('measures anew after a sleep, in which performance.now() stood still', async () => {
    const { time, asked, run, clock, sync } = syncing();
    await run(3_000);
    const before = clock.now();
    const asks = asked.length;
    time.wall += 60_000;
    sync.tick(false);
    expect(clock.known).toBe(false);
    expect(clock.now() - before).toBeCloseTo(60_000, -2);
    await run(700);
    expect(asked.length - asks).toBeGreaterThanOrEqual(7);
  });

  it('takes a clock that is set a little at a time for no sleep', async () => {
    const { time, run, clock, sync } = syncing();
    await run(1_000);
    for (let i = 0; i < 40; i += 1) {
      time.wall += 20;
      sync.tick(false);
    }
    expect(clock.known).toBe(true);
  });

  it('drops the answers that were under way when the clock became another', async () => {
    const { run, clock, sync, answerBy } = syncing();
    const late: (() => void)[] = [];
    answerBy((sent) => new Promise((resolve) => late.push(() =>
      resolve({ t0: sent, t1: 0, t2: 0, t3: sent + 10, serverUncertaintyMs: 0 }))));
    await run(50);
    sync.restart();
    for (const arrive of late) arrive();
    await Promise.resolve();
    await Promise.resolve();
    expect(clock.known).toBe(false);
  });

  it('goes on after a probe that was refused', async () => {
    const { run, asked, answerBy } = syncing();
    answerBy(() => Promise.reject(new Error('offline')));
    await run(1_000);
    expect(asked).toHaveLength(20);
  });
});
