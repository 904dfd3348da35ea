// What the page makes of storage, of locks and of answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeApi, makeLock, makeRecord, makeSecret, storageKey } from "../assets/visit.js";

class MemoryStorage {
  items = new Map();
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, text) { this.items.set(key, text); }
}

const mine = { run: "r1", secret: "A".repeat(22), ticket: "t", cohort: 0, shard: 3, seq: 17 };

test("a record is shared by tabs and kept apart by event", () => {
  const storage = new MemoryStorage();
  const [one, two, other] = ["demo", "demo", "other"].map((event) => makeRecord(event, () => storage));
  one.write(mine);
  assert.deepEqual(two.read(), mine);
  assert.deepEqual(other.read(), {});
  assert.ok(one.kept);
});

const denials = {
  "storage itself is denied": () => () => { throw new Error("SecurityError"); },
  "storage is not there": () => () => undefined,
  "storage is full": () => {
    const full = new MemoryStorage();
    full.setItem = () => { throw new Error("QuotaExceededError"); };
    return () => full;
  },
};
for (const [name, open] of Object.entries(denials)) {
  test(`the place lives as long as the page when ${name}`, () => {
    const record = makeRecord("demo", open());
    assert.deepEqual(record.read(), {});
    record.write(mine);
    assert.deepEqual(record.read(), mine);
    assert.equal(record.kept, false);
  });
}

test("clearing the storage under an open page loses nothing", () => {
  const storage = new MemoryStorage();
  const record = makeRecord("demo", () => storage);
  record.write(mine);
  storage.items.clear();
  assert.deepEqual(record.read(), mine);
});

test("what was cleared in one tab is written again by another", () => {
  const storage = new MemoryStorage();
  const record = makeRecord("demo", () => storage);
  record.write(mine);
  storage.items.clear();
  record.read();
  assert.deepEqual(makeRecord("demo", () => storage).read(), mine);
});

const makeHistory = (state = null) => ({ state, replaceState(next) { this.state = structuredClone(next); } });

test("the copy in the history is used where the storage has nothing, and only there", () => {
  const history = makeHistory({ other: 1 });
  const storage = new MemoryStorage();
  makeRecord("demo", () => storage, history).write(mine);
  assert.equal(history.state.other, 1);
  storage.items.clear();
  assert.deepEqual(makeRecord("demo", () => storage, history).read(), mine);
  const newer = { ...mine, seq: 18 };
  makeRecord("demo", () => storage).write(newer);
  assert.deepEqual(makeRecord("demo", () => storage, history).read(), newer);
  assert.deepEqual(makeRecord("other", () => storage, history).read(), {});
});

test("a history that refuses the copy harms nothing", () => {
  const history = { state: null, replaceState() { throw new Error("SecurityError"); } };
  const record = makeRecord("demo", () => new MemoryStorage(), history);
  record.write(mine);
  assert.ok(record.kept);
});

// Web Locks as far as makeLock uses them, and what happened in which order.
function makeLocks(free) {
  const log = [];
  const locks = {
    async request(key, { ifAvailable, signal }, act) {
      log.push(ifAvailable ? "try" : "wait");
      if (ifAvailable) return act(free ? { name: key } : null);
      if (free === undefined) return new Promise((_, refuse) => signal.addEventListener("abort", () => refuse(signal.reason)));
      return act({ name: key });
    },
  };
  const pause = async (ms) => { log.push(`pause ${ms}`); };
  const act = async () => { log.push("act"); return "done"; };
  return { log, act, lock: makeLock(locks, "demo", pause) };
}

test("a lock that is free costs no wait", async () => {
  const { log, lock, act } = makeLocks(true);
  assert.equal(await lock(act), "done");
  assert.deepEqual(log, ["try", "act"]);
});

test("whoever waited for the lock waits for what the other tab has stored, too", async () => {
  const { log, lock, act } = makeLocks(false);
  assert.equal(await lock(act), "done");
  assert.deepEqual(log, ["try", "wait", "pause 200", "act"]);
});

