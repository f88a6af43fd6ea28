// Kills at random moments, in a loop. `DOWNBEAT_CHAOS_SEED` replays a run, `DOWNBEAT_CHAOS_ROUNDS` makes it longer.
import { test } from "node:test";
import { Chaos } from "../harness/chaos.mjs";
import { summary } from "../harness/chaos_summary.mjs";

const seed = Number(process.env.DOWNBEAT_CHAOS_SEED ?? Math.floor(Math.random() * 1e6));
const rounds = Number(process.env.DOWNBEAT_CHAOS_ROUNDS ?? 20);

test(`${rounds} random faults, seed ${seed}`, async (t) => {
  t.diagnostic(`replay with DOWNBEAT_CHAOS_SEED=${seed} DOWNBEAT_CHAOS_ROUNDS=${rounds}`);
  const chaos = new Chaos({ seed, rounds, report: (line) => t.diagnostic(line) });
  await chaos.run();
  for (const line of summary(chaos.table)) t.diagnostic(line);
});
