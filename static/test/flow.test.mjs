// Whole visits against a room in memory, on a clock that only the test moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf } from "../assets/room.js";
import { Visit, makeApi, makeRecord, storageKey } from "../assets/visit.js";

const START = Date.UTC(2026, 10, 21, 9, 59, 0);
const ONSALE = START + 60000;
const TYPE = "urn:waiting-room:problem:";

// A clock whose timers run in order when it is moved.
class Clock {
  time = 0;
  timers = new Map();

  async advance(seconds) {
    const end = this.time + seconds * 1000;
    for (;;) {
      const next = [...this.timers].sort((a, b) => a[1].at - b[1].at)[0];
      if (!next || next[1].at > end) break;
      this.timers.delete(next[0]);
      this.time = Math.max(this.time, next[1].at);
      await next[1].act();
    }
    this.time = end;
  }
}

// A room with one pool of four and one ticket per secret. Tests replace parts of it.
class Room {
  status = {
    event: "demo", run: "r1", version: 1, phase: "scheduled", prequeue: new Date(START + 20000).toISOString(),
    onsale: new Date(ONSALE).toISOString(), closes: new Date(ONSALE + 86400000).toISOString(),
    sealed: 0, line: 0, admitted: 0, expired: 0, rate: 0, message: {}, stock: "plenty", commit: "ab",
  };
  seal = { event: "demo", run: "r1", cohort: 0, base: 0, counts: [1, 3], size: 4, seed: "5c".repeat(32) };
  tickets = new Map();
  asked = [];
  broken = {}; // by operation: a function that answers instead

  constructor(clock) {
    this.clock = clock;
  }

  set(changes) {
    Object.assign(this.status, changes, { version: this.status.version + 1 });
  }

  fetch = async (url, options) => {
    const operation = url.split("/")[1] === "v1" ? url.split("/").at(-1) : url.split("/")[1];
    const body = options.body && JSON.parse(options.body);
    this.asked.push({ operation, url, body, at: this.clock.time });
    return this.broken[operation]?.(body) ?? this[operation === "status" ? "current" : operation](body);
  };

  answer(status, body, headers = {}) {
    return new Response(JSON.stringify(body), { status, headers });
  }

  problem(status, type, headers) {
    return this.answer(status, { type: TYPE + type }, headers);
  }

  current() {
    return this.answer(200, { ...this.status, time: new Date(START + this.clock.time).toISOString() });
  }

  seals() {
    return this.status.sealed > 0 ? this.answer(200, this.seal) : this.answer(404, {});
  }

  join({ secret }) {
    const seq = this.tickets.get(secret) ?? this.tickets.size + 1;
    this.tickets.set(secret, seq);
    return this.answer(201, { ticket: `ticket-${secret}`, visitor: "v", cohort: 0, shard: 1, seq });
  }

  admit() {
    return this.answer(200, { pass: "p", redirect: "https://shop.example/?waitingroom_pass=p" });
  }

  count(operation) {
    return this.asked.filter((call) => call.operation === operation).length;
  }
}

class Storage {
  items = new Map();
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, text) { this.items.set(key, text); }
}

let secrets = 0;

function open({
  clock = new Clock(), room, storage = new Storage(), random = () => 0.5, openStorage = () => storage, history,
  brought = null, hidden = false,
} = {}) {
  room ??= new Room(clock);
  const tab = { clock, room, storage, hidden, went: [], states: [], calls: 0, view: null };
  const id = {};
  tab.visit = new Visit({
    event: "demo",
    api: makeApi("demo", room.fetch),
    record: makeRecord("demo", openStorage, history),
    random,
    now: () => clock.time,
    later: (act, ms) => clock.timers.set(id, { act, at: clock.time + ms }),
    pause: async (ms) => { clock.time += ms; },
    lock: (act) => act(),
    secret: () => `secret-${String(++secrets).padStart(15, "0")}`,
    go: (address) => tab.went.push(address),
    brought,
    hidden: () => tab.hidden,
    call: () => tab.calls++,
    show: (view) => {
      tab.view = view;
      if (tab.states.at(-1) !== view.state) tab.states.push(view.state);
    },
  });
  tab.close = () => clock.timers.delete(id);
  tab.mine = () => JSON.parse(storage.getItem(storageKey("demo")));
  return tab;
}

