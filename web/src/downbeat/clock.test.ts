import { describe, expect, it } from 'vitest';
import { ClusterClock } from './clock';

/** The cluster's clock is so far ahead of the one here. */
const OFFSET = 1_700_000_000_000;

function withClock() {
  const time = { here: 0 };
  const clock = new ClusterClock(() => time.here);
  /** A probe sent at `at` that takes so long there and so long back. */
  const probe = (at: number, there: number, back: number, offset = OFFSET, serverUncertaintyMs = 0) => {
    const t1 = at + there + offset;
    time.here = at + there + back;
    clock.add({ t0: at, t1, t2: t1, t3: time.here, serverUncertaintyMs });
  };
  return { clock, time, probe };
}

function settle(probe: (at: number, there: number, back: number, offset?: number) => void, from = 0): number {
  for (let i = 0; i < 8; i += 1) probe(from + 100 * i, 5, 5);
  return from + 800;
}

describe('the cluster clock', () => {
  it('does not know the time before the first sample', () => {
    const { clock } = withClock();
    expect(clock.now()).toBeNaN();
    expect(clock.clusterAt(5)).toBeNaN();
    expect(clock.uncertaintyMs).toBe(Infinity);
    expect(clock.known).toBe(false);
  });

  it('knows it after one sample to half a round trip and what the server does not know', () => {
    const { clock, time, probe } = withClock();
    probe(1_000, 10, 10, OFFSET, 0.5);
    expect(clock.now()).toBe(time.here + OFFSET);
    expect(clock.uncertaintyMs).toBeCloseTo(10.5);
    expect(clock.roundTripMs).toBe(20);
    expect(clock.hereAt(OFFSET + 5_000)).toBe(5_000);
  });

  it('takes the shortest way there of one probe and the shortest way back of another', () => {
    const { clock, time, probe } = withClock();
    probe(0, 20, 60);
    probe(100, 60, 20);
    // The mean of the two round trips would be right too, the best of them 20 ms off.
    expect(Math.abs(clock.now() - time.here - OFFSET)).toBeLessThan(0.01);
    probe(200, 10, 70);
    expect(clock.now() - time.here - OFFSET).toBeCloseTo(-5, 1);
  });

  it('grows uncertain with age, as clocks drift', () => {
    const { clock, time, probe } = withClock();
    probe(0, 5, 5);
    const fresh = clock.uncertaintyMs;
    time.here += 100_000;
    expect(clock.uncertaintyMs - fresh).toBeCloseTo(5);
  });

  it('is settled after eight samples on a calm network and after 48 on a jittery one', () => {
    const calm = withClock();
    for (let i = 0; i < 7; i += 1) calm.probe(100 * i, 5, 5);
    expect(calm.clock.settled).toBe(false);
    calm.probe(700, 5, 5);
    expect(calm.clock.settled).toBe(true);
    const jittery = withClock();
    for (let i = 0; i < 47; i += 1) jittery.probe(100 * i, 20 + (i * 7) % 40, 20 + (i * 13) % 40);
    expect(jittery.clock.settled).toBe(false);
    jittery.probe(4_700, 30, 30);
    expect(jittery.clock.settled).toBe(true);
  });

  it('slews a small correction at a hundredth of the time that passes', () => {
    const { clock, time, probe } = withClock();
    const from = settle(probe);
    // The way there turns out to be 4 ms shorter than was known: the middle moves by 2 ms.
    probe(from, 1, 5);
    const error = () => clock.clusterAt(time.here) - time.here - OFFSET;
    expect(error()).toBeCloseTo(0, 1);
    time.here += 100;
    expect(error()).toBeCloseTo(-1, 1);
    time.here += 1_000;
    expect(error()).toBeCloseTo(-2, 1);
  });

  it('never turns back, also when the first samples contradict what it said', () => {
    const { clock, time, probe } = withClock();
    probe(0, 50, 0);
    const said = clock.now();
    probe(50, 0, 0);
    expect(clock.clusterAt(time.here)).toBeLessThan(said);
    expect(clock.now()).toBe(said);
    time.here += 60;
    expect(clock.now()).toBeGreaterThan(said);
  });

  it('leaps to a clock that is another, back or forth', () => {
    const { clock, time, probe } = withClock();
    const from = settle(probe);
    expect(clock.now()).toBeCloseTo(time.here + OFFSET);
    probe(from, 5, 5, OFFSET - 10_000);
    expect(clock.now()).toBeCloseTo(time.here + OFFSET - 10_000);
    probe(from + 100, 5, 5, OFFSET + 10_000);
    expect(clock.now()).toBeCloseTo(time.here + OFFSET + 10_000);
  });

  it('goes on after a reset, by what was missed, and trusts nothing of before', () => {
    const { clock, time, probe } = withClock();
    settle(probe);
    clock.reset(60_000);
    expect(clock.known).toBe(false);
    expect(clock.uncertaintyMs).toBe(Infinity);
    expect(clock.now()).toBeCloseTo(time.here + OFFSET + 60_000);
    probe(900, 5, 5, OFFSET + 60_100);
    expect(clock.now()).toBeCloseTo(time.here + OFFSET + 60_100);
  });

  it('forgets samples in the end', () => {
    const { clock, probe } = withClock();
    probe(0, 1, 1);
    for (let i = 1; i <= 64; i += 1) probe(2_000 * i, 5, 5);
    expect(clock.roundTripMs).toBe(10);
  });
});
