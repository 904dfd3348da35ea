import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Pace, ServerClock, backoff, isNewer, isTurn, joinSpread, mayJoin, peopleAhead, pollDelay, readStatus,
  stateOf, waitRange,
} from "../assets/room.js";

const MINUTE = 60000;
const low = () => 0;
const high = () => 1 - Number.EPSILON;
const draws = [low, high, () => 0.5];

test("polls are 2 to 60 s apart, four fifths of the wait and a little, with jitter in proportion", () => {
  for (const random of draws) {
    for (const wait of [-5000, 0, 1000, 30000, MINUTE, 5 * MINUTE, 3600000, Infinity]) {
      const delay = pollDelay(wait, random);
      assert.ok(delay >= 2000 && delay <= 60000, `${wait}: ${delay}`);
    }
  }
  assert.equal(pollDelay(0, low), 2375);
  assert.equal(Math.round(pollDelay(0, high)), 2500);
  assert.equal(Math.round(pollDelay(20000, high)), 18500);
  assert.equal(Math.round(pollDelay(Infinity, high)), 60000);
  for (const wait of [0, MINUTE, 5 * MINUTE]) {
    assert.ok(Math.abs(pollDelay(wait, low) / pollDelay(wait, high) - 0.95) < 1e-9);
  }
});

test("joins are spread over up to 10 s and end before the on-sale", () => {
  assert.equal(joinSpread(MINUTE, low), 0);
  assert.equal(Math.round(joinSpread(MINUTE, high)), 10000);
  assert.equal(joinSpread(6000, () => 0.5), 2000);
  assert.equal(joinSpread(2000, high), 0);
  assert.equal(joinSpread(-1000, high), 0);
});

test("failures are backed off from: 0 to 2 s, doubling up to 16 s, after what the server asks", () => {
  const longest = [0, 1, 2, 3, 4, 50, 5000].map((failures) => Math.round(backoff(failures, high)));
  assert.deepEqual(longest, [2000, 4000, 8000, 16000, 16000, 16000, 16000]);
  assert.equal(backoff(3, low), 0);
  assert.equal(backoff(0, low, 7000), 7000);
  assert.equal(backoff(0, () => 0.5, 7000), 8000);
});

const doc = (changes = {}) => ({
  event: "demo", run: "r1", version: 5, phase: "open", time: "2026-11-21T10:00:05Z",
  prequeue: "2026-11-21T09:30:00Z", onsale: "2026-11-21T10:00:00Z", closes: "2026-11-22T10:00:00Z",
  sealed: 1, line: 100, admitted: 10, expired: 0, rate: 60, message: {}, stock: "plenty", commit: "ab", ...changes,
});

test("a status is read", () => {
  const status = readStatus(doc(), "demo");
  assert.equal(status.time, Date.UTC(2026, 10, 21, 10, 0, 5));
  assert.equal(status.admitted, 10);
});

const unreadable = [
  null, "text", 7, [], {}, doc({ event: "other" }), doc({ run: "" }), doc({ run: undefined }), doc({ version: "5" }),
  doc({ phase: "later" }), doc({ onsale: "soon" }), doc({ time: undefined }), doc({ admitted: null }), doc({ sealed: 0.5 }),
];
for (const [n, bad] of unreadable.entries()) {
  test(`an unreadable status is refused: ${n + 1}`, () => assert.throws(() => readStatus(bad, "demo")));
}

test("a version never goes backwards within a run", () => {
  assert.ok(isNewer(null, doc()));
  assert.ok(isNewer(doc(), doc()));
  assert.ok(isNewer(doc(), doc({ version: 6 })));
  assert.ok(!isNewer(doc(), doc({ version: 4 })));
  assert.ok(isNewer(doc(), doc({ run: "r2", version: 1 })));
});

test("the server's clock is the latest that any answer shows", () => {
  const clock = new ServerClock();
  clock.learn(1_000_000, 500);
  assert.equal(clock.now(1500), 1_001_000);
  clock.learn(1_000_000, 3500); // a cached answer, 3 s old
  assert.equal(clock.now(3500), 1_003_000);
  clock.learn(1_004_000, 3600);
  assert.equal(clock.now(3600), 1_004_000);
});

test("one wrong time of the server is forgotten", () => {
  const clock = new ServerClock();
  clock.learn(9_000_000, 0);
  for (let i = 1; i <= 8; i++) clock.learn(1000 + i, i);
  assert.equal(clock.now(10), 1010);
});

const seen = (seconds, admitted, phase = "open") => ({ phase, time: seconds * 1000, admitted });

test("the line's speed is measured, and the published rate stands in at first", () => {
  const pace = new Pace();
  assert.equal(pace.perMinute(300), 300);
  assert.equal(pace.perMinute(0), null);
  assert.equal(pace.perMinute(undefined), null);
  pace.add(seen(0, 0));
  pace.add(seen(2, 20));
  assert.equal(pace.perMinute(300), 300);
  pace.add(seen(10, 100));
  assert.equal(pace.perMinute(300), 600);
});