// A tab whose place is known while the line has not moved yet.
async function inLine(changes) {
  const tab = open(changes);
  tab.room.set({ phase: "prequeue" });
  await tab.visit.step();
  await tab.clock.advance(60);
  tab.room.set({ phase: "open", sealed: 1, line: 4 });
  await tab.clock.advance(5);
  assert.equal(tab.view.state, "waiting");
  return tab;
}

test("from countdown to the shop", async () => {
  const { visit, clock, room, states, went, storage } = open();
  const view = () => states.at(-1);
  await visit.step();
  assert.equal(view(), "scheduled");
  assert.equal(room.count("join"), 0);

  await clock.advance(20);
  room.set({ phase: "prequeue" });
  await clock.advance(15);
  assert.equal(view(), "pool");
  assert.equal(room.count("join"), 1);

  await clock.advance(25);
  room.set({ phase: "open" });
  await clock.advance(4);
  assert.equal(view(), "placing");
  assert.equal(room.count("seals"), 0, "an unsealed cohort has no seal to ask for");

  room.set({ sealed: 1, line: 4 });
  await clock.advance(4);
  assert.equal(view(), "waiting");
  const position = await placeOf({ cohort: 0, shard: 1, seq: 1 }, room.seal, "demo", "r1");
  assert.equal(room.count("admit"), 0);

  room.set({ admitted: position - 1 });
  await clock.advance(70);
  assert.equal(room.count("admit"), 0, "nobody knocks before the turn");

  room.set({ admitted: position });
  await clock.advance(4);
  assert.deepEqual(went, ["https://shop.example/?waitingroom_pass=p"]);
  assert.equal(room.count("admit"), 1);
  assert.deepEqual(states, [
    "loading", "scheduled", "arriving", "pool", "placing", "waiting", "turn", "admitted",
  ]);

  await clock.advance(600);
  assert.equal(went.length, 1, "nobody is sent away twice without asking");
  assert.equal(storage.getItem(storageKey("demo")).includes("waitingroom_pass"), false);
});

test("someone who comes after the on-sale joins at once", async () => {
  const { visit, room, states } = open();
  room.set({ phase: "open" });
  await visit.step();
  assert.equal(room.count("join"), 1);
  assert.equal(room.asked.find((call) => call.operation === "join").at, 0);
  assert.deepEqual(states, ["loading", "joining", "placing"]);
});

test("before the on-sale the join waits its share of ten seconds, and no longer than the sale allows", async () => {
  for (const [seconds, want] of [[30, 9000], [55, 2700], [59, 0]]) {
    const { visit, clock, room } = open({ random: () => 0.9 });
    room.set({ phase: "prequeue" });
    clock.time = seconds * 1000;
    await visit.step();
    await clock.advance(12);
    const join = room.asked.find((call) => call.operation === "join");
    assert.equal(join.at - seconds * 1000, want);
  }
});

test("an opening in the middle of the spread ends it", async () => {
  const { visit, clock, room } = open({ random: () => 0.9 });
  room.set({ phase: "prequeue" });
  clock.time = 30000;
  await visit.step();
  room.set({ phase: "open" });
  await clock.advance(4);
  assert.equal(room.count("join"), 1);
});

test("a reload keeps the place and asks for no other", async () => {
  const before = await inLine();
  before.close();
  const after = open({ clock: before.clock, room: before.room, storage: before.storage });
  await after.visit.step();
  assert.equal(after.view.state, "waiting");
  assert.equal(after.view.position, before.view.position);
  assert.equal(before.room.count("join"), 1);
});

test("a page that dies between asking and the answer asks again with the same secret", async () => {
  const lost = open();
  lost.room.set({ phase: "open" });
  lost.room.broken.join = (body) => {
    lost.room.join(body);
    throw new TypeError("connection lost");
  };
  await lost.visit.step();
  lost.close();
  lost.room.broken = {};
  const again = open({ clock: lost.clock, room: lost.room, storage: lost.storage });
  await again.visit.step();
  assert.equal(again.room.tickets.size, 1);
  assert.equal(again.view.state, "placing");
});

