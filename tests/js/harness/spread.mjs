// How numbers are spread, for people to read and for bounds to be put on.

export class Spread {
  constructor(values) {
    this.sorted = [...values].sort((a, b) => a - b);
  }

  at(part) {
    return this.sorted[Math.min(this.sorted.length - 1, Math.floor(part * this.sorted.length))];
  }

  get p50() {
    return this.at(0.5);
  }

  get p99() {
    return this.at(0.99);
  }

  toString() {
    const shown = { p50: 0.5, p90: 0.9, p99: 0.99, max: 1 };
    const words = Object.entries(shown).map(([name, part]) => `${name} ${this.at(part).toFixed(2)}`);
    return `${words.join(", ")} ms of ${this.sorted.length}`;
  }
}
