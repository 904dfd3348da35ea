// The rules of the page, all pure. Times are milliseconds, random() is in [0, 1).

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PHASES = ["scheduled", "prequeue", "open", "paused", "soldout", "closed"];

// pollDelay lasts for three quarters of the wait and a little more, between 2 and 60 s. The jitter is
// a share of it, so that a crowd that came at once does not ask at once for ever.
export function pollDelay(wait, random) {
  return Math.min(MINUTE, 2.5 * SECOND + 0.75 * Math.max(0, wait)) * (0.95 + 0.05 * random());
}

// joinSpread holds a join back before the on-sale, when order does not matter. It ends 2 s early:
// a join that comes late is not in the pool any more.
export function joinSpread(untilOnSale, random) {
  return random() * Math.min(10 * SECOND, Math.max(0, untilOnSale - 2 * SECOND));
}

// backoff is the wait after a failure that had failures before it. The random part comes on top of
// what the server asks, so that not everyone comes back together.
export function backoff(failures, random, retryAfter = 0) {
  return retryAfter + random() * Math.min(16 * SECOND, 2 * SECOND * 2 ** failures);
}

// readStatus turns a status document's times into numbers. It throws on anything it cannot read.
export function readStatus(doc, event) {
  const status = { ...doc };
  const times = ["time", "prequeue", "onsale"];
  for (const name of times) status[name] = Date.parse(doc[name]);
  const numbers = ["version", "sealed", "admitted", ...times];
  const readable = doc.event === event && typeof doc.run === "string" && doc.run !== "" &&
    PHASES.includes(doc.phase) && numbers.every((name) => Number.isSafeInteger(status[name]));
  if (!readable) throw new Error("status: not readable");
  return status;
}

// isNewer says whether a status may replace the one held. Caches answer out of order, and nobody
// should see the line retreat.
export function isNewer(held, next) {
  return !held || held.run !== next.run || next.version >= held.version;
}

// ServerClock follows the server's clock. Every time that it learns has passed already, so the
// greatest of the latest differences is the nearest to the truth.
export class ServerClock {
  #offsets = [];

  learn(server, local) {
    this.#offsets = [...this.#offsets, server - local].slice(-8);
  }

  now(local) {
    return local + Math.max(...this.#offsets);
  }
}

// Pace measures how fast the pointer moved in the last two minutes.
export class Pace {
  #seen = [];

  add({ phase, time, admitted }) {
    const last = this.#seen.at(-1);
    // After a pause the line would look slow for minutes.
    if (phase !== "open" || (last && (time < last.time || admitted < last.admitted))) this.#seen = [];
    if (phase === "open") this.#seen.push({ time, admitted });
    this.#seen = this.#seen.filter((s) => s.time >= time - 2 * MINUTE);
  }

  // perMinute is null while nothing moves. Below five seconds of measuring, rate stands in.
  perMinute(rate) {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    const elapsed = last ? last.time - first.time : 0;
    const speed = elapsed >= 5 * SECOND ? ((last.admitted - first.admitted) / elapsed) * MINUTE : rate;
    return speed > 0 ? speed : null;
  }
}

// TurnClock counts how much of a turn has passed, and rather too much than too little: from the
// last status before it, and not while the line stands.
export class TurnClock {
  #spent = NaN;
  #open = false;
  #at = 0;

  constructor(ticket) {
    this.ticket = ticket;
  }

