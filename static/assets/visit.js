// The reasons are in static/README.md.
import {
  Pace, ServerClock, TurnClock, backoff, isNewer, isTurn, joinSpread, mayJoin, noticesOf, peopleAhead,
  placeOf, pollDelay, progressOf, readStatus, stateOf, waitRange,
} from "./room.js";

const TIMEOUT = 15000;
const LONGEST = 600000;
const FAREWELL = 1200;
const HOLD = 30000;
const LOCK_WAIT = 20000;
const NEWS = 200;

export const storageKey = (event) => `waiting-room:${event}`;

export function makeSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => (byte % 16).toString(16)).join("");
}

function isWhole({ run, secret, ticket, cohort, shard, seq }) {
  return (!secret || (run && /^[\w-]{22,43}$/.test(secret))) &&
    (!ticket || (secret && ticket.at && [cohort, shard, seq].every(Number.isSafeInteger)));
}

export function makeRecord(event, open, history = {}) {
  const key = storageKey(event);
  let last = history.state?.[key] ?? "{}";

  function store() {
    try {
      open().setItem(key, last);
    } catch {
      record.kept = false;
    }
  }

  const record = {
    kept: true,

    read() {
      try {
        const text = record.kept ? open().getItem(key) : last;
        if (text === null && last !== "{}") store();
        last = text ?? last;
      } catch {
        record.kept = false;
      }
      try {
        const mine = JSON.parse(last);
        return isWhole(mine) ? mine : {};
      } catch {
        return {};
      }
    },

    write(mine) {
      last = JSON.stringify(mine);
      store();
      try {
        history.replaceState({ ...history.state, [key]: last }, "");
      } catch {}
    },
  };
  return record;
}

export const makeLock = (locks, key, pause) => async (act) => {
  let done;
  const run = () => (done = act());
  try {
    await locks.request(key, { ifAvailable: true }, (lock) => lock && run());
    const signal = AbortSignal.timeout(LOCK_WAIT);
    if (!done) await locks.request(key, { signal }, () => pause(NEWS).then(run));
  } catch {}
  return done ?? act();
};

export function makeApi(event, fetch) {
  async function call(url, options) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout?.(TIMEOUT), ...options });
      const { status, headers } = response;
      const body = await response.json().catch(() => null);
      const problem = String(body?.type).replace("urn:waiting-room:problem:", "");
      const asked = 1000 * (headers.get("Retry-After") ?? body?.retry_after);
      const retryAfter = asked > 0 ? Math.min(asked, LONGEST) : 0;
      const time = Date.parse(headers.get("Date")) + 1000 * headers.get("Age") || 0;
      return { status, body, problem, retryAfter, time };
    } catch {
      return { status: 0, problem: "", retryAfter: 0, time: 0 };
    }
  }

  const headers = { "Content-Type": "application/json" };
  const post = (operation, body) =>
    call(`/v1/events/${event}/${operation}`, { method: "POST", headers, body: JSON.stringify(body) });

  return {
    status: () => call(`/status/${event}.json`, { cache: "no-store" }),
    seal: (run, cohort, again) =>
      call(`/seals/${event}/${run}/${cohort}.json`, { cache: again ? "reload" : "default" }),
    join: (secret, held) => post("join", { secret, held }),
    admit: (ticket) => post("admit", { ticket }),
  };
}

export class Visit {
  #env;
  #status = null;
  #polled = -Infinity;
  #missing = 0;
  #clock = new ServerClock();
  #pace = new Pace();
  #turn = new TurnClock();
  #opened;
  #seat = {};
  #misfits = 0;
  #range = null;
  #brought;
  #stale;
  #own;
  #called;
  #unseen = false;
  #held = false;
  #entering = false;
  #leaving = false;
  #stepping = false;
  #poll = { run: () => this.#askStatus(), due: 0, failures: 0, trouble: null };
  #join = { ...this.#poll, run: () => this.#env.lock(() => this.#joinLine()), due: Infinity };
  #place = { ...this.#join, run: () => this.#findPlace() };
  #claim = { ...this.#join, run: () => this.#enterShop() };
  #tasks = [this.#poll, this.#join, this.#place, this.#claim];

  constructor(env) {
    this.#env = env;
    this.#brought = env.brought;
  }

