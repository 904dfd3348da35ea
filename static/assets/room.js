// The rules of the page, all pure. Times are milliseconds, random() is in [0, 1).

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PHASES = ["scheduled", "prequeue", "open", "paused", "soldout", "closed"];

// pollDelay is a tenth of the estimated wait, between 2 and 60 s. The jitter is a share of it, so
// that a crowd that came at once does not ask at once for ever.
export function pollDelay(wait, random) {
  return Math.min(MINUTE, Math.max(2.5 * SECOND, wait / 10)) * (0.8 + 0.2 * random());
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

const EDGES = [0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480, Infinity];

// waitRange gives [from, to] in minutes. It keeps the range shown until the estimate is well
// outside it: a figure that jumps about is trusted less than a wide one.
export function waitRange(minutes, shown) {
  if (shown && minutes >= shown[0] * 0.85 && minutes <= shown[1] * 1.15) return shown;
  const i = EDGES.findIndex((edge) => minutes < edge);
  return [EDGES[i - 1], EDGES[i]];
}

export const peopleAhead = (position, status) => Math.max(0, position - status.admitted - 1);

// A pause keeps the doors as they were.
export function mayJoin(status, now) {
  return ["prequeue", "open"].includes(status.phase) ||
    (status.phase === "paused" && now >= status.prequeue);
}

// Turns given before a pause can be claimed during it.
export function isTurn(position, status) {
  return position !== null && position <= status.admitted && ["open", "paused"].includes(status.phase);
}

// stateOf names the situation. mine is the browser's record (see storage.js), position is null
// until it is drawn, trouble is "offline", "busy" or null.
export function stateOf({ status, missing, trouble, mine, position, now, leaving }) {
  if (leaving) return "turn";
  if (!status) return trouble ?? (missing ? "unknown" : "loading");
  if (mine.outcome === "admitted") return "admitted";
  if (status.phase === "closed" || status.phase === "soldout") return status.phase;
  if (mine.outcome) return "expired";
  if (trouble) return trouble;
  if (status.phase === "scheduled") return "scheduled";
  if (!mine.ticket) {
    if (!mayJoin(status, now)) return "paused";
    return status.phase === "prequeue" ? "prequeue-joining" : "joining";
  }
  if (isTurn(position, status)) return "turn";
  if (status.phase === "paused") return "paused";
  if (position !== null) return "waiting";
  return status.phase === "prequeue" ? "waiting-sale" : "placing";
}
