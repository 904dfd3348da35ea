import { placeOf } from "./place.js";
import {
  Pace, ServerClock, backoff, isNewer, isTurn, joinSpread, mayJoin, peopleAhead, pollDelay,
  readStatus, stateOf, waitRange,
} from "./room.js";

const MINUTE = 60000;
const FAREWELL = 1200; // to read, or hear announced, that the turn has come

const isWeb = (address) => /^https?:\/\//.test(address ?? "");

// Visit asks for the status, joins, finds the place and claims the turn, as room.js rules. It is
// given event, api, record, random, now() of a clock that does not jump, later(f, ms) for the one
// next step, pause(ms), lock(f) to be alone among the tabs, secret(), go(address) and show(view).
export class Visit {
  #env;
  #status = null;
  #polled = -Infinity;
  #missing = 0;
  #clock = new ServerClock();
  #pace = new Pace();
  #opened = null; // when this page first saw the line open
  #seat = { ticket: null, position: null };
  #range = null;
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
  }

  // step does what is due and arranges the next step. While one is under way, another call does
  // nothing: the first looks again when it ends.
  async step() {
    if (this.#stepping) return;
    this.#stepping = true;
    for (const task of this.#tasks) {
      this.#plan();
      if (task.due > this.#env.now()) continue;
      this.#env.show(this.view());
      // Whatever goes wrong is tried again: the page never stops silently.
      await task.run().catch(() => this.#failed(task));
    }
    this.#plan();
    this.#stepping = false;
    this.#env.show(this.view());
    const next = Math.min(...this.#tasks.map((task) => task.due));
    this.#env.later(() => this.step(), Math.max(0, next - this.#env.now()));
  }

  // wake looks again at once, unless the server asked for patience. A status is cached for 1 s.
  wake() {
    const now = this.#env.now();
    if (this.#poll.trouble !== "busy" && now - this.#polled >= 1000) this.#poll.due = now;
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

  // view is all that the screen needs. now is the server's time.
  view() {
    const [status, mine] = [this.#status, this.#env.record.read()];
    const trouble = this.#tasks.map((task) => task.trouble).find(Boolean) ?? null;
    const position = this.#position(mine);
    const now = this.#now();
    const facts = { status, missing: this.#missing, trouble, mine, position, now, leaving: this.#leaving };
    return {
      ...facts,
      state: stateOf(facts),
      ahead: position && peopleAhead(position, status),
      range: this.#showRange(position),
      held: this.#held,
      kept: this.#env.record.kept,
    };
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
    if (!status) return;
    const mine = this.#env.record.read();
    const now = this.#now();
    const position = this.#position(mine);
    // Another tab has met another run: the next poll tells which is right.
    const current = !mine.run || mine.run === status.run;

    const pool = status.phase === "prequeue";

    if (mine.outcome !== "admitted") this.#entering = false;
    this.#want(this.#join, current && !mine.ticket && mayJoin(status, now),
      () => (pool ? joinSpread(status.onsale - now, this.#env.random) : 0));
    if (!pool && !this.#join.failures && this.#join.due < Infinity) this.#join.due = 0;
    this.#want(this.#place, current && mine.ticket && position === null && status.sealed > mine.cohort);
    this.#want(this.#claim, current && mine.ticket &&
      (this.#entering || (!mine.outcome && isTurn(position, status))));
    if (this.#claim.due === Infinity) this.#held = false;
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
      return this.#done(this.#poll, now + pollDelay(25000 * 2 ** this.#missing++, random));
    }
    if (answer.status !== 200) return this.#failed(this.#poll, answer);
    const status = readStatus(answer.body, event);
    this.#clock.learn(Math.max(status.time, answer.time), now);
    if (isNewer(this.#status, status)) this.#accept(status);
    this.#done(this.#poll, now + pollDelay(this.#pollWait(), random));
  }

  #accept(status) {
    if (this.#status?.run !== status.run) this.#pace = new Pace();
    this.#pace.add(status);
    this.#opened = status.phase === "open" ? this.#opened ?? this.#env.now() : null;
    this.#status = status;
    const mine = this.#env.record.read();
    if (mine.run && mine.run !== status.run) this.#env.record.write({});
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
    if (position === null || isTurn(position, status)) return 0;
    const wait = (this.#minutes(position) ?? 2) * MINUTE;
    // When a sale begins, the first speeds measured are far too low: nobody stays away for longer
    // than the line has been watched.
    return this.#opened === null ? wait : Math.min(wait, 10 * (this.#env.now() - this.#opened));
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
    if (answer.status === 400) record.write({ ...mine, secret: undefined });
    // Closed doors are no trouble: the next status explains them.
    this.#failed(this.#join, answer, answer.status === 403 || answer.status === 410);
  }

  async #findPlace() {
    const { api, event, record } = this.#env;
    const mine = record.read();
    const answer = await api.seal(mine.run, mine.cohort, this.#place.failures > 0);
    if (answer.status !== 200) {
      // A seal may be a moment late without anyone being told.
      return this.#failed(this.#place, answer, answer.status === 404 && this.#place.failures < 3);
    }
    const position = await placeOf(mine, answer.body, event, mine.run);
    this.#seat = { ticket: mine.ticket, position };
    this.#done(this.#place);
  }

  async #enterShop() {
    const address = await this.#env.lock(() => this.#askAdmission());
    if (!address) return;
    this.#leaving = true;
    this.#env.show(this.view());
    await this.#env.pause(FAREWELL);
    this.#leaving = false; // the back button may bring the page back as it is now
    this.#env.go(address);
  }

  // Returns the shop's address, or null when there is no way in now.
  async #askAdmission() {
    const { api, record, random } = this.#env;
    const mine = record.read();
    if (!mine.ticket || (mine.outcome && !this.#entering)) return null; // another tab was first
    const answer = await api.admit(mine.ticket);
    const { status, problem, body, retryAfter } = answer;

    if (status === 200 && isWeb(body?.redirect)) {
      // Kept before leaving: nobody who comes back is sent away again unasked.
      this.#settle({ ...mine, outcome: "admitted" });
      return body.redirect;
    }
    if (status === 202 || status === 429) {
      // The turn is kept. Over the cap is no failure, so the wait does not double.
      this.#held = true;
      this.#done(this.#claim, this.#env.now() + (retryAfter || 1000) + 1000 * random());
    } else if (status === 410 && ["turn-expired", "pass-expired"].includes(problem)) {
      this.#settle({ ...mine, outcome: problem });
    } else if (status === 400 || status === 401) {
      // Joining anew is right once; a room that refuses every ticket would be asked in a loop.
      this.#settle(mine.renewed ? { ...mine, outcome: "refused" } : { run: mine.run, renewed: true });
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
