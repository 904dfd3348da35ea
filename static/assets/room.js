// All pure, in milliseconds. Reasons: static/README.md.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PHASES = ["scheduled", "prequeue", "open", "paused", "soldout", "closed"];

export function pollDelay(wait, random) {
  return Math.min(MINUTE, 2.5 * SECOND + 0.8 * Math.max(0, wait)) * (0.95 + 0.05 * random());
}

export function joinSpread(untilOnSale, random) {
  return random() * Math.min(10 * SECOND, Math.max(0, untilOnSale - 2 * SECOND));
}

export function backoff(failures, random, retryAfter = 0) {
  return retryAfter + random() * Math.min(16 * SECOND, 2 * SECOND * 2 ** failures);
}

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

export function isNewer(held, next) {
  return !held || held.run !== next.run || next.version >= held.version;
}

export class ServerClock {
  #offsets = [];

  learn(server, local) {
    this.#offsets = [...this.#offsets, server - local].slice(-8);
  }

  now(local) {
    return local + Math.max(...this.#offsets);
  }
}

export class Pace {
  #seen = [];

  add({ phase, time, admitted }) {
    const last = this.#seen.at(-1);
    if (phase !== "open" || (last && (time < last.time || admitted < last.admitted))) this.#seen = [];
    if (phase === "open") this.#seen.push({ time, admitted });
    this.#seen = this.#seen.filter((s) => s.time >= time - 2 * MINUTE);
  }

  perMinute(rate) {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    const elapsed = last ? last.time - first.time : 0;
    const speed = elapsed >= 5 * SECOND ? ((last.admitted - first.admitted) / elapsed) * MINUTE : rate;
    return speed > 0 ? speed : null;
  }
}

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

  left(window, now) {
    const left = window * SECOND - this.#spent - (this.#open ? now - this.#at : 0);
    return isCount(window) && left === left ? Math.max(0, left) : null;
  }
}

const EDGES = [0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240, 360, 480, Infinity];

export function waitRange(minutes, shown) {
  if (shown && minutes >= shown[0] * 0.85 && minutes <= shown[1] * 1.15) return shown;
  const i = EDGES.findIndex((edge) => minutes < edge);
  return [EDGES[i - 1], EDGES[i]];
}

export const peopleAhead = (position, status) => Math.max(0, position - status.admitted - 1);

export function progressOf(position, { from = 0 }, { admitted }) {
  return admitted >= position ? 1 : Math.max(0, (admitted - from) / (position - from)) || 0;
}

export function mayJoin(status, now) {
  return ["prequeue", "open"].includes(status.phase) ||
    (status.phase === "paused" && now >= status.prequeue);
}

export function isTurn(position, status) {
  return position !== null && position <= status.admitted && ["open", "paused"].includes(status.phase);
}

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

export function noticesOf(facts) {
  return ["renewed", "restarted", "stale", "shared", "fragile", "few", "none"].filter((name) => facts[name]);
}

const webCrypto = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export async function shuffledIndex(index, size, seed, sha256 = webCrypto) {
  if (!(isCount(index) && index < size && size <= 2 ** 40)) {
    throw new RangeError("index");
  }
  const input = new Uint8Array(37);
  const view = new DataView(input.buffer);
  input.set(seed);
  for (let round = 0; round < 90; round++) {
    input[32] = round;
    const hash = await sha256(input.subarray(0, 33));
    const random = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0, true);
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

export async function placeOf({ cohort, shard, seq }, seal, event, run, sha256) {
  const { base, counts, size, seed } = seal ?? {};
  const fits = seal?.event === event && seal.run === run && seal.cohort === cohort && Array.isArray(counts) &&
    [base, base + size, ...counts, shard, seq].every(isCount) && sum(counts) === size &&
    seq > 0 && seq <= counts[shard] && typeof seed === "string" && /^[0-9a-f]{64}$/.test(seed);
  if (!fits) throw new RangeError("seal");
  const bytes = Uint8Array.from(seed.match(/../g), (byte) => parseInt(byte, 16));
  return base + await shuffledIndex(sum(counts.slice(0, shard)) + seq - 1, size, bytes, sha256) + 1;
}

// Words and formats. words is what words/*.json holds, language a tag for Intl.
export const TAGS = "ar cs da de el en es fi fr he hi hu id it ja ko nb nl pl pt ro sv tr uk zh zh-Hant".split(" ");

export function tagOf(language) {
  const [base] = language.toLowerCase().split("-");
  return /^zh-(hant|tw|hk|mo)/i.test(language) ? "zh-Hant"
    : { no: "nb", nn: "nb", iw: "he", in: "id" }[base] ?? base;
}

export const moment = (time, language, options = { dateStyle: "medium", timeStyle: "short" }) =>
  new Date(time).toLocaleString(language, options);

const unit = (name, language) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" });

export function say(words, language, key, values) {
  const text = words[key] ?? "";
  return (text.other ? text[new Intl.PluralRules(language).select(values.n)] ?? text.other : text)
    .replace(/{(\w+)}/g, (_, name) => values[name].toLocaleString(language));
}

export function countdown(ms, language) {
  const all = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(all / 86400);
  const clock = [all / 3600 % 24, all / 60 % 60, all % 60].slice(all < 3600)
    .map((n) => Math.floor(n).toLocaleString(language, { minimumIntegerDigits: 2 })).join(":");
  return days ? `${unit("day", language).format(days)} ${clock}` : clock;
}

export function waits(range, words, language) {
  if (!range) return words["wait.unknown"];
  if (range[1] === 1) return words["wait.short"];
  const long = range[0] > 59;
  const [from, to] = range.map((minutes) => (long ? minutes / 60 : minutes));
  const format = unit(long ? "hour" : "minute", language);
  return to === Infinity ? say(words, language, "wait.long", { time: format.format(from) })
    : format.formatRange?.(from, to) ?? `${from.toLocaleString(language)}–${format.format(to)}`;
}

const LEADS = { joining: "loading.lead", expired: "expired.lead", offline: "trying", busy: "trying" };

export function describe({ state, mine, status, held, range, ahead }, words, language) {
  const heading = words[state === "expired" ? mine.outcome : state];
  const lead = say(words, language, held && state === "turn" ? "turn.full" : LEADS[state] ?? `${state}.lead`,
    { time: state === "scheduled" && moment(status.prequeue, language) });
  const kept = mine.ticket && ["offline", "busy", "paused", "soldout"].includes(state);
  return {
    heading,
    lead: kept ? words.kept + (/^(ja|zh)/.test(language) ? "" : " ") + lead : lead,
    wait: waits(range, words, language),
    title: ["waiting", "nearly"].includes(state) ? say(words, language, "people", { n: ahead }) : heading,
  };
}
