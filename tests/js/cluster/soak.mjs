// The chaos of chaos.test.mjs for as long as one likes, told while it goes on. Run by scripts/soak.
import { Chaos } from "../harness/chaos.mjs";
import { summary } from "../harness/chaos_summary.mjs";

const seed = Number(process.env.DOWNBEAT_CHAOS_SEED ?? Math.floor(Math.random() * 1e6));
const rounds = Number(process.env.DOWNBEAT_CHAOS_ROUNDS ?? 200);
const chaos = new Chaos({ seed, rounds, report: (line) => console.log(line) });
console.log(`seed ${seed}, ${rounds} rounds`);
try {
  await chaos.run();
  console.log("no invariant was broken");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  for (const line of summary(chaos.table)) console.log(line);
  console.log(`seed ${seed}: DOWNBEAT_CHAOS_SEED=${seed} DOWNBEAT_CHAOS_ROUNDS=${rounds} scripts/soak`);
}
