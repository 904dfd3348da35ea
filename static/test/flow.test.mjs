// Whole visits against a room in memory, on a clock that only the test moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { claim } from "../assets/later.js";
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

  join({ secret, held }) {
    const old = this.tickets.get(secret);
    if (held && !old) return this.problem(400, "bad-request");
    const seq = old ?? this.tickets.size + 1;
    this.tickets.set(secret, seq);
    return this.answer(old ? 200 : 201, { ticket: `ticket-${secret}`, visitor: "v", cohort: 0, shard: 1, seq });
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
    claim: async () => claim,
    secret: () => `secret-${String(++secrets).padStart(15, "0")}`,
    go: (address) => tab.went.push(address),
    brought,
    hidden: () => tab.hidden,
    call: () => tab.calls++,
    show: (view) => {
      if (tab.broken) throw new RangeError("not a language");
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
  await clock.advance(6);
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
  await clock.advance(60);
  assert.deepEqual(went, ["https://shop.example/?waitingroom_pass=p"]);
  assert.equal(room.count("admit"), 1);
  assert.deepEqual(states, [
    "loading", "scheduled", "arriving", "pool", "placing", "waiting", "nearly", "turn", "admitted",
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
  await clock.advance(4);
  assert.equal(room.count("join"), 0);
  room.set({ phase: "open" });
  await visit.wake();
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
  assert.deepEqual(denied.view.notices, ["fragile"]);
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
  assert.ok(times[1] - times[0] < 5000);
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
  await tab.clock.advance(60);
  assert.equal(tab.went.length, 1);
});

test("sold out claims nothing, keeps the ticket and may end", async () => {
  const tab = await inLine();
  tab.room.set({ phase: "soldout", admitted: 4 });
  await tab.clock.advance(120);
  assert.equal(tab.view.state, "soldout");
  assert.equal(tab.room.count("admit"), 0);
  tab.room.set({ phase: "open" });
  await tab.clock.advance(60);
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

// A browser that reads what a link brought, beside one that holds the place.
function elsewhere(tab, changes = {}) {
  const [run, secret] = tab.visit.link().slice("#place=".length).split(".");
  return open({ clock: tab.clock, room: tab.room, brought: { run, secret }, ...changes });
}

test("a link carries the place to another device: one place, one claim, one pass", async () => {
  const one = await inLine();
  const two = elsewhere(one);
  await two.visit.step();
  assert.equal(two.view.position, one.view.position);
  assert.equal(one.room.tickets.size, 1);
  for (const tab of [one, two]) assert.deepEqual([tab.view.offer, tab.view.notices], [false, ["shared"]]);

  let passes = 0;
  one.room.broken.admit = () => one.room.answer(200, { redirect: "https://shop.example/", again: ++passes > 1 || undefined });
  one.room.set({ admitted: 4 });
  await one.clock.advance(70);
  assert.equal(passes, 2);
  assert.deepEqual([one, two].map((tab) => tab.view.state).sort(), ["admitted", "elsewhere"]);
  assert.equal(one.went.length + two.went.length, 1, "only one of them goes to the shop by itself");

  const late = [one, two].find((tab) => tab.view.state === "elsewhere");
  late.close();
  const back = open({ clock: late.clock, room: late.room, storage: late.storage });
  await back.visit.step();
  assert.equal(back.view.state, "elsewhere");
  await back.visit.enter();
  assert.equal(back.went.length, 1);
  assert.equal(back.view.state, "admitted");
});

for (const [phase, changes] of [["soldout", {}], ["paused", {}], ["scheduled", {}], ["prequeue", { sealed: 0 }]]) {
  test(`a place that is held is adopted in phase ${phase}`, async () => {
    const one = await inLine();
    const two = elsewhere(one);
    one.room.set({ phase, ...changes });
    await two.visit.step();
    assert.equal(two.mine().ticket, one.mine().ticket);
    const { at, body } = one.room.asked.filter((call) => call.operation === "join").at(-1);
    assert.deepEqual([at, body.held], [one.clock.time, true], "at once, and without a number of its own");
  });
}

test("a link never replaces an own place without being told to", async () => {
  for (const taken of [true, false]) {
    const one = await inLine();
    const own = await inLine({ clock: one.clock, room: one.room, storage: new Storage() });
    const before = own.mine();
    own.close();
    const two = elsewhere(one, { storage: own.storage });
    await two.visit.step();
    await two.clock.advance(20);
    assert.ok(two.view.offer);
    assert.deepEqual(two.mine(), before);
    await two.visit.adopt(taken);
    await two.clock.advance(5);
    assert.equal(two.view.offer, false);
    assert.equal(two.mine().ticket, taken ? one.mine().ticket : before.ticket);
    assert.equal(two.view.notices.includes("shared"), taken);
  }
});

test("the own link changes nothing", async () => {
  const one = await inLine();
  one.close();
  const again = elsewhere(one, { storage: one.storage });
  await again.visit.step();
  assert.deepEqual([again.view.offer, again.view.state, one.room.count("join")], [false, "waiting", 1]);
});

test("a link of another run is told of, and not used", async () => {
  const tab = open({ brought: { run: "r0", secret: "L".repeat(22) } });
  tab.room.set({ phase: "open" });
  await tab.visit.step();
  assert.deepEqual(tab.view.notices, ["stale"]);
  assert.notEqual(tab.mine().secret, "L".repeat(22));
  assert.equal(tab.room.count("join"), 1);
});

test("a link to this run is taken where the own place is of an earlier one", async () => {
  const storage = new Storage();
  makeRecord("demo", () => storage)
    .write({ run: "r0", secret: "O".repeat(22), ticket: "t", cohort: 0, shard: 0, seq: 1 });
  const tab = open({ storage, brought: { run: "r1", secret: "L".repeat(22) } });
  tab.room.join({ secret: "L".repeat(22) });
  tab.room.set({ phase: "open" });
  await tab.visit.step();
  assert.deepEqual([tab.mine().secret, tab.view.offer], ["L".repeat(22), false]);
});

for (const [status, problem] of [[403, "not-open-yet"], [410, "sold-out"], [400, "bad-request"]]) {
  test(`a link that brings no place is dropped: ${status}`, async () => {
    const tab = open({ brought: { run: "r1", secret: "L".repeat(22) } });
    tab.room.broken.join = ({ secret }) => (secret.startsWith("L") ? tab.room.problem(status, problem) : null);
    tab.room.set({ phase: "open" });
    await tab.visit.step();
    await tab.clock.advance(1);
    assert.deepEqual(tab.view.notices, ["stale"]);
    assert.ok(tab.mine().ticket && !tab.mine().secret.startsWith("L"));
  });
}

// A link that lost its end on the way names nobody: the room takes it for somebody new.
test("a link of nobody's place is dropped, and costs nobody the own one", async () => {
  const brought = { run: "r1", secret: "L".repeat(22) };
  const fresh = open({ brought });
  fresh.room.set({ phase: "open" });
  await fresh.visit.step();
  await fresh.clock.advance(1);
  assert.deepEqual([fresh.view.notices, fresh.mine().secret.startsWith("L")], [["stale"], false]);
  for (const broken of [undefined, (room) => room.problem(410, "sold-out")]) {
    const own = await inLine();
    const before = own.mine();
    own.close();
    const tab = open({ clock: own.clock, room: own.room, storage: own.storage, brought });
    await tab.visit.step();
    own.room.broken.join = broken && (() => broken(own.room));
    await tab.visit.adopt(true);
    await tab.clock.advance(3);
    assert.deepEqual([tab.mine(), tab.view.notices, tab.view.offer], [before, ["stale"], false]);
    assert.equal(tab.view.state, "waiting");
  }
});

test("a page that cannot show something goes on to the shop", async () => {
  const tab = open();
  tab.broken = true;
  tab.room.set({ phase: "open", sealed: 1, line: 4, admitted: 4 });
  await tab.visit.step();
  await tab.clock.advance(10);
  assert.equal(tab.went.length, 1);
});

test("a spoilt link is none", async () => {
  const tab = open({ brought: { run: "r1", secret: "short" } });
  tab.room.set({ phase: "open" });
  await tab.visit.step();
  assert.ok(tab.mine().ticket);
});

test("there is no link to a place that is not there, or over", async () => {
  const none = open();
  await none.visit.step();
  assert.equal(none.visit.link(), null);
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.problem(410, "turn-expired");
  tab.room.set({ admitted: 4 });
  await tab.clock.advance(70);
  assert.equal(tab.visit.link(), null);
});

const unknown = {
  "a lost answer": () => { throw new TypeError("connection lost"); },
  "a failure of the server": (room) => room.answer(503, {}),
  "a pass that was not signed": (room) => room.problem(429, "busy"),
  "an answer that cannot be read": () => new Response("<html>"),
};
for (const [name, fail] of Object.entries(unknown)) {
  test(`a pass that was issued before may be the own one after ${name}`, async () => {
    const tab = await inLine();
    tab.room.broken.admit = () => fail(tab.room);
    tab.room.set({ admitted: 4 });
    while (!tab.room.count("admit")) await tab.clock.advance(1);
    assert.ok(tab.mine().tried);
    tab.close();
    tab.room.broken.admit = () => tab.room.answer(200, { redirect: "https://shop.example/", again: true });
    const after = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
    await after.visit.step();
    await after.clock.advance(20);
    assert.equal(after.view.state, "admitted");
    assert.equal(after.went.length, 1);
  });
}

for (const [name, refuse] of [["over the cap", (room) => room.problem(429, "over-cap")], ["too early", (room) => room.answer(202, {})]]) {
  test(`a pass that was issued after an answer of ${name} is another device's`, async () => {
    const tab = await inLine();
    tab.room.broken.admit = () => refuse(tab.room);
    tab.room.set({ admitted: 4 });
    await tab.clock.advance(60);
    assert.equal(tab.mine().tried, undefined);
    tab.room.broken.admit = () => tab.room.answer(200, { redirect: "https://shop.example/", again: true });
    await tab.clock.advance(5);
    assert.equal(tab.view.state, "elsewhere");
    assert.equal(tab.went.length, 0);
  });
}

test("another run is told of to whoever had a place in the earlier one", async () => {
  const held = await inLine();
  const fresh = open({ clock: held.clock, room: held.room });
  await fresh.visit.step();
  assert.deepEqual(fresh.view.notices, []);
  held.room.set({ run: "r2", sealed: 0, line: 0, admitted: 0 });
  await held.clock.advance(70);
  assert.deepEqual([held.view.state, held.view.notices], ["placing", ["restarted"]]);
  held.close();
  const after = open({ clock: held.clock, room: held.room, storage: held.storage });
  await after.visit.step();
  assert.deepEqual(after.view.notices, ["restarted"]);
});

test("a run that begins anew before anybody joined is nothing to tell of", async () => {
  const tab = open();
  await tab.visit.step();
  tab.room.set({ run: "r2", phase: "open" });
  await tab.clock.advance(60);
  assert.deepEqual(tab.view.notices, []);
});

test("a seal that does not fit twice in a row is doubted, and asked for until it fits", async () => {
  const tab = open();
  tab.room.set({ phase: "open" });
  await tab.visit.step();
  tab.room.broken.seals = () => tab.room.answer(200, { ...tab.room.seal, counts: [4, 0] });
  tab.room.set({ sealed: 1, line: 4, admitted: 4 });
  while (!tab.room.count("seals")) await tab.clock.advance(1);
  assert.equal(tab.view.state, "placing", "the first may be a broken copy");
  await tab.clock.advance(30);
  assert.deepEqual([tab.view.state, tab.view.position, tab.view.seal], ["doubt", null, null]);
  await tab.clock.advance(600);
  const times = tab.room.asked.filter((call) => call.operation === "seals").map((call) => call.at);
  const last = times.at(-1) - times.at(-2);
  assert.ok(last > 30000 && last <= 60000, `${last} ms between the last two`);
  assert.equal(tab.room.count("admit"), 0);
  tab.room.broken = {};
  await tab.clock.advance(65);
  assert.equal(tab.went.length, 1);
});

test("a seal that is missing, lost or cut off is no doubt", async () => {
  for (const [fail, state] of [
    [(room) => room.answer(404, {}), "busy"], [() => { throw new TypeError("lost"); }, "offline"],
    [() => new Response('{"event":"demo","ru'), "busy"],
  ]) {
    const tab = open();
    tab.room.set({ phase: "open" });
    await tab.visit.step();
    tab.room.broken.seals = () => fail(tab.room);
    tab.room.set({ sealed: 1, line: 4 });
    await tab.clock.advance(120);
    assert.equal(tab.view.state, state);
  }
});

test("in a hidden tab the turn is called once, and claimed after half a minute", async () => {
  const tab = await inLine({ hidden: true });
  tab.room.set({ admitted: 4, claim_window: 600 });
  while (!tab.calls) await tab.clock.advance(1);
  assert.equal(tab.view.state, "turn");
  await tab.clock.advance(29);
  assert.equal(tab.room.count("admit"), 0);
  await tab.clock.advance(2);
  assert.deepEqual([tab.calls, tab.room.count("admit"), tab.went.length], [1, 1, 1]);
});

test("whoever looks at a turn that waits goes at once", async () => {
  const tab = await inLine({ hidden: true });
  tab.room.set({ admitted: 4, claim_window: 600 });
  while (!tab.calls) await tab.clock.advance(1);
  await tab.visit.wake();
  assert.equal(tab.room.count("admit"), 0, "an event in a tab that is still hidden");
  tab.hidden = false;
  await tab.visit.wake();
  assert.equal(tab.went.length, 1);
});

test("a visible tab is called too and waits for nothing, nor does a short turn", async () => {
  for (const [hidden, claim_window] of [[false, 600], [true, 60], [true, undefined]]) {
    const tab = await inLine({ hidden });
    tab.room.set({ admitted: 4, claim_window });
    while (!tab.calls) await tab.clock.advance(1);
    assert.deepEqual([tab.calls, tab.room.count("admit")], [1, 1]);
  }
});

test("a page that was reloaded in line sees its turn come with the next status", async () => {
  const before = await inLine();
  before.close();
  const after = open({ clock: before.clock, room: before.room, storage: before.storage });
  after.room.set({ claim_window: 600 });
  after.room.broken.admit = () => after.room.problem(429, "over-cap", { "Retry-After": "5" });
  await after.visit.step();
  assert.equal(after.view.state, "waiting");
  after.room.set({ admitted: 4 });
  await after.clock.advance(4);
  assert.equal(after.view.state, "turn");
  assert.ok(after.visit.view().left > 590000, `${after.visit.view().left} ms are left`);
});

test("nothing is asked while the browser leaves for the shop", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 4 });
  while (tab.went.length === 0) await tab.clock.advance(1);
  const asked = tab.room.asked.length;
  await tab.clock.advance(30);
  assert.equal(tab.room.asked.length, asked);
});

test("what is left of a turn runs from the last status before it, and stands still in a pause", async () => {
  const tab = await inLine();
  tab.room.broken.admit = () => tab.room.problem(429, "over-cap", { "Retry-After": "600" });
  tab.room.set({ claim_window: 600 });
  await tab.visit.wake();
  assert.equal(tab.view.left, null);
  const before = tab.clock.time;
  tab.room.set({ admitted: 4 });
  while (!tab.calls) await tab.clock.advance(1);
  const spent = tab.clock.time - before;
  assert.ok(Math.abs(tab.visit.view().left - (600000 - spent)) <= 1000, `${tab.view.left} after ${spent}`);
  tab.room.set({ phase: "paused" });
  await tab.clock.advance(10);
  const { left } = tab.visit.view();
  await tab.clock.advance(100);
  assert.equal(tab.visit.view().left, left);
  tab.room.set({ phase: "open" });
  await tab.clock.advance(1200);
  assert.equal(tab.visit.view().left, 0);
});

test("nothing is told of the length of a turn that this page did not see come", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 4, claim_window: 600 });
  tab.room.broken.admit = () => tab.room.problem(429, "over-cap");
  tab.close();
  const after = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
  await after.visit.step();
  await after.clock.advance(5);
  assert.deepEqual([after.view.state, after.view.left], ["turn", null]);
});