test("speed forgets what is older than two minutes, pauses and clocks that went back", () => {
  const pace = new Pace();
  pace.add(seen(0, 0));
  pace.add(seen(100, 1000));
  pace.add(seen(200, 1100));
  assert.equal(pace.perMinute(1), 60);
  pace.add(seen(201, 1100, "paused"));
  assert.equal(pace.perMinute(1), 1);
  pace.add(seen(900, 1100));
  pace.add(seen(910, 1110));
  assert.equal(pace.perMinute(1), 60);
  pace.add(seen(300, 1110));
  assert.equal(pace.perMinute(1), 1);
});

test("a line that stands still has no estimate", () => {
  const pace = new Pace();
  pace.add(seen(0, 50));
  pace.add(seen(60, 50));
  assert.equal(pace.perMinute(300), null);
});

test("every wait falls into its range", () => {
  for (let minutes = 0; minutes < 1000; minutes += 0.25) {
    const [from, to] = waitRange(minutes, null);
    assert.ok(from <= minutes && minutes < to, `${minutes} is not in ${from} to ${to}`);
  }
});

test("a range stays until the estimate is well outside it", () => {
  const shown = waitRange(7, null);
  assert.deepEqual(shown, [5, 10]);
  for (const minutes of [4.5, 10, 11]) assert.equal(waitRange(minutes, shown), shown);
  assert.deepEqual(waitRange(4, shown), [2, 5]);
  assert.deepEqual(waitRange(12, shown), [10, 15]);
});

test("people ahead are those between the pointer and the place", () => {
  assert.equal(peopleAhead(12, { admitted: 10 }), 1);
  assert.equal(peopleAhead(11, { admitted: 10 }), 0);
  assert.equal(peopleAhead(5, { admitted: 10 }), 0);
});

test("a turn has come when the pointer has reached the place, and the line is not over", () => {
  for (const phase of ["open", "paused"]) {
    assert.ok(isTurn(10, { admitted: 10, phase }));
    assert.ok(!isTurn(11, { admitted: 10, phase }));
    assert.ok(!isTurn(null, { admitted: 10, phase }));
  }
  for (const phase of ["scheduled", "prequeue", "soldout", "closed"]) assert.ok(!isTurn(1, { admitted: 10, phase }));
});

test("joins are for the pre-queue and the sale, and for a pause of either", () => {
  const may = (phase, now) => mayJoin({ phase, prequeue: 1000 }, now);
  assert.deepEqual(["scheduled", "prequeue", "open", "soldout", "closed"].map((phase) => may(phase, 2000)),
    [false, true, true, false, false]);
  assert.ok(may("paused", 1000));
  assert.ok(!may("paused", 999));
});

const ticket = { run: "r1", secret: "s", ticket: "t", cohort: 0, shard: 0, seq: 1 };
const situation = (phase, changes = {}) => ({
  status: phase && { phase, admitted: 10, prequeue: 0 }, missing: 0, trouble: null, mine: {}, position: null, now: 1,
  leaving: false, ...changes,
});
const states = [
  ["loading", situation(null)],
  ["unknown", situation(null, { missing: 1 })],
  ["offline", situation(null, { missing: 1, trouble: "offline" })],
  ["scheduled", situation("scheduled")],
  ["arriving", situation("prequeue")],
  ["pool", situation("prequeue", { mine: ticket })],
  ["joining", situation("open")],
  ["joining", situation("paused")],
  ["paused", situation("paused", { status: { phase: "paused", prequeue: 5 } })],
  ["placing", situation("open", { mine: ticket })],
  ["waiting", situation("open", { mine: ticket, position: 11 })],
  ["turn", situation("open", { mine: ticket, position: 10 })],
  ["turn", situation("paused", { mine: ticket, position: 10 })],
  ["paused", situation("paused", { mine: ticket, position: 11 })],
  ["busy", situation("open", { trouble: "busy" })],
  ["offline", situation("open", { mine: ticket, position: 11, trouble: "offline" })],
  ["expired", situation("open", { mine: { ...ticket, outcome: "turn-expired" }, trouble: "busy" })],
  ["admitted", situation("open", { mine: { ...ticket, outcome: "admitted" }, position: 10 })],
  ["admitted", situation("closed", { mine: { ...ticket, outcome: "admitted" } })],
  ["soldout", situation("soldout", { mine: ticket, position: 10 })],
  ["closed", situation("closed", { mine: { ...ticket, outcome: "turn-expired" } })],
  ["turn", situation("open", { mine: { ...ticket, outcome: "admitted" }, leaving: true })],
];
for (const [want, facts] of states) {
  test(`${want}: ${JSON.stringify(facts)}`, () => assert.equal(stateOf(facts), want));
}