test("two tabs are one visitor, and one of them goes to the shop", async () => {
  const one = await inLine();
  const two = open({ clock: one.clock, room: one.room, storage: one.storage });
  await two.visit.step();
  assert.equal(two.view.position, one.view.position);
  one.room.set({ admitted: 4 });
  await one.clock.advance(10);
  await two.visit.step();
  assert.equal(one.room.count("join"), 1);
  assert.equal(one.room.count("admit"), 1);
  assert.equal(one.went.length + two.went.length, 1);
  assert.deepEqual([one.view.state, two.view.state], ["admitted", "admitted"]);
});

test("denied storage costs the memory of a reload and nothing else", async () => {
  const denied = await inLine({ openStorage: () => { throw new Error("denied"); } });
  assert.equal(denied.view.kept, false);
  denied.room.set({ admitted: 4 });
  await denied.clock.advance(10);
  assert.equal(denied.went.length, 1);
});

test("over the cap the turn is kept and asked for when the server says", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.problem(429, "over-cap", { "Retry-After": "5" });
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(30);
  assert.equal(tab.view.state, "turn");
  assert.ok(tab.view.held);
  const knocks = tab.room.asked.filter((call) => call.operation === "admit").map((call) => call.at);
  assert.ok(knocks.length >= 4);
  for (let i = 1; i < knocks.length; i++) assert.equal(knocks[i] - knocks[i - 1], 5500);
  tab.room.broken = {};
  await tab.clock.advance(6);
  assert.equal(tab.went.length, 1);
});

test("before the turn, the wait is the one in the answer", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.answer(202, { position: 3, admitted: 2, retry_after: 7 });
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(20);
  const knocks = tab.room.asked.filter((call) => call.operation === "admit").map((call) => call.at);
  assert.equal(knocks[1] - knocks[0], 7500);
});

test("a turn that expired is said, survives a reload and is joined again with another secret", async () => {
  const tab = await inLine();
  const { secret } = tab.mine();
  tab.room.broken.admit = () => tab.room.problem(410, "turn-expired");
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(200);
  assert.equal(tab.view.state, "expired");
  assert.equal(tab.room.count("admit"), 1);

  tab.close();
  const after = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
  await after.visit.step();
  assert.equal(after.view.state, "expired");
  assert.equal(tab.room.count("join"), 1);

  tab.room.broken.admit = undefined;
  await after.visit.joinAgain();
  await after.visit.joinAgain();
  await after.clock.advance(0);
  assert.equal(tab.room.count("join"), 2);
  assert.notEqual(after.mine().secret, secret);
});

test("whoever comes back from the shop may ask for the same pass, until it is over", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(10);
  tab.close();
  const back = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
  await back.visit.step();
  await back.clock.advance(60);
  assert.equal(back.view.state, "admitted");
  assert.equal(back.went.length, 0);
  await back.visit.enter();
  assert.equal(back.went.length, 1);

  tab.room.broken.admit = () => tab.room.problem(410, "pass-expired");
  await back.visit.enter();
  assert.equal(back.view.state, "expired");
  assert.equal(back.view.mine.outcome, "pass-expired");
});

test("asking to enter ends with the run, or the next turn would be claimed too early", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(10);
  tab.room.broken.admit = () => tab.room.answer(500, {});
  await tab.visit.enter();
  tab.room.set({ run: "r2", sealed: 0, admitted: 0, line: 0 });
  await tab.clock.advance(90);
  tab.room.broken.admit = undefined;
  await tab.clock.advance(30);
  assert.equal(tab.view.state, "placing");
  assert.equal(tab.went.length, 1);
});