test("progress runs from where the pointer was at first, also after a reload", async () => {
  const tab = await inLine();
  const { position } = tab.view;
  assert.deepEqual([tab.view.progress, tab.mine().from], [0, 0]);
  tab.room.set({ admitted: position - 1 });
  tab.close();
  const after = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
  await after.visit.step();
  assert.equal(after.view.progress, (position - 1) / position);
  assert.equal(after.view.updated, START + tab.clock.time);
  assert.deepEqual(after.view.seal, tab.room.seal);
});

test("a copy in the tab's history outlives a reload where storage is denied", async () => {
  const history = { state: { other: 1 }, replaceState(state) { this.state = structuredClone(state); } };
  const openStorage = () => { throw new Error("denied"); };
  const before = await inLine({ openStorage, history });
  before.close();
  const after = open({ clock: before.clock, room: before.room, openStorage, history });
  await after.visit.step();
  assert.equal(after.view.position, before.view.position);
  assert.deepEqual(after.view.notices, ["fragile"]);
  assert.equal(history.state.other, 1);
});


test("nearly there is less than a minute of the estimate", async () => {
  const tab = await inLine();
  tab.room.set({ admitted: 1, rate: 600 });
  tab.close();
  const after = open({ clock: tab.clock, room: tab.room, storage: tab.storage });
  await after.visit.step();
  assert.deepEqual([after.view.state, after.view.range], ["nearly", [0, 1]]);
});

