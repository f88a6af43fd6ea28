// Tests that tell one story: each begins where the one before has ended, and after a break nothing more can be learnt.
import { test } from "node:test";

/** @returns {(name: string, tell: () => Promise<void>) => void} `test`, which skips what follows a failure */
export function story() {
  let broken = null;
  return (name, tell) =>
    test(name, async (context) => {
      if (broken) return context.skip(`after “${broken}”`);
      try {
        await tell();
      } catch (failure) {
        broken = name;
        throw failure;
      }
    });
}