  async step() {
    if (this.#stepping) return;
    this.#stepping = true;
    for (const task of this.#tasks) {
      this.#plan();
      if (task.due > this.#env.now()) continue;
      this.#show();
      await task.run().catch(() => this.#failed(task));
    }
    this.#plan();
    this.#stepping = false;
    this.#show();
    const next = Math.min(...this.#tasks.map((task) => task.due));
    this.#env.later(() => this.step(), Math.max(0, next - this.#env.now()));
  }

  wake() {
    const now = this.#env.now();
    if (this.#poll.trouble !== "busy" && now - this.#polled >= 1000) this.#poll.due = now;
    if (this.#unseen && !this.#env.hidden()) this.#claim.due = now;
    return this.step();
  }

  joinAgain() {
    if (this.view().state === "expired") this.#env.record.write({});
    return this.step();
  }

  enter() {
    this.#entering = true;
    return this.step();
  }

  adopt(taken) {
    const { record } = this.#env;
    if (taken && this.view().offer) {
      this.#own = record.read();
      record.write({ ...this.#brought, shared: true });
    }
    this.#brought = null;
    return this.step();
  }

  link() {
    const { record } = this.#env;
    const mine = record.read();
    if (!mine.ticket || this.view().state === "expired") return null;
    record.write({ ...mine, shared: true });
    this.#show();
    return `#place=${mine.run}.${mine.secret}`;
  }

  view() {
    const { record } = this.#env;
    const [status, mine] = [this.#status, record.read()];
    const trouble = this.#tasks.map((task) => task.trouble).find(Boolean) ?? null;
    const position = this.#position(mine);
    const now = this.#now();
    const minutes = position && status.phase === "open" ? this.#minutes(position) : null;
    const range = (this.#range = minutes && waitRange(minutes, this.#range));
    const facts = { status, missing: this.#missing, trouble, mine, position, range, now, leaving: this.#leaving };
    return {
      ...facts,
      state: stateOf(facts),
      ahead: position && peopleAhead(position, status),
      progress: position && progressOf(position, mine, status),
      left: isTurn(position, status) ? this.#turn.left(status.claim_window, now) : null,
      held: this.#held,
      seal: position && this.#seat.seal,
      updated: status?.time ?? null,
      notices: noticesOf({
        ...mine, stale: this.#stale, shared: mine.shared && !mine.outcome, fragile: !record.kept, [status?.stock]: true,
      }),
      offer: !!this.#brought && !!status && status.phase !== "closed",
    };
  }

  #show() {
    try {
      this.#env.show(this.view());
    } catch {}
  }

  #now() {
    return this.#clock.now(this.#env.now());
  }

  #position(mine) {
    return mine.ticket && this.#seat.ticket === mine.ticket ? this.#seat.position : null;
  }

  #minutes(position) {
    const speed = this.#pace.perMinute(this.#status.rate);
    return speed && (peopleAhead(position, this.#status) + 1) / speed;
  }

  #plan() {
    const status = this.#status;
    this.#bring();
    if (!status) return;
    const mine = this.#env.record.read();
    const now = this.#now();
    const position = this.#position(mine);
    const current = !mine.run || mine.run === status.run;

    const pool = status.phase === "prequeue" && !mine.shared;
    const open = mayJoin(status, now) || (mine.shared && status.phase !== "closed");

    if (!["admitted", "elsewhere"].includes(mine.outcome)) this.#entering = false;
    this.#want(this.#join, current && !mine.ticket && open,
      () => (pool ? joinSpread(status.onsale - now, this.#env.random) : 0));
    if (!pool && !this.#join.failures && this.#join.due < Infinity) this.#join.due = 0;
    this.#want(this.#place, current && mine.ticket && position === null && status.sealed > mine.cohort);
    this.#want(this.#claim, current && mine.ticket &&
      (this.#entering || (!mine.outcome && isTurn(position, status))), () => this.#callIn(mine));
    if (this.#claim.due === Infinity) this.#held = this.#unseen = false;
  }

  #bring() {
    const { record } = this.#env;
    const mine = record.read();
    const run = this.#status?.run;
    if (!this.#brought) return;
    if (run && this.#brought.run !== run) this.#stale = true;
    else if (!mine.secret) record.write({ ...this.#brought, shared: true });
    else if (mine.secret !== this.#brought.secret) return;
    this.#brought = null;
  }

  #callIn({ ticket }) {
    if (this.#entering) return 0;
    if (this.#called !== ticket) this.#env.call();
    this.#called = ticket;
    this.#unseen = this.#env.hidden() && this.#status.claim_window >= 180;
    return this.#unseen ? HOLD : 0;
  }

  #want(task, needed, delay = () => 0) {
    if (!needed) this.#done(task);
    else if (task.due === Infinity) task.due = this.#env.now() + delay();
  }

  #done(task, due = Infinity) {
    Object.assign(task, { due, failures: 0, trouble: null });
  }

  #failed(task, answer = { retryAfter: 0 }, quiet = false) {
    task.trouble = quiet ? null : answer.status === 0 ? "offline" : "busy";
    task.due = this.#env.now() + backoff(task.failures++, this.#env.random, answer.retryAfter);
  }

  async #askStatus() {
    const { api, event, random } = this.#env;
    const answer = await api.status();
    const now = (this.#polled = this.#env.now());
    if (answer.status === 404 && !this.#status) {
      return this.#done(this.#poll, now + pollDelay(2000 * 2 ** this.#missing++, random));
    }
    if (answer.status !== 200) return this.#failed(this.#poll, answer);
    const status = readStatus(answer.body, event);
    this.#clock.learn(Math.max(status.time, answer.time), now);
    if (isNewer(this.#status, status)) this.#accept(status);
    this.#done(this.#poll, now + pollDelay(this.#pollWait(), random));
  }

  #accept(status) {
    const { record } = this.#env;
    const mine = record.read();
    const position = this.#position(mine);
    const first = !this.#status;
    if (this.#status?.run !== status.run) this.#pace = new Pace();
    this.#pace.add(status);
    this.#status = status;
    const now = this.#now();
    this.#opened = status.phase === "open" && (this.#opened || Math.min(now, first ? status.onsale : now));
    if (mine.run && mine.run !== status.run) {
      this.#stale ||= mine.shared && !mine.ticket;
      record.write({ restarted: mine.restarted || !!mine.ticket });
    }
    if (this.#turn.ticket !== mine.ticket) this.#turn = new TurnClock(mine.ticket);
    const before = position === null ? status.sealed <= mine.cohort : position > status.admitted;
    this.#turn.add(before, status.phase, now);
  }

  #pollWait() {
    const status = this.#status;
    const mine = this.#env.record.read();
    const position = this.#position(mine);
    const now = this.#now();
    if (status.phase === "scheduled") return status.prequeue - now;
    if (status.phase === "prequeue") return status.onsale - now;
    if (status.phase === "closed" || mine.outcome) return Infinity;
    if (status.phase === "soldout") return 300000;
    if (this.#unseen || this.#place.trouble) return 60000;
    if (position === null || isTurn(position, status)) return 0;
    const wait = (this.#minutes(position) ?? 2) * 60000;
    return this.#opened ? Math.min(wait, 1.25 * (now - this.#opened)) : wait;
  }

  async #joinLine() {
    const { api, record, secret } = this.#env;
    let mine = record.read();
    if (mine.ticket || (mine.run && mine.run !== this.#status.run)) return;
    if (!mine.secret) {
      // Kept before it is used: a page that dies before the answer gets the same place.
      mine = { ...mine, run: this.#status.run, secret: secret() };
      record.write(mine);
    }
    const answer = await api.join(mine.secret, mine.shared);
    if (record.read().secret !== mine.secret) return;
    const { status, problem, body } = answer;
    const { ticket, cohort, shard, seq } = body ?? {};
    const placed = { ...mine, ticket, cohort, shard, seq };
    const shut = ["not-open-yet", "sold-out", "over"].includes(problem);
    if (mine.shared && (shut || status === 400 || status === 201)) {
      this.#stale = true;
      record.write(this.#own ?? {});
    } else if (status < 202 && ticket && isWhole(placed)) {
      record.write(placed);
    } else {
      if (status === 400) record.write({ ...mine, secret: undefined });
      this.#failed(this.#join, answer, shut);
    }
  }

  async #findPlace() {
    const { api, event, record } = this.#env;
    const [mine, task] = [record.read(), this.#place];
    const answer = await api.seal(mine.run, mine.cohort, task.failures > 0);
    const seal = answer.body;
    if (answer.status !== 200 || seal === null) {
      this.#misfits = 0;
      return this.#failed(task, answer, answer.status === 404 && task.failures < 3);
    }
    try {
      const position = await placeOf(mine, seal, event, mine.run);
      this.#seat = { ticket: mine.ticket, position, seal };
      const { admitted, phase } = this.#status;
      if (position > admitted) (this.#turn = new TurnClock(mine.ticket)).add(true, phase, this.#now());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#failed(task, { retryAfter: Math.min(44000, 1000 * 2 ** task.failures) }, true);
      if (this.#misfits++) task.trouble = "doubt";
      return;
    }
    this.#misfits = 0;
    const latest = record.read();
    if (latest.ticket === mine.ticket) record.write({ from: this.#status.admitted, ...latest });
  }

  async #enterShop() {
    const env = this.#env;
    this.#unseen = false;
    const claim = await env.claim();
    const { address, again, failed, ended } = await env.lock(() => claim(env, this.#entering));
    this.#held = again > 0;
    if (again) this.#done(this.#claim, env.now() + again);
    if (failed) this.#failed(this.#claim, failed, failed.status === 410);
    if (ended) this.#entering = false;
    if (!address) return;
    this.#leaving = true;
    this.#show();
    await env.pause(FAREWELL);
    this.#leaving = false;
    this.#poll.due += 60000;
    env.go(address);
  }
}
