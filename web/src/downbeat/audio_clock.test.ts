import { describe, expect, it } from 'vitest';
import { AudioClock } from './audio_clock';
import { TICK_MS } from './tick';

/** A device whose own clock is `skew` too fast, which renders in blocks and whose sound takes `latency` ms. */
class Device {
  here = 10_000;
  skew = 40e-6;
  latency = 30;
  blockMs = 10;
  started = 9_000;
  state: AudioContextState = 'running';
  outputLatency: number | undefined = undefined;
  baseLatency: number | undefined = undefined;
  stamps: 'good' | 'none' | 'zero' | 'nonsense' = 'good';
  clock!: AudioClock;

  /** What its clock would say if it were fine, ms. */
  get rendered(): number {
    return (this.here - this.started) * (1 + this.skew);
  }

  get currentTime(): number {
    return (Math.floor(this.rendered / this.blockMs) * this.blockMs) / 1_000;
  }

  getOutputTimestamp?(): { contextTime: number; performanceTime: number } {
    if (this.stamps === 'zero') return { contextTime: 0, performanceTime: 0 };
    if (this.stamps === 'nonsense') return { contextTime: this.currentTime, performanceTime: 5 };
    // Rounded, and of some moment ago.
    const count = Math.floor(this.here / TICK_MS);
    const ago = (count * 7) % 9;
    const jitter = ((count * 3) % 5) - 2;
    return { contextTime: (this.rendered - ago - this.latency + jitter) / 1_000, performanceTime: this.here - ago };
  }

  open(): AudioClock {
    if (this.stamps === 'none') Object.defineProperty(this, 'getOutputTimestamp', { value: undefined });
    this.clock = new AudioClock(this as unknown as AudioContext, () => this.here);
    return this.clock;
  }

  run(ms: number): void {
    for (const end = this.here + ms; this.here < end; this.here += TICK_MS) this.clock.read();
  }

  /** When what is scheduled for an audio time is heard. */
  heardAt(seconds: number): number {
    return this.started + seconds * 1_000 / (1 + this.skew) + this.latency;
  }
}

function opened(change: Partial<Device> = {}): { device: Device; clock: AudioClock } {
  const device = Object.assign(new Device(), change);
  const clock = device.open();
  device.run(2_000);
  return { device, clock };
}

describe('the audio clock', () => {
  it('says when to schedule what is to be heard at a time here, to a millisecond', () => {
    const { device, clock } = opened();
    expect(Math.abs(device.heardAt(clock.timeAt(device.here + 100)!) - device.here - 100)).toBeLessThan(1);
    expect(clock.latencyMs).toBeGreaterThan(15);
    expect(clock.latencyMs).toBeLessThan(45);
  });

  it('stays so while the two clocks part', () => {
    const { device, clock } = opened({ skew: 100e-6 });
    device.run(600_000);
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(1);
  });

  it.each(['none', 'zero', 'nonsense'] as const)('goes by currentTime and its latency where stamps are %s', (stamps) => {
    const { device, clock } = opened({ stamps, outputLatency: 0.03 });
    // Blocks of 10 ms: half of one on average.
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(6);
  });

  it('goes by stamps as soon as the device gives good ones', () => {
    const { device, clock } = opened({ stamps: 'zero', outputLatency: 0 });
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeGreaterThan(20);
    device.stamps = 'good';
    // It is not before some have been good, and then no reading of the other way is mixed in.
    device.run(8 * TICK_MS);
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(4);
  });

  it('takes baseLatency, or nothing, where outputLatency is 0 or missing', () => {
    for (const [outputLatency, baseLatency, late] of [[0, 0.01, 20], [undefined, undefined, 30]] as const) {
      const { device, clock } = opened({ stamps: 'none', outputLatency, baseLatency });
      const off = device.heardAt(clock.timeAt(device.here)!) - device.here;
      expect(Math.abs(off - late)).toBeLessThan(6);
    }
  });

  it('schedules earlier by the nudge', () => {
    const { device, clock } = opened();
    const plain = clock.timeAt(device.here)!;
    clock.nudgeMs = 80;
    expect(clock.timeAt(device.here)! - plain).toBeCloseTo(-0.08);
  });

  it('says nothing while the context is suspended, and is right at once when it goes on', () => {
    const { device, clock } = opened();
    device.state = 'suspended';
    device.run(100);
    expect(clock.running).toBe(false);
    expect(clock.timeAt(device.here)).toBeNull();
    // Its clock stood still meanwhile.
    device.started += 5_000;
    device.here += 5_000;
    device.state = 'running';
    device.run(TICK_MS);
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(5);
  });

  it('follows a leap of the device, and no single bad reading', () => {
    const { device, clock } = opened();
    device.started += 400;
    device.run(TICK_MS);
    device.started -= 400;
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(1);
    device.started += 400;
    device.run(8 * TICK_MS);
    expect(Math.abs(device.heardAt(clock.timeAt(device.here)!) - device.here)).toBeLessThan(5);
  });
});