test("another run drops secret, ticket and version", async () => {
  const tab = await inLine();
  const { secret } = tab.mine();
  tab.room.status.version = 0;
  Object.assign(tab.room.status, { run: "r2", phase: "prequeue", sealed: 0, onsale: new Date(ONSALE + 3600000).toISOString() });
  await tab.clock.advance(60);
  assert.equal(tab.view.state, "pool");
  assert.equal(tab.mine().run, "r2");
  assert.notEqual(tab.mine().secret, secret);
});

test("an older status of the same run is not believed", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 1 });
  await tab.clock.advance(30);
  const { version } = tab.room.status;
  Object.assign(tab.room.status, { version: version - 1, admitted: 0, phase: "prequeue" });
  await tab.clock.advance(30);
  assert.deepEqual([tab.view.status.version, tab.view.status.admitted], [version, 1]);
});

test("a ticket that is refused is replaced once, and then the visitor is asked", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.problem(401, "bad-ticket");
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(60);
  assert.equal(tab.room.count("join"), 2);
  assert.equal(tab.room.count("admit"), 2);
  assert.equal(tab.view.state, "expired");
  assert.ok(tab.view.mine.renewed);
});

test("an unknown event is looked for again and again, ever more slowly", async () => {
  const tab = open();
  tab.room.broken.status = () => tab.room.answer(404, {});
  await tab.visit.step();
  assert.equal(tab.view.state, "unknown");
  await tab.clock.advance(600);
  const times = tab.room.asked.map((call) => call.at);
  assert.ok(times[1] - times[0] < 3000);
  assert.ok(times.at(-1) - times.at(-2) > 45000);
  tab.room.broken = {};
  await tab.clock.advance(60);
  assert.equal(tab.view.state, "scheduled");
});

const failures = {
  offline: () => { throw new TypeError("failed to fetch"); },
  "busy (503)": () => new Response("", { status: 503 }),
  "busy (not JSON)": () => new Response("<html>"),
  "busy (another event)": () => new Response('{"event":"other"}'),
};
for (const [name, fail] of Object.entries(failures)) {
  test(`a status that cannot be had is said and asked for again: ${name}`, async () => {
    const tab = await inLine();
    tab.room.broken.status = fail;
    await tab.clock.advance(65);
    assert.equal(tab.view.state, name.split(" ")[0]);
    assert.ok(tab.view.position, "the place stays on the screen");
    const before = tab.room.count("status");
    await tab.clock.advance(60);
    const more = tab.room.count("status") - before;
    assert.ok(more >= 4 && more <= 12, `${more} polls in a minute`);
    tab.room.broken = {};
    await tab.clock.advance(16);
    assert.equal(tab.view.state, "waiting");
  });
}

test("a busy room is joined as soon as it says, and no sooner", async () => {
  const tab = open();
  tab.room.set({ phase: "open" });
  tab.room.broken.join = () => tab.room.problem(429, "busy", { "Retry-After": "10" });
  await tab.visit.step();
  assert.equal(tab.view.state, "busy");
  await tab.clock.advance(5);
  await tab.visit.wake();
  await tab.clock.advance(4.9);
  assert.equal(tab.room.count("join"), 1);
  tab.room.broken = {};
  await tab.clock.advance(3);
  assert.equal(tab.room.count("join"), 2);
  assert.equal(tab.view.state, "placing");
});

for (const body of ["{}", "[]", "null", '{"ticket":"t","cohort":0,"shard":0,"seq":"1"}', '{"ticket":7,"cohort":0,"shard":0,"seq":1}']) {
  test(`an answer to a join that cannot be read is asked for again: ${body}`, async () => {
    const tab = open();
    tab.room.set({ phase: "open" });
    tab.room.broken.join = () => new Response(body, { status: 201 });
    await tab.visit.step();
    assert.equal(tab.view.state, "busy");
    tab.room.broken = {};
    await tab.clock.advance(5);
    assert.equal(tab.view.state, "placing");
    assert.equal(tab.room.tickets.size, 1);
  });
}

test("closed doors are no trouble: the status says what there is to say", async () => {
  const tab = open();
  tab.room.set({ phase: "prequeue" });
  tab.room.broken.join = () => tab.room.problem(403, "not-open-yet");
  await tab.visit.step();
  await tab.clock.advance(15);
  assert.equal(tab.view.state, "arriving");
  tab.room.broken = {};
  await tab.clock.advance(16);
  assert.equal(tab.view.state, "pool");
});

