import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shuffledIndex } from "../assets/room.js";

const file = new URL("../../shared/shuffle/testdata/swap-or-not.csv", import.meta.url);
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const rows = readFileSync(file, "utf8").trim().split(/\r?\n/).map((row) => row.split(","));

// All places of a list share their hashes. One place with WebCrypto takes milliseconds, all of
// these would take minutes.
const hashes = new Map();
function sha256(input) {
  const key = Buffer.from(input).toString("latin1");
  if (!hashes.has(key)) hashes.set(key, createHash("sha256").update(input).digest());
  return hashes.get(key);
}

test("there are vectors of every kind", () => {
  const sizes = rows.map((row) => Number(row[1]));
  assert.equal(rows.length, 70);
  assert.ok(sizes.includes(1) && sizes.includes(1000));
});

for (const [n, [seed, size, list, shuffled]] of rows.entries()) {
  test(`vector ${n + 1}: size ${size}`, async () => {
    const [from, to] = [list, shuffled].map((text) => (text ? text.split(":") : []));
    assert.equal(from.length, Number(size));
    for (let i = 0; i < from.length; i++) {
      assert.equal(to[await shuffledIndex(i, from.length, bytes(seed), sha256)], from[i]);
    }
    if (from.length) assert.equal(to[await shuffledIndex(0, from.length, bytes(seed))], from[0]);
  });
}

// The specification in BigInt throughout, as a check on the numbers that 32 bits would cut.
async function reference(index, size, seed) {
  const hash = async (...parts) =>
    Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.concat(parts)));
  for (let round = 0; round < 90; round++) {
    const pivot = (await hash(seed, Buffer.of(round))).readBigUInt64LE() % size;
    const flip = (pivot + size - index) % size;
    const position = flip > index ? flip : index;
    const block = Buffer.alloc(4);
    block.writeUInt32LE(Number(position / 256n));
    const source = await hash(seed, Buffer.of(round), block);
    if ((source[Number((position % 256n) / 8n)] >> Number(position % 8n)) & 1) index = flip;
  }
  return index;
}

test("large lists are not cut to 32 bits", async () => {
  const seed = Buffer.alloc(32, 7);
  for (const [index, size] of [[0, 2 ** 32 + 1], [2 ** 40 - 1, 2 ** 40], [2 ** 39 + 12345, 2 ** 40], [299999, 300000]]) {
    const want = await reference(BigInt(index), BigInt(size), seed);
    assert.equal(await shuffledIndex(index, size, seed), Number(want));
  }
});

test("an index outside the list is refused", async () => {
  for (const [index, size] of [[0, 0], [1, 1], [-1, 5], [0.5, 5], [NaN, 5], [0, 2 ** 40 + 1]]) {
    await assert.rejects(shuffledIndex(index, size, new Uint8Array(32)), RangeError);
  }
});