test("a lock that a frozen tab holds is not waited for in vain", async (t) => {
  const limit = new AbortController();
  t.mock.method(AbortSignal, "timeout", () => limit.signal);
  const { log, lock, act } = makeLocks(undefined);
  const answer = lock(act);
  await Promise.resolve();
  limit.abort();
  assert.equal(await answer, "done");
  assert.deepEqual(log, ["try", "wait", "act"]);
});

test("without locks there is still an answer, and a failure is not repeated", async () => {
  assert.equal(await makeLock(undefined, "demo")(async () => "done"), "done");
  let calls = 0;
  const { lock } = makeLocks(true);
  await assert.rejects(lock(async () => { calls++; throw new Error("lost"); }), /lost/);
  assert.equal(calls, 1);
});

const spoilt = [
  "", "{", "null", "7", "[]", '"x"', JSON.stringify({ ...mine, secret: "short" }), JSON.stringify({ ...mine, secret: 7 }),
  JSON.stringify({ ...mine, run: "" }), JSON.stringify({ ...mine, cohort: "0" }), JSON.stringify({ ...mine, seq: null }),
  JSON.stringify({ ...mine, secret: undefined }), JSON.stringify({ ...mine, ticket: 7 }),
];
for (const text of spoilt) {
  test(`a spoilt record is none: ${text}`, () => {
    const storage = new MemoryStorage();
    storage.setItem(storageKey("demo"), text);
    const read = makeRecord("demo", () => storage).read();
    assert.equal(read.ticket, undefined);
    assert.equal(read.secret, undefined);
  });
}

test("a secret is 16 random bytes, and base64url of 24", () => {
  const secrets = new Set(Array.from({ length: 200 }, makeSecret));
  assert.equal(secrets.size, 200);
  for (const secret of secrets) {
    assert.match(secret, /^[0-9a-f]{32}$/);
    assert.equal(Buffer.from(secret, "base64url").length, 24);
  }
});

const answering = (body, init) => makeApi("demo", async () => new Response(body, init));

test("an answer carries its problem and how long to wait", async () => {
  const api = answering('{"type":"urn:waiting-room:problem:over-cap"}', { status: 429, headers: { "Retry-After": "3" } });
  const answer = await api.admit("t");
  assert.deepEqual([answer.status, answer.problem, answer.retryAfter], [429, "over-cap", 3000]);
});

const waits = [
  [{ "Retry-After": "0" }, "{}", 0],
  [{ "Retry-After": "-5" }, "{}", 0],
  [{ "Retry-After": "soon" }, "{}", 0],
  [{ "Retry-After": "1e9" }, "{}", 600000],
  [{}, '{"retry_after":4}', 4000],
  [{}, '{"retry_after":null}', 0],
  [{}, "{}", 0],
];
for (const [headers, body, want] of waits) {
  test(`the wait in ${JSON.stringify(headers)} ${body} is ${want} ms`, async () => {
    assert.equal((await answering(body, { status: 503, headers }).join("s")).retryAfter, want);
  });
}

test("a cached answer is as old as its age", async () => {
  const headers = { Date: "Sat, 21 Nov 2026 10:00:00 GMT", Age: "5" };
  assert.equal((await answering("{}", { headers }).status()).time, Date.UTC(2026, 10, 21, 10, 0, 5));
  assert.equal((await answering("{}", { headers: { Date: "never" } }).status()).time, 0);
});

test("neither a broken body nor a broken network throws", async () => {
  const html = await answering("<html>", { status: 502 }).status();
  assert.deepEqual([html.status, html.body], [502, null]);
  const none = await makeApi("demo", async () => { throw new TypeError("failed to fetch"); }).status();
  assert.equal(none.status, 0);
});

test("addresses and bodies are those of the API", async () => {
  const asked = [];
  const api = makeApi("demo", async (url, { method = "GET", body }) => {
    asked.push([method, url, body]);
    return new Response("{}");
  });
  await api.status();
  await api.seal("r1", 7);
  await api.join("s");
  await api.admit("t");
  assert.deepEqual(asked, [
    ["GET", "/status/demo.json", undefined],
    ["GET", "/seals/demo/r1/7.json", undefined],
    ["POST", "/v1/events/demo/join", '{"secret":"s"}'],
    ["POST", "/v1/events/demo/admit", '{"ticket":"t"}'],
  ]);
});
