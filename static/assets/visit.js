import {
  Pace, ServerClock, TurnClock, backoff, isNewer, isTurn, joinSpread, mayJoin, noticesOf, peopleAhead,
  placeOf, pollDelay, progressOf, readStatus, stateOf, waitRange,
} from "./room.js";

const MINUTE = 60000;
const TIMEOUT = 15000; // the functions give up after 10 s
const LONGEST = 600000; // no answer, however wrong, sends a visitor away for longer
const FAREWELL = 1200; // to read, or hear announced, that the turn has come
const HOLD = 30000; // for someone who is called to come and look
const LOCK_WAIT = 20000; // a frozen tab does not hold up the others for longer
const NEWS = 200; // until what another tab has stored can be read

const isWeb = (address) => /^https?:\/\//.test(address ?? "");

export const storageKey = (event) => `waiting-room:${event}`;

export function makeSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Half a record would wait for ever.
function isWhole({ run, secret, ticket, cohort, shard, seq }) {
  return (!secret || (run && /^[\w-]{22,43}$/.test(secret))) &&
    (!ticket || (secret && [cohort, shard, seq].every(Number.isSafeInteger)));
}

// makeRecord keeps {run, secret, ticket, cohort, shard, seq, outcome, renewed, restarted, shared,
// from, tried} in the storage that open() returns, which tabs share. A copy in the tab's history
// outlives a reload where the browser denies storage, which it may at any time.
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
        // Someone who clears the storage under an open page does not lose the place.
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
      } catch {
        // It is a second copy.
      }
    },
  };
  return record;
}

// makeLock lets one tab act at a time. Without it, tabs that ask with one secret get one answer.
export const makeLock = (locks, key, pause) => async (act) => {
  let begun = false;
  const run = () => {
    begun = true;
    return act();
  };
  try {
    const answer = await locks.request(key, { ifAvailable: true }, (lock) => lock && run());
    if (begun) return answer;
    return await locks.request(key, { signal: AbortSignal.timeout(LOCK_WAIT) }, () => pause(NEWS).then(run));
  } catch (error) {
    if (begun) throw error;
    return act();
  }
};