for (const [name, changes, state] of [
  ["a place beyond 2^31", { base: 2 ** 31 }, "waiting"], ["a place near 2^53", { base: 2 ** 53 - 6 }, "waiting"],
  ["a place beyond 2^53", { base: 2 ** 53 - 2 }, "doubt"], ["a place of another run", { run: "r0" }, "doubt"],
]) {
  test(`a seal with ${name}`, async () => {
    const tab = open();
    tab.room.seal = { ...tab.room.seal, ...changes };
    tab.room.set({ phase: "open", sealed: 1, line: 4, admitted: 4 });
    await tab.visit.step();
    await tab.clock.advance(30);
    assert.equal(tab.view.state, state);
    if (state === "waiting") assert.ok(tab.view.position > changes.base);
  });
}

for (const [name, changes] of [
  ["numbers beyond 2^53", { admitted: 2 ** 53 }], ["a number in words", { version: "2" }], ["no time", { time: undefined }],
]) {
  test(`a status with ${name} replaces nothing`, async () => {
    const tab = await inLine();
    const { status } = tab.view;
    tab.room.broken.status = () => tab.room.answer(200, { ...tab.room.status, time: new Date(START).toISOString(), version: 99, ...changes });
    await tab.clock.advance(70);
    assert.deepEqual([tab.view.status, tab.view.state], [status, "busy"]);
  });
}

