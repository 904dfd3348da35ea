// Runs the page's own rules over the cases on standard input, see page_test.go. Endless waits are
// written as null, which is how JSON has them.
import { readFileSync } from "node:fs";

import { claim } from "../../../static/assets/later.js";
import * as room from "../../../static/assets/room.js";
import { Visit, makeApi } from "../../../static/assets/visit.js";

const wait = (ms) => ms ?? Infinity;

const rules = {
  pollDelay: (c) => room.pollDelay(wait(c.wait), () => c.random),
  joinSpread: (c) => room.joinSpread(c.wait, () => c.random),
  backoff: (c) => room.backoff(c.failures, () => c.random, c.retryAfter),
  mayJoin: (c) => room.mayJoin({ phase: c.phase, prequeue: c.prequeue }, c.now),
  isTurn: (c) => room.isTurn(c.position || null, { phase: c.phase, admitted: c.admitted }),
  isNewer: (c) => room.isNewer(c.held, c.next),
  readStatus: (c) => {
    try {
      const { time, prequeue, onsale } = room.readStatus(JSON.parse(c.document), c.event);
      return [time, prequeue, onsale];
    } catch {
      return null;
    }
  },
  pace: (c) => {
    const pace = new room.Pace();
    return c.statuses.map((status) => {
      pace.add(status);
      return pace.perMinute(c.rate) ?? 0;
    });
  },
  clock: (c) => {
    const clock = new room.ServerClock();
    return c.times.map(([server, local]) => {
      clock.learn(server, local);
      return clock.now(0);
    });
  },
  retryAfter: async (c) => {
    const headers = new Headers(c.header === "" ? {} : { "Retry-After": c.header });
    const body = JSON.stringify(c.body ? { retry_after: c.body } : {});
    const api = makeApi("demo", async () => new Response(body, { headers }));
    return (await api.admit("")).retryAfter;
  },
  next,
};

// next is when a page that has seen these statuses wants to be woken, by the polls before the last
// one every second.
async function next(c) {
  let now = 0;
  let delay = null;
  let mine = { run: "r", secret: "s".repeat(22), ...c.mine };
  const seed = "0".repeat(64);
  const seal = { event: "demo", run: "r", cohort: 0, base: c.position - 1, counts: [1], size: 1, seed };
  const visit = new Visit({
    event: "demo",
    api: {
      status: async () => ({ status: 200, body: c.statuses[now], retryAfter: 0, time: 0 }),
      seal: async () => ({ status: 200, body: seal, retryAfter: 0 }),
      admit: async () => ({ status: 429, body: {}, problem: "over-cap", retryAfter: c.retryAfter }),
      join: async () => ({ status: 429, body: {}, problem: "busy", retryAfter: c.retryAfter }),
    },
    record: { kept: true, read: () => mine, write: (record) => { mine = record; } },
    random: () => c.random,
    now: () => now * 1000,
    later: (_, ms) => { delay = ms; },
    pause: async () => {},
    lock: (act) => act(),
    claim: async () => claim,
    secret: () => "s".repeat(22),
    go: () => {},
    show: () => {},
    brought: null,
    hidden: () => false,
    call: () => {},
  });
  for (; now < c.statuses.length; now++) await visit.wake();
  return delay;
}

const cases = JSON.parse(readFileSync(0));
const results = [];
for (const { rule, ...given } of cases) results.push(await rules[rule](given));
process.stdout.write(JSON.stringify(results));
