import { describe, expect, it, vi } from 'vitest';
import { clickSamples, placeClick, type Accent } from './click';

const RATE = 48_000;
const ACCENTS: Accent[] = ['bar', 'group', 'none'];
const peak = (samples: Float32Array) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
const crossings = (samples: Float32Array) =>
  samples.slice(0, 960).reduce((count, sample, i, all) => count + (i > 0 && sample * all[i - 1]! < 0 ? 1 : 0), 0);

describe('a click', () => {
  it('sounds from its very first sample on, so that it lands where it is placed', () => {
    for (const accent of ACCENTS) {
      expect(Math.abs(clickSamples(accent, RATE)[0]!)).toBeGreaterThan(0.05);
    }
  });

  it('ends in silence, without a crackle', () => {
    for (const accent of ACCENTS) {
      expect(Math.abs(clickSamples(accent, RATE).at(-1)!)).toBeLessThan(1e-4);
    }
  });

  it('tells bar, group and other beats apart by strength and by pitch', () => {
    const [bar, group, none] = ACCENTS.map((accent) => clickSamples(accent, RATE));
    expect(peak(bar!)).toBeGreaterThan(peak(group!) * 1.2);
    expect(peak(group!)).toBeGreaterThan(peak(none!) * 1.2);
    expect(crossings(bar!)).toBeGreaterThan(crossings(group!));
    expect(crossings(group!)).toBeGreaterThan(crossings(none!));
  });

  it('is as long at every rate', () => {
    expect(clickSamples('bar', 44_100).length / 44_100).toBeCloseTo(clickSamples('bar', 96_000).length / 96_000, 4);
  });

  it('never leaves the range in which the limiter changes nothing', () => {
    for (const accent of ACCENTS) expect(peak(clickSamples(accent, RATE))).toBeLessThan(0.7);
  });
});

describe('placing a click', () => {
  const at = (currentTime: number) => {
    const source = { buffer: null, connect: vi.fn(), start: vi.fn(), stop: vi.fn(), disconnect: vi.fn() };
    const context = { currentTime, createBufferSource: vi.fn(() => source) };
    return { source, context: context as unknown as BaseAudioContext, made: context.createBufferSource };
  };
  const place = (context: BaseAudioContext, when: number) =>
    placeClick(context, {} as AudioNode, {} as AudioBuffer, when);

  it('starts at exactly the moment that was asked for', () => {
    const { context, source } = at(10);
    place(context, 10.123456789);
    expect(source.start).toHaveBeenCalledExactlyOnceWith(10.123456789);
  });

  it('can be taken back', () => {
    const { context, source } = at(10);
    place(context, 10.1)();
    expect(source.stop).toHaveBeenCalledOnce();
  });

  it('leaves out a beat that has long been', () => {
    const { context, made } = at(10);
    place(context, 9.9)();
    expect(made).not.toHaveBeenCalled();
  });
});