// A line that is joined long after the on-sale, or in its pool, at a speed that no two stretches share.
function stretch(random, seconds) {
  const ends = [0];
  return (at) => {
    const n = Math.max(0, Math.floor(at / seconds));
    while (ends.length <= n + 1) ends.push(ends.at(-1) + seconds * 10 * (0.8 + 0.4 * random()));
    return Math.floor(ends[n] + (ends[n + 1] - ends[n]) * Math.max(0, at - n * seconds) / seconds);
  };
}

function lottery(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function tenMinutes(seed, seconds) {
  const [random, clock] = [lottery(seed), new Clock()];
  const room = new Room(clock);
  const moved = stretch(random, seconds);
  const position = moved(1200);
  room.set({ phase: "open", onsale: new Date(START - 600000).toISOString(), sealed: 5 });
  room.join = () => {
    room.status.sealed = 6;
    return room.answer(201, { ticket: "t", cohort: 5, shard: 0, seq: 1 });
  };
  room.seal = { ...room.seal, cohort: 5, base: position - 1, counts: [1], size: 1 };
  room.current = () => {
    const at = 600 + clock.time / 1000;
    room.set({ admitted: moved(at), rate: moved(at) - moved(at - 60) });
    return Room.prototype.current.call(room);
  };
  const tab = open({ clock, room, random });
  await tab.visit.step();
  while (!tab.went.length && clock.time < 700000) await clock.advance(1);
  return { requests: room.asked.length, seconds: clock.time / 1000 };
}

test("a wait of ten minutes takes at most 18 requests, and nobody learns of the turn much too late", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { requests, seconds } = await tenMinutes(seed, seed % 2 ? 10 : 60);
    assert.ok(requests <= 18, `seed ${seed}: ${requests} requests`);
    assert.ok(seconds >= 600 && seconds <= 608, `seed ${seed}: ${seconds} s`);
  }
});
