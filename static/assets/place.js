const webCrypto = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// shuffledIndex is compute_shuffled_index of the Ethereum consensus specification: where the item at
// index (from 0) of size goes. The seed is 32 bytes, size at most 2^40, since the number of a block
// of 256 positions has to fit in 4 bytes.
export async function shuffledIndex(index, size, seed, sha256 = webCrypto) {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size && size <= 2 ** 40)) {
    throw new RangeError(`index ${index} is not within a list of ${size}`);
  }
  const input = new Uint8Array(37);
  const view = new DataView(input.buffer);
  input.set(seed);
  for (let round = 0; round < 90; round++) {
    input[32] = round;
    const hash = await sha256(input.subarray(0, 33));
    const random = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0, true);
    // No bit operator may touch a position: those cut numbers to 32 bits.
    const pivot = Number(random % BigInt(size));
    const flip = (pivot + size - index) % size;
    const position = Math.max(index, flip);
    view.setUint32(33, Math.floor(position / 256), true);
    const bits = (await sha256(input))[Math.floor((position % 256) / 8)];
    if ((bits >> position % 8) & 1) index = flip;
  }
  return index;
}

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
