// The metronome's clicks, as samples: what a real browser renders of the page's own click, its limiter and its plan of
// a timeline, beside the same timeline's arithmetic done anew.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Browser } from "../harness/browser.mjs";
import { bundled } from "../harness/bundled.mjs";
import { timeOfBeat } from "../harness/timeline.mjs";

const BLOCK_FRAMES = 128;
const BEATS = 32;
/** Silence for so long comes before each onset; a click lasts 60 ms, and the quickest beats are 300 ms apart. */
const SILENCE_MS = 100;

/** 3+2+2 at 120, from the eighth beat on a ramp over eight beats to 200, which then stays. */
const TIMELINE = {
  ...{ epoch: 1, rev: 2, run: 1, time_base: "0", server_now_us: 0, playing: true, source: "clock" },
  segments: [
    { t0_us: 51_234, beat0_ub: 0, milli_bpm: 120_000, ramp: null },
    { t0_us: 4_051_234, beat0_ub: 8_000_000, milli_bpm: 120_000, ramp: { to_milli_bpm: 200_000, len_ub: 8_000_000 } },
  ],
  stop_at_ub: BEATS * 1_000_000,
  meter: { beats_per_bar: 7, groups: [3, 2, 2], bar0_ub: 0 },
};
const accentOf = (beat) => (beat % 7 === 0 ? "bar" : [3, 5].includes(beat % 7) ? "group" : "none");

describe("clicks that a browser renders", () => {
  let browser, page;

  before(async () => {
    browser = await Browser.launch();
    page = await (await browser.device()).newPage();
    const content = await bundled("product", ["downbeat/scheduler.ts", "sound/click.ts", "sound/master.ts"]);
    await page.addScriptTag({ content });
  });
  after(() => browser?.close());

  for (const rate of [44_100, 48_000]) {
    test(`begin within a sample block of the timeline's grid, at ${rate} Hz, through a ramp`, async () => {
      const clicks = await page.evaluate(render, { timeline: TIMELINE, rate, silenceMs: SILENCE_MS });
      assert.equal(clicks.length, BEATS, "as many clicks as beats");
      const off = clicks.map(({ frame }, beat) => frame - (timeOfBeat(TIMELINE, beat * 1e6) / 1e6) * rate);
      const [least, most] = [Math.min(...off), Math.max(...off)];
      console.log(`at ${rate} Hz: ${least.toFixed(2)} to ${most.toFixed(2)} frames off the grid`);
      assert.ok(Math.max(-least, most) <= BLOCK_FRAMES, `${least} to ${most} frames off the grid`);
    });

    test(`tell bar, group and beat apart by strength and by pitch, at ${rate} Hz`, async () => {
      const clicks = await page.evaluate(render, { timeline: TIMELINE, rate, silenceMs: SILENCE_MS });
      const of = (accent, what) => clicks.filter((_, beat) => accentOf(beat) === accent).map((click) => click[what]);
      for (const what of ["peak", "crossings"]) {
        const [bar, group, none] = ["bar", "group", "none"].map((accent) => of(accent, what));
        assert.ok(Math.min(...bar) > 1.1 * Math.max(...group), `${what} of bars ${bar} beside groups ${group}`);
        assert.ok(Math.min(...group) > 1.1 * Math.max(...none), `${what} of groups ${group} beside others ${none}`);
      }
    });
  }
});

/** Runs in the page: the onsets of all clicks, each with how strong and how high it is. */
async function render({ timeline, rate, silenceMs }) {
  const { BeatPlanner, clickBuffers, createMaster, placeClick } = globalThis.product;
  const seconds = 13;
  const context = new OfflineAudioContext(1, seconds * rate, rate);
  const master = createMaster(context);
  const buffers = clickBuffers(context);
  const planner = new BeatPlanner(({ accent }, when) => placeClick(context, master.input, buffers[accent], when));
  // As the page plans: a little ahead, tick by tick.
  for (let now = 0; now < seconds * 1_000; now += 25) {
    const plan = { timeline, hidden: false, audioNow: now / 1_000, audioTimeAt: (ms) => ms / 1_000, earliest: now };
    planner.tick(plan);
  }
  const samples = (await context.startRendering()).getChannelData(0);
  const clicks = [];
  const silence = (silenceMs / 1_000) * rate;
  for (let frame = 0, quiet = Infinity; frame < samples.length; frame++) {
    const sounds = Math.abs(samples[frame]) > 0.01;
    if (sounds && quiet > silence) clicks.push({ frame });
    quiet = sounds ? 0 : quiet + 1;
  }
  for (const click of clicks) {
    const length = Math.round(0.02 * rate);
    const part = samples.subarray(click.frame, click.frame + length);
    click.peak = part.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    click.crossings = part.reduce((count, sample, i) => count + (i > 0 && sample * part[i - 1] < 0 ? 1 : 0), 0);
  }
  return clicks;
}