test("a seal that is late or another's gives no place, and a right one does", async () => {
  const tab = open();
  tab.room.set({ phase: "open" });
  await tab.visit.step();
  tab.room.broken.seals = () => tab.room.answer(404, {});
  tab.room.set({ sealed: 1, line: 4, admitted: 4 });
  await tab.clock.advance(3);
  assert.equal(tab.view.state, "placing");
  tab.room.broken.seals = () => tab.room.answer(200, { ...tab.room.seal, cohort: 9 });
  await tab.clock.advance(20);
  assert.equal(tab.view.position, null);
  assert.equal(tab.room.count("admit"), 0);
  tab.room.broken = {};
  await tab.clock.advance(20);
  assert.equal(tab.went.length, 1);
});

test("a turn given before a pause is claimed during it", async () => {
  const tab = await inLine();
  tab.room.set({ phase: "paused" });
  await tab.clock.advance(30);
  assert.equal(tab.view.state, "paused");
  assert.equal(tab.view.range, null);
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(30);
  assert.equal(tab.went.length, 1);
});

test("sold out claims nothing, keeps the ticket and may end", async () => {
  const tab = await inLine();
  tab.room.set({ phase: "soldout", admitted: 4 });
  await tab.clock.advance(120);
  assert.equal(tab.view.state, "soldout");
  assert.equal(tab.room.count("admit"), 0);
  tab.room.set({ phase: "open" });
  await tab.clock.advance(35);
  assert.equal(tab.went.length, 1);
  assert.equal(tab.room.count("join"), 1);
});

test("a refusal because of sold out keeps the ticket", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.problem(410, "sold-out");
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(20);
  assert.ok(tab.mine().ticket);
  assert.equal(tab.mine().outcome, undefined);
});

test("an address that is not of the web is not gone to", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.answer(200, { redirect: "javascript:alert(1)" });
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(20);
  assert.equal(tab.went.length, 0);
  assert.equal(tab.view.state, "busy");
});

test("a page that is shown again asks at once, but not twice within a second", async () => {
  const tab = await inLine();
  tab.room.set({ phase: "closed" });
  await tab.clock.advance(100);
  tab.clock.time += 1500;
  const before = tab.room.count("status");
  await tab.visit.wake();
  await tab.visit.wake();
  assert.equal(tab.room.count("status"), before + 1);
});

test("the countdown follows the server's clock, whatever the visitor's says", async () => {
  const tab = open();
  tab.clock.time = 0;
  await tab.visit.step();
  assert.equal(tab.view.status.onsale - tab.view.now, 60000);
  tab.clock.time += 2500;
  assert.equal(tab.view.status.onsale - tab.visit.view().now, 57500);
});

test("when a sale begins, nobody stays away on a first guess", async () => {
  for (const rate of [0, 1]) {
    const tab = await inLine();
    tab.room.set({ rate });
    const before = tab.room.count("status");
    await tab.clock.advance(20);
    const polls = tab.room.count("status") - before;
    assert.ok(polls >= 2, `${polls} polls in twenty seconds at a measured rate of ${rate}`);
    await tab.clock.advance(600);
    assert.ok(tab.room.count("status") - before - polls <= 60, "a line that stands still is not asked about all the time");
  }
});

test("the further away the turn, the slower the polls", async () => {
  const far = await inLine();
  far.room.seal = { ...far.room.seal, base: 100000 };
  const again = open({ clock: far.clock, room: far.room });
  far.close();
  await again.visit.step();
  const walk = async (minutes) => {
    for (let i = 0; i < minutes * 6; i++) {
      again.room.set({ admitted: again.room.status.admitted + 10 });
      await again.clock.advance(10);
    }
  };
  await walk(2);
  const before = again.room.count("status");
  await walk(10);
  const polls = again.room.count("status") - before;
  assert.ok(polls >= 10 && polls <= 13, `${polls} polls in ten minutes`);
});
