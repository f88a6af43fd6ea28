// A wall clock that goes wrong while its program runs.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync, openSync, writeSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export class ShiftedClock {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "downbeat-clock-"));
    this.library = join(this.dir, "shifted_clock.so");
    this.file = join(this.dir, "shift");
    const source = fileURLToPath(new URL("shifted_clock.c", import.meta.url));
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", this.library, source]);
    writeFileSync(this.file, Buffer.alloc(4));
  }

  /** The environment that puts a program under this clock. */
  get env() {
    return { LD_PRELOAD: this.library, SHIFTED_CLOCK_FILE: this.file };
  }

  /** From now on the clock is wrong by so many seconds; 0 is right again. */
  shift(seconds) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(seconds);
    // In place: the program has this file mapped.
    const file = openSync(this.file, "r+");
    writeSync(file, bytes, 0, 4, 0);
    closeSync(file);
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
