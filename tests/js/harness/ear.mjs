// What a page schedules and tells, beat by beat, with the readings of its own audio clock: enough to say when each
// beat was heard on the machine's one true clock, without asking the library whose work that is.

/**
 * Before the page's own scripts, as its `addInitScript`: reads the clock of the audio context that the page makes, each
 * time that anybody in the page looks at it, as the library does at its ticks, and so in a hidden page too, whose timers
 * are slowed down. Also kept is when nobody looked for a while.
 */
export function readAudioClocks() {
  const READ_MS = 20;
  const STALL_MS = 80;
  const Native = globalThis.AudioContext;
  const readings = (globalThis.readings = []);
  const stalls = (globalThis.stalls = []);
  let [looked, read] = [Infinity, -Infinity];
  globalThis.AudioContext = class AudioContext extends Native {
    get currentTime() {
      const now = performance.now();
      if (now - looked > STALL_MS) stalls.push([looked, now]);
      looked = now;
      if (now - read > READ_MS && this.state === "running") {
        const { contextTime, performanceTime } = this.getOutputTimestamp();
        if (contextTime > 0 && contextTime !== readings.at(-1)?.[0]) readings.push([contextTime, performanceTime]);
        read = now;
      }
      return super.currentTime;
    }
  };
}

/** A beat's place on the true clock is taken from the readings so near to it, ms. */
const NEAR_MS = 1_000;

export class Ear {
  /** From now on; the page must have joined its room. */
  static async on(page, name) {
    await page.waitForFunction(() => globalThis.downbeatRoom?.state.timeline);
    await page.evaluate(listen);
    return new Ear(page, name);
  }

  constructor(page, name) {
    [this.page, this.name] = [page, name];
  }

  /** Waits until the page's audio clock goes. */
  async isOn() {
    await this.page.waitForFunction(() => globalThis.readings.length > 0);
  }

  /** Waits until this many more beats have been handed out. */
  async hears(beats) {
    const { length } = (await this.record()).handedOut;
    await this.page.waitForFunction((many) => globalThis.ear.scheduled.length >= many, length + beats);
  }

  /** Waits until the room's clock is known well enough for music. */
  async isSettled() {
    const settled = () => ["good", "fair", "uncertain"].includes(globalThis.downbeatRoom.state.clock.quality);
    await this.page.waitForFunction(settled);
  }

  /**
   * How far this page's `timeOrigin + now()` may be from this process' own, ms, at the least and at the most: both are
   * on one machine, and an answer cannot come before its question.
   */
  async aside() {
    const bounds = { least: -Infinity, most: Infinity };
    const here = () => performance.timeOrigin + performance.now();
    for (let turn = 0; turn < 30; turn++) {
      const asked = here();
      const there = await this.page.evaluate(() => performance.timeOrigin + performance.now());
      bounds.least = Math.max(bounds.least, there - here());
      bounds.most = Math.min(bounds.most, there - asked);
    }
    return bounds;
  }

  /** Forgets what was heard until now. */
  async anew() {
    await this.page.evaluate(() => {
      const { ear } = globalThis;
      [ear.scheduled, ear.told, ear.states, ear.said] = [[], [], [ear.states.at(-1)], []];
      ear.timers = 0;
    });
  }

  async record() {
    return new Heard(
      this.name,
      await this.page.evaluate(() => ({ ...globalThis.ear, stalls: globalThis.stalls, readings: globalThis.readings })),
    );
  }
}

/** Runs in the page. */
function listen() {
  const room = globalThis.downbeatRoom;
  const ear = {
    origin: performance.timeOrigin,
    scheduled: [],
    told: [],
    states: [],
    readings: [],
    stalls: [],
    said: [],
  };
  globalThis.ear = ear;
  room.scheduleOnBeat(({ run, beat, at, accent }, when) => {
    const hidden = document.visibilityState === "hidden";
    const one = { run, beat, at, accent, when, hidden, handed: performance.now(), taken: null };
    ear.scheduled.push(one);
    return () => {
      one.taken = performance.now();
    };
  });
  room.onBeat(({ run, beat, at }) => ear.told.push({ run, beat, at, moment: performance.now(), now: room.now() }));
  const look = ({ connection, clock, bpm }) => {
    const { quality, source, uncertaintyMs } = clock;
    ear.states.push({ moment: performance.now(), connection, quality, source, uncertaintyMs, bpm });
  };
  look(room.state);
  room.subscribe(look);
  // Sentences that stand on the page for a moment only are kept as well.
  const read = () => {
    for (const status of document.querySelectorAll("[role=status]")) {
      const text = status.textContent.trim();
      if (text && !ear.said.some((one) => one.text === text)) ear.said.push({ text, moment: performance.now() });
    }
  };
  new MutationObserver(read).observe(document.body, { subtree: true, childList: true, characterData: true });
  setInterval(() => {
    ear.timers += 1;
  }, 20);
}

class Heard {
  constructor(name, { scheduled, ...others }) {
    Object.assign(this, others);
    this.name = name;
    this.handedOut = scheduled;
    /** Those that were not taken back. */
    this.scheduled = scheduled.filter(({ taken }) => taken === null);
  }

  /** Whether this sentence stood on the page. */
  read(text) {
    return this.said.some((one) => one.text.includes(text));
  }

  /** When an audio time is heard, in ms since 1970; `NaN` where the audio clock was not read near to it. */
  trueTime(when) {
    const near = this.readings.filter(([audio]) => Math.abs(audio - when) * 1_000 <= NEAR_MS);
    const offsets = near.map(([audio, moment]) => moment - audio * 1_000);
    return this.origin + when * 1_000 + median(offsets);
  }

  /** Beats that were scheduled, by run and number: when they were heard, ms since 1970. */
  times() {
    return new Map(this.scheduled.map(({ run, beat, when }) => [`${run}/${beat}`, this.trueTime(when)]));
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
