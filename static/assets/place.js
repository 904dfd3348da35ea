import { shuffledIndex } from "./shuffle.js";

const isCount = (n) => Number.isSafeInteger(n) && n >= 0;
const sum = (counts) => counts.reduce((a, b) => a + b, 0);

function check(holds, complaint) {
  if (!holds) throw new Error(`seal: ${complaint}`);
}

// placeOf gives the position, from 1, of the ticket {cohort, shard, seq} of a run. It throws when
// the seal is another's or contradicts itself: no place is better than an invented one.
export async function placeOf({ cohort, shard, seq }, seal, event, run) {
  check(seal?.event === event && seal.run === run && seal.cohort === cohort, "another's");
  const { base, counts, size, seed } = seal;
  check(isCount(base) && Array.isArray(counts) && counts.every(isCount), "not numbers");
  check(sum(counts) === size, "counts do not add up to the size");
  check(/^[0-9a-f]{64}$/.test(seed), "no seed");
  check(isCount(shard) && isCount(seq) && seq > 0 && seq <= counts[shard], "ticket not counted");

  const bytes = Uint8Array.from(seed.match(/../g), (byte) => parseInt(byte, 16));
  return base + await shuffledIndex(sum(counts.slice(0, shard)) + seq - 1, size, bytes) + 1;
}
