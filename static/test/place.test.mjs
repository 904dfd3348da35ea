import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf } from "../assets/room.js";

const seal = (changes = {}) => ({
  event: "demo", run: "r1", cohort: 2, base: 100, counts: [3, 0, 2], size: 5, seed: "ab".repeat(32), ...changes,
});
const ticket = (changes = {}) => ({ cohort: 2, shard: 0, seq: 1, ...changes });

test("the places of a cohort are base+1 to base+size, each once", async () => {
  const places = [];
  for (const [shard, seq] of [[0, 1], [0, 2], [0, 3], [2, 1], [2, 2]]) {
    places.push(await placeOf(ticket({ shard, seq }), seal(), "demo", "r1"));
  }
  assert.deepEqual(places.sort(), [101, 102, 103, 104, 105]);
});

test("someone alone in a cohort stands right behind the ones before", async () => {
  const alone = seal({ counts: [0, 0, 1], size: 1 });
  assert.equal(await placeOf(ticket({ shard: 2 }), alone, "demo", "r1"), 101);
});

const wrong = {
  "another event": [ticket(), seal({ event: "other" })],
  "another run": [ticket(), seal({ run: "r2" })],
  "another cohort": [ticket(), seal({ cohort: 3 })],
  "a size that the counts do not add up to": [ticket(), seal({ size: 6 })],
  "an empty cohort": [ticket(), seal({ counts: [0, 0, 0], size: 0 })],
  "a negative count": [ticket(), seal({ counts: [6, -1, 0] })],
  "a count in words": [ticket(), seal({ counts: ["3", 0, 2] })],
  "no counts": [ticket(), seal({ counts: undefined })],
  "no base": [ticket(), seal({ base: undefined })],
  "a negative base": [ticket(), seal({ base: -1 })],
  "a short seed": [ticket(), seal({ seed: "ab" })],
  "a seed that is not hexadecimal": [ticket(), seal({ seed: "zz".repeat(32) })],
  "no seal": [ticket(), null],
  "a shard beyond the last": [ticket({ shard: 3 }), seal()],
  "a negative shard": [ticket({ shard: -1 }), seal()],
  "a sequence number of zero": [ticket({ seq: 0 }), seal()],
  "a sequence number beyond the count": [ticket({ seq: 4 }), seal()],
  "a sequence number in an empty shard": [ticket({ shard: 1 }), seal()],
  "half a sequence number": [ticket({ seq: 1.5 }), seal()],
};
for (const [name, [mine, theirs]] of Object.entries(wrong)) {
  test(`no place from ${name}`, () => assert.rejects(placeOf(mine, theirs, "demo", "r1"), /^RangeError: seal/));
}