  add(before, phase, now) {
    const open = phase === "open";
    if (before) this.#spent = 0;
    else if (open || this.#open) this.#spent += now - this.#at;
    this.#open = open;
    this.#at = now;
  }

  // left is null for a turn that this page did not see come. The window is in seconds.
  left(window, now) {
    const left = window * SECOND - this.#spent - (this.#open ? now - this.#at : 0);
    return isCount(window) && left === left ? Math.max(0, left) : null;
  }
}

const EDGES = [0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480, Infinity];

// waitRange gives [from, to] in minutes. It keeps the range shown until the estimate is well
// outside it: a figure that jumps about is trusted less than a wide one.
export function waitRange(minutes, shown) {
  if (shown && minutes >= shown[0] * 0.85 && minutes <= shown[1] * 1.15) return shown;
  const i = EDGES.findIndex((edge) => minutes < edge);
  return [EDGES[i - 1], EDGES[i]];
}

export const peopleAhead = (position, status) => Math.max(0, position - status.admitted - 1);

// progressOf is the share of the way from where the pointer was when the place was first found.
export function progressOf(position, { from = 0 }, { admitted }) {
  return admitted >= position ? 1 : Math.max(0, (admitted - from) / (position - from)) || 0;
}

// A pause keeps the doors as they were.
export function mayJoin(status, now) {
  return ["prequeue", "open"].includes(status.phase) ||
    (status.phase === "paused" && now >= status.prequeue);
}

// Turns given before a pause can be claimed during it.
export function isTurn(position, status) {
  return position !== null && position <= status.admitted && ["open", "paused"].includes(status.phase);
}

// stateOf names the situation. mine is the browser's record (see visit.js), position and range are
// null until they are known, trouble is "offline", "busy", "doubt" or null.
export function stateOf({ status, missing, trouble, mine, position, range, now, leaving }) {
  if (leaving) return "turn";
  if (!status) return trouble ?? (missing ? "unknown" : "loading");
  if (["admitted", "elsewhere"].includes(mine.outcome)) return mine.outcome;
  if (status.phase === "closed" || status.phase === "soldout") return status.phase;
  if (mine.outcome) return "expired";
  if (trouble) return trouble;
  if (status.phase === "scheduled") return "scheduled";
  if (!mine.ticket) {
    if (!mayJoin(status, now)) return "paused";
    return status.phase === "prequeue" ? "arriving" : "joining";
  }
  if (isTurn(position, status)) return "turn";
  if (status.phase === "paused") return "paused";
  if (position !== null) return range?.[1] <= 1 ? "nearly" : "waiting";
  return status.phase === "prequeue" ? "pool" : "placing";
}

// noticesOf lists what else there is to say, the most important first.
export function noticesOf({ renewed, restarted, shared, outcome }, { stale, kept, stock }) {
  const said = {
    renewed, restarted, stale, shared: shared && !outcome, fragile: !kept, few: stock === "few", none: stock === "none",
  };
  return Object.keys(said).filter((key) => said[key]);
}

const webCrypto = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// shuffledIndex is compute_shuffled_index of the Ethereum consensus specification: where the item at
// index (from 0) of size goes. The seed is 32 bytes, size at most 2^40, since the number of a block
// of 256 positions has to fit in 4 bytes.
export async function shuffledIndex(index, size, seed, sha256 = webCrypto) {
  if (!(isCount(index) && index < size && size <= 2 ** 40)) {
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
  if (!holds) throw new RangeError(`seal: ${complaint}`);
}

// placeOf gives the position, from 1, of the ticket {cohort, shard, seq} of a run. It throws a
// RangeError when the seal is another's or contradicts itself: no place is better than an invented one.
export async function placeOf({ cohort, shard, seq }, seal, event, run, sha256) {
  check(seal?.event === event && seal.run === run && seal.cohort === cohort, "another's");
  const { base, counts, size, seed } = seal;
  check(Array.isArray(counts) && [base, base + size, ...counts].every(isCount), "not numbers");
  check(sum(counts) === size, "counts do not add up to the size");
  check(typeof seed === "string" && /^[0-9a-f]{64}$/.test(seed), "no seed");
  check(isCount(shard) && isCount(seq) && seq > 0 && seq <= counts[shard], "ticket not counted");

  const bytes = Uint8Array.from(seed.match(/../g), (byte) => parseInt(byte, 16));
  return base + await shuffledIndex(sum(counts.slice(0, shard)) + seq - 1, size, bytes, sha256) + 1;
}
