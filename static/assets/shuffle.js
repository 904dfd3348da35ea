// The swap-or-not shuffle: compute_shuffled_index of the Ethereum consensus specification.

const webCrypto = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// shuffledIndex gives where the item at index (from 0) of a list of size items goes. The seed is
// 32 bytes, size at most 2^40: the number of a block of 256 positions has to fit in 4 bytes.
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