// An answer is {status, body, problem, retryAfter, time}. Status 0 means that none came, body is
// null when it was not JSON, and nothing throws.
export function makeApi(event, fetch) {
  async function call(url, options) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout?.(TIMEOUT), ...options });
      const { status, headers } = response;
      const body = await response.json().catch(() => null);
      const problem = String(body?.type).replace("urn:waiting-room:problem:", "");
      const asked = 1000 * (headers.get("Retry-After") ?? body?.retry_after);
      const retryAfter = asked > 0 ? Math.min(asked, LONGEST) : 0;
      // A cached answer is as old as its Age says.
      const time = Date.parse(headers.get("Date")) + 1000 * headers.get("Age") || 0;
      return { status, body, problem, retryAfter, time };
    } catch {
      return { status: 0, body: null, problem: "", retryAfter: 0, time: 0 };
    }
  }

  const post = (operation, body) => call(`/v1/events/${event}/${operation}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

  return {
    status: () => call(`/status/${event}.json`, { cache: "no-store" }),
    // A seal is cached for a year: a broken one has to be asked for past the cache.
    seal: (run, cohort, again) =>
      call(`/seals/${event}/${run}/${cohort}.json`, { cache: again ? "reload" : "default" }),
    join: (secret) => post("join", { secret }),
    admit: (ticket) => post("admit", { ticket }),
  };
}

// Visit asks for the status, joins, finds the place and claims the turn, as room.js rules. Its env
// is in static/README.md.
export class Visit {
  #env;
  #status = null;
  #polled = -Infinity;
  #missing = 0;
  #clock = new ServerClock();
  #pace = new Pace();
  #turn = new TurnClock();
  #opened = null; // since when the line is open, by the server's clock
  #seat = {};
  #misfits = 0; // seals in a row that do not fit the ticket
  #range = null;
  #brought; // the place that a link brought, until it is adopted or not
  #stale = false;
  #called = null; // the ticket whose turn was called
  #unseen = false; // nobody looks, and the claim is held
  #held = false; // the turn has come and the shop is full
  #entering = false; // the visitor asked to be taken to the shop again
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

  // step does what is due and arranges the next step. While one is under way, another call does
  // nothing: the first looks again when it ends.
  async step() {
    if (this.#stepping) return;
    this.#stepping = true;
    for (const task of this.#tasks) {
      this.#plan();
      if (task.due > this.#env.now()) continue;
      this.#show();
      // Whatever goes wrong is tried again: the page never stops silently.
      await task.run().catch(() => this.#failed(task));
    }
    this.#plan();
    this.#stepping = false;
    this.#show();
    const next = Math.min(...this.#tasks.map((task) => task.due));
    this.#env.later(() => this.step(), Math.max(0, next - this.#env.now()));
  }

  // wake looks again at once, unless the server asked for patience. A status is cached for 1 s.
  wake() {
    const now = this.#env.now();
    if (this.#poll.trouble !== "busy" && now - this.#polled >= 1000) this.#poll.due = now;
    if (this.#unseen && !this.#env.hidden()) this.#claim.due = now;
    return this.step();
  }

  // joinAgain drops the secret, which only ever gives the old place. A second click drops nothing.
  joinAgain() {
    if (this.view().state === "expired") this.#env.record.write({});
    return this.step();
  }

  // enter asks for the same pass once more.
  enter() {
    this.#entering = true;
    return this.step();
  }

  // adopt answers the offer: only the visitor may give an own place away.
  adopt(taken) {
    if (taken && this.view().offer) this.#env.record.write({ ...this.#brought, shared: true });
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

  // view is all that the screen needs. now is the server's time.
  view() {
    const [status, mine] = [this.#status, this.#env.record.read()];
    const trouble = this.#tasks.map((task) => task.trouble).find(Boolean) ?? null;
    const position = this.#position(mine);
    const now = this.#now();
    const range = this.#showRange(position);
    const { kept } = this.#env.record;
    const facts = { status, missing: this.#missing, trouble, mine, position, range, now, leaving: this.#leaving };
    return {
      ...facts,
      state: stateOf(facts),
      ahead: position && peopleAhead(position, status),
      progress: position && progressOf(position, mine, status),
      left: isTurn(position, status) ? this.#turn.left(status.claim_window, now) : null,
      held: this.#held,
      kept,
      seal: position && this.#seat.seal,
      updated: status?.time ?? null,
      notices: noticesOf(mine, { stale: this.#stale, kept, stock: status?.stock }),
      offer: !!status && !!this.#brought && status.phase !== "closed",
    };
  }

  #show() {
    this.#env.show(this.view());
  }

  #now() {
    return this.#status ? this.#clock.now(this.#env.now()) : NaN;
  }

  #position(mine) {
    return mine.ticket && this.#seat.ticket === mine.ticket ? this.#seat.position : null;
  }

  // Null while the line does not move.
  #minutes(position) {
    const speed = this.#pace.perMinute(this.#status.rate);
    return speed && (peopleAhead(position, this.#status) + 1) / speed;
  }

  #showRange(position) {
    const minutes = position && this.#status.phase === "open" ? this.#minutes(position) : null;
    return (this.#range = minutes && waitRange(minutes, this.#range));
  }

  #plan() {
    const status = this.#status;
    this.#bring();
    if (!status) return;
    const mine = this.#env.record.read();
    const now = this.#now();
    const position = this.#position(mine);
    // Another tab has met another run: the next poll tells which is right.
    const current = !mine.run || mine.run === status.run;

    const pool = status.phase === "prequeue" && !mine.shared;
    // A place that was brought is held already: its door is never closed before the sale is.
    const open = mayJoin(status, now) || (mine.shared && status.phase !== "closed");

    if (!["admitted", "elsewhere"].includes(mine.outcome)) this.#entering = false;
    this.#want(this.#join, current && !mine.ticket && open,
      () => (pool ? joinSpread(status.onsale - now, this.#env.random) : 0));
    if (!pool && !this.#join.failures && this.#join.due < Infinity) this.#join.due = 0;
    this.#want(this.#place, current && mine.ticket && position === null && status.sealed > mine.cohort);
    this.#want(this.#claim, current && mine.ticket &&
      (this.#entering || (!mine.outcome && isTurn(position, status))), () => this.#callIn(mine.ticket));
    if (this.#claim.due === Infinity) this.#held = this.#unseen = false;
  }

  // What a link brought is used at once only where it replaces nothing.
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

  // A pass's time would run while nobody looks.
  #callIn(ticket) {
    if (this.#entering) return 0;
    if (this.#called !== ticket) this.#env.call();
    this.#called = ticket;
    // Timers of hidden tabs may be a minute late, which a short turn does not bear.
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

  #failed(task, answer = { status: -1, retryAfter: 0 }, quiet = false) {
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
    const first = !this.#status;
    if (this.#status?.run !== status.run) this.#pace = new Pace();
    this.#pace.add(status);
    this.#status = status;
    if (status.phase !== "open") this.#opened = null;
    else this.#opened ??= Math.min(this.#now(), first ? status.onsale : Infinity);
    const mine = record.read();
    const position = this.#position(mine);
    if (mine.run && mine.run !== status.run) {
      this.#stale ||= mine.shared && !mine.ticket;
      record.write({ restarted: mine.restarted || !!mine.ticket });
    }
    if (this.#turn.ticket !== mine.ticket) this.#turn = new TurnClock(mine.ticket);
    const before = position === null ? status.sealed <= mine.cohort : position > status.admitted;
    this.#turn.add(before, status.phase, this.#now());
  }

  // How far away the visitor's next change is.
  #pollWait() {
    const status = this.#status;
    const mine = this.#env.record.read();
    const position = this.#position(mine);
    if (status.phase === "scheduled") return status.prequeue - this.#now();
    if (status.phase === "prequeue") return status.onsale - this.#now();
    if (status.phase === "closed" || mine.outcome) return Infinity;
    if (status.phase === "soldout") return 5 * MINUTE;
    if (this.#unseen || this.#place.trouble) return MINUTE;
    if (position === null || isTurn(position, status)) return 0;
    const wait = (this.#minutes(position) ?? 2) * MINUTE;
    // When a sale begins, the first speeds measured are far too low: nobody stays away for longer
    // than the line has been open.
    return this.#opened === null ? wait : Math.min(wait, 1.33 * (this.#now() - this.#opened));
  }

  async #joinLine() {
    const { api, record, secret } = this.#env;
    let mine = record.read();
    if (mine.ticket || (mine.run && mine.run !== this.#status.run)) return; // another tab was first
    if (!mine.secret) {
      // Kept before it is used: a page that dies before the answer gets the same place later.
      mine = { ...mine, run: this.#status.run, secret: secret() };
      record.write(mine);
    }
    const answer = await api.join(mine.secret);
    if (record.read().secret !== mine.secret) return; // dropped meanwhile
    const { ticket, cohort, shard, seq } = answer.body ?? {};
    if ([200, 201].includes(answer.status) && typeof ticket === "string" &&
      [cohort, shard, seq].every(Number.isSafeInteger)) {
      record.write({ ...mine, ticket, cohort, shard, seq });
      return this.#done(this.#join);
    }
    const shut = ["not-open-yet", "sold-out", "over"].includes(answer.problem);
    if (mine.shared && (shut || answer.status === 400)) {
      // Whoever holds a place is answered through closed doors: the link brought none.
      this.#stale = true;
      record.write({});
      return this.#done(this.#join);
    }
    if (answer.status === 400) record.write({ ...mine, secret: undefined });
    // Closed doors are no trouble: the next status explains them.
    this.#failed(this.#join, answer, answer.status === 403 || answer.status === 410);
  }

  async #findPlace() {
    const { api, event, record } = this.#env;
    const [mine, task] = [record.read(), this.#place];
    const answer = await api.seal(mine.run, mine.cohort, task.failures > 0);
    const seal = answer.body;
    if (answer.status !== 200 || seal === null) {
      this.#misfits = 0;
      // A seal may be a moment late without anyone being told.
      return this.#failed(task, answer, answer.status === 404 && task.failures < 3);
    }
    try {
      const position = await placeOf(mine, seal, event, mine.run);
      this.#seat = { ticket: mine.ticket, position, seal };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // The first may be a broken copy in a cache.
      this.#failed(task, { retryAfter: Math.min(44000, 1000 * 2 ** task.failures) }, true);
      if (++this.#misfits > 1) task.trouble = "doubt";
      return;
    }
    this.#misfits = 0;
    this.#done(task);
    const latest = record.read();
    if (latest.ticket === mine.ticket) record.write({ from: this.#status.admitted, ...latest });
  }

  async #enterShop() {
    this.#unseen = false;
    const address = await this.#env.lock(() => this.#askAdmission());
    if (!address) return;
    this.#leaving = true;
    this.#show();
    await this.#env.pause(FAREWELL);
    this.#leaving = false; // the back button may bring the page back as it is now
    this.#env.go(address);
  }

  // Returns the shop's address, or null when there is no way in now.
  async #askAdmission() {
    const { api, record, random } = this.#env;
    const mine = record.read();
    if (!mine.ticket || (mine.outcome && !this.#entering)) return null; // another tab was first
    // Kept before it is asked: if the answer is lost, a pass issued before may be this browser's.
    record.write({ ...mine, tried: true });
    const answer = await api.admit(mine.ticket);
    const { status, problem, body, retryAfter } = answer;
    const told = { ...record.read(), tried: undefined };
    if (told.secret !== mine.secret || (told.outcome && !this.#entering)) return null;

    if (status === 200 && isWeb(body?.redirect)) {
      const elsewhere = body.again && !mine.tried && !this.#entering;
      // Kept before leaving: nobody who comes back is sent away again unasked.
      this.#settle({ ...told, outcome: elsewhere ? "elsewhere" : "admitted" });
      return elsewhere ? null : body.redirect;
    }
    if (status === 202 || status === 429) {
      // Busy may mean that the pass could not be signed, and over the cap that there is none.
      if (problem !== "busy") record.write(told);
      // The turn is kept. Over the cap is no failure, so the wait does not double.
      this.#held = true;
      this.#done(this.#claim, this.#env.now() + (retryAfter || 1000) + 1000 * random());
    } else if (status === 410 && ["turn-expired", "pass-expired"].includes(problem)) {
      this.#settle({ ...told, outcome: problem });
    } else if (status === 400 || status === 401) {
      // Joining anew is right once; a room that refuses every ticket would be asked in a loop.
      this.#settle(mine.renewed ? { ...told, outcome: "refused" } : { run: mine.run, renewed: true });
    } else {
      // Sold out may end: the ticket is kept.
      if (status === 410) this.#entering = false;
      this.#failed(this.#claim, answer, status === 410);
    }
    return null;
  }

  #settle(mine) {
    this.#env.record.write(mine);
    this.#entering = false;
    this.#done(this.#claim);
  }
}
