import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { evidence, judge, keyFits, open } from "../assets/proof.js";
import { makeContext, makeDocument, makePanel } from "./document.mjs";

// What the room's own code drew (docs/draw_test.go holds it).
const drawn = JSON.parse(readFileSync(new URL("testdata/seal.json", import.meta.url), "utf8"));
const { commit, draw_key, run, seal, ticket, position } = drawn;
const NONE = "0".repeat(64);

const view = (changes = {}) => ({
  state: "waiting", status: { commit }, mine: { run, ...ticket, secret: "secret!", ticket: "ticket!" }, seal, position,
  ...changes,
});
const closed = (changes = {}) => view({ state: "closed", status: { commit, draw_key, phase: "closed" }, ...changes });

test("the key of a run gives the seed that the room gave", async () => {
  assert.equal(await keyFits(draw_key, commit, seal), true);
});

test("another key, commitment or seal does not fit", async () => {
  const wrong = {
    "another key": [NONE, commit, seal],
    "a key in capitals": [draw_key.toUpperCase(), commit, seal],
    "half a key": [draw_key.slice(32), commit, seal],
    "a key that is none": [{}, commit, seal],
    "another commitment": [draw_key, NONE, seal],
    "no commitment": [draw_key, undefined, seal],
    "another seed": [draw_key, commit, { ...seal, seed: NONE }],
    "another event": [draw_key, commit, { ...seal, event: "demo2" }],
    "another run": [draw_key, commit, { ...seal, run: run.replace("0", "1") }],
    "another cohort": [draw_key, commit, { ...seal, cohort: 2 }],
    "counts in another order": [draw_key, commit, { ...seal, counts: [...seal.counts].reverse() }],
    "one count more": [draw_key, commit, { ...seal, counts: [...seal.counts, 0] }],
  };
  for (const [name, facts] of Object.entries(wrong)) assert.equal(await keyFits(...facts), false, name);
});

test("what is passed on is all of the draw and nothing of the visitor's own", () => {
  assert.deepEqual(evidence(closed(), "demo"), drawn);
  const before = JSON.parse(JSON.stringify(evidence(view(), "demo")));
  assert.deepEqual(before, { event: "demo", run, commit, seal, ticket, position });
  assert.doesNotMatch(JSON.stringify(evidence(closed(), "demo")), /!/);
});

test("a place is judged by the seal, and the seal by the key", async () => {
  const cases = [
    [view(), position, ["how.match", "how.later"]],
    [closed(), position, ["how.match", "how.proven"]],
    [view({ position: position + 1 }), position, ["how.mismatch", "how.later"]],
    [closed({ status: { commit: NONE, draw_key } }), position, ["how.match", "how.broken"]],
    [closed({ seal: { ...seal, base: 0 } }), position - seal.base, ["how.mismatch", "how.proven"]],
    [closed({ seal: { ...seal, cohort: 1 } }), null, ["how.mismatch"]],
    [closed({ seal: { ...seal, counts: [1] } }), null, ["how.mismatch"]],
    [view({ seal: null }), null, ["how.mismatch", "how.later"]],
  ];
  for (const [given, place, said] of cases) assert.deepEqual(await judge(given, "demo"), { place, said });
});

const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
afterEach(() => {
  delete globalThis.document;
  if (navigator) Object.defineProperty(globalThis, "navigator", navigator);
  else delete globalThis.navigator;
});

async function opened(shown, clipboard) {
  const document = (globalThis.document = makeDocument());
  Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
  const context = makeContext();
  await context.show({ state: "loading", status: null, ...shown });
  const panel = makePanel(document);
  open(panel, context);
  await context.settled;
  return { document, context, panel, button: panel.one("button"), text: () => panel.one("div").textContent };
}

test("before the draw there is the commitment, and nothing to copy", async () => {
  const { context, button, text } = await opened({});
  assert.equal(text(), "how.lead");
  assert.equal(button.hidden, true);
  await context.show({ state: "pool", status: { commit } });
  assert.equal(text(), `how.leadhow.none${commit}`);
  assert.equal(button.hidden, true);
});

test("an open panel follows the draw, and then the key", async () => {
  const { context, panel, button, text } = await opened({ state: "pool", status: { commit } });
  await context.show(view());
  const facts = panel.one("dl").all("div").map((row) => [row.one("dt").textContent, row.one("dd").textContent]);
  assert.deepEqual(facts, [
    ["how.cohort", "n258"], ["how.size", "n70117"], ["how.base", "n300017"],
    ["how.index", "n65579 (shard 3, seq 65537)"], ["how.seed", seal.seed], ["how.commit", commit],
    ["how.place", `n${position}`],
  ]);
  assert.match(text(), /how\.matchhow\.later$/);
  assert.equal(button.hidden, false);
  const list = panel.one("dl");
  await context.show({ now: 1 });
  assert.equal(panel.one("dl"), list); // nothing moves while nothing changes
  await context.show(closed());
  assert.ok(text().includes(`how.key${draw_key}`));
  assert.match(text(), /how\.matchhow\.proven$/);
  assert.equal(panel.one("button"), button); // it may have the focus
  assert.deepEqual(context.said, []);
});

test("a seal that does not fit gives no place", async () => {
  const { panel, text } = await opened(view({ state: "doubt", position: null }));
  assert.equal(text(), "how.leaddoubt.lead");
  assert.deepEqual(panel.all("dl"), []);
  const other = await opened(view({ seal: { ...seal, seed: "" } }));
  assert.equal(other.text(), "how.leadhow.mismatchhow.later");
});

test("everything to check it is copied, by hand where the clipboard is out of reach", async () => {
  let copied;
  const page = await opened(closed(), { writeText: async (text) => (copied = text) });
  await page.button.dispatch("click");
  assert.deepEqual(JSON.parse(copied), drawn);
  assert.deepEqual(page.context.said, ["how.copied"]);

  const { document, panel, button, context } = await opened(closed(), undefined);
  await button.dispatch("click");
  const field = panel.one("textarea");
  assert.deepEqual(JSON.parse(field.textContent), drawn);
  assert.equal(document.focused, field);
  assert.deepEqual(JSON.parse(document.selected), drawn);
  assert.deepEqual(context.said, []);
});
