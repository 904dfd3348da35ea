import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { open, readCode, readLink } from "../assets/carry.js";
import { makeContext, makeDocument, makePanel } from "./document.mjs";

const RUN = "000102030405060708090a0b0c0d0e0f";
const SECRET = "AAECAwQFBgcICQoLDA0ODw";
const LINK = `#place=${RUN}.${SECRET}`;
const CODE = { size: 21, path: "M0 0h7v1H0z M10 0h-1" };

const settle = () => new Promise(setImmediate);

test("the link is taken apart", () => {
  assert.deepEqual(readLink(LINK), { run: RUN, secret: SECRET });
  for (const link of ["", "#place=", `#place=${RUN}`, `#place=${RUN}.short`, `${LINK}!`, `https://x/${LINK}`]) {
    assert.throws(() => readLink(link), link);
  }
});

test("only what can be a code is drawn", () => {
  assert.deepEqual(readCode({ ...CODE, more: 1 }), CODE);
  const wrong = [
    { size: 20 }, { size: 178 }, { size: 21.5 }, { size: "21" }, { size: undefined },
    { path: "" }, { path: undefined }, { path: ["M0 0"] }, { path: "M0 0\"/><script>" }, { path: "M0,0" },
    { path: "M0 0l1 1" },
  ];
  for (const change of wrong) assert.throws(() => readCode({ ...CODE, ...change }), JSON.stringify(change));
  assert.throws(() => readCode(null));
});

// makePage is an opened panel; answers are what the API gives, one after the other.
function makePage({ answers = [CODE], mine = { ticket: "t", secret: SECRET }, clipboard = true, link = LINK } = {}) {
  const document = makeDocument();
  const copied = [];
  const asked = [];
  document.execCommand = (command) => copied.push(`${command} ${document.selected}`);
  const fakes = {
    document,
    location: { origin: "https://wait.example" },
    navigator: { clipboard: clipboard ? { writeText: async (text) => copied.push(text) } : undefined },
    async fetch(address, { method, body }) {
      asked.push([method, address, JSON.parse(body)]);
      const answer = answers.shift();
      if (!answer) throw new TypeError("no network");
      return { status: answer.status ?? 200, json: async () => answer };
    },
  };
  for (const [name, value] of Object.entries(fakes)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  let links = 0;
  const context = makeContext({
    visit: {
      link() {
        links++;
        context.show({}); // as the real one does when it notes that the place is shared
        return link;
      },
    },
  });
  const panel = makePanel(document);
  context.show({ mine });
  open(panel, context);
  return { document, panel, context, copied, asked, links: () => links };
}

const real = { fetch: globalThis.fetch, navigator: Object.getOwnPropertyDescriptor(globalThis, "navigator") };
afterEach(() => {
  globalThis.fetch = real.fetch;
  delete globalThis.document;
  delete globalThis.location;
  if (real.navigator) Object.defineProperty(globalThis, "navigator", real.navigator);
  else delete globalThis.navigator;
});

test("without a ticket there is nothing to carry, until there is one", async () => {
  const { panel, context, asked, links } = makePage({ mine: { secret: SECRET } });
  await settle();
  assert.equal(panel.textContent, "carry.none");
  assert.deepEqual([asked.length, links()], [0, 0]);
  context.show({ mine: { ticket: "t", secret: SECRET } });
  await settle();
  assert.equal(panel.one("input").value, `https://wait.example/demo${LINK}`);
  for (const gone of [{ mine: {} }, { state: "expired" }]) {
    context.show({ mine: { ticket: "t", secret: SECRET }, state: "waiting" });
    panel.one("input");
    context.show(gone);
    assert.equal(panel.textContent, "carry.none");
  }
});

test("the link and its code are shown, once for each place", async () => {
  const { panel, context, asked, links } = makePage({ answers: [CODE, CODE] });
  await settle();
  assert.deepEqual(asked, [["POST", "/v1/events/demo/qr", { run: RUN, secret: SECRET }]]);
  const field = panel.one("input");
  assert.equal(field.value, `https://wait.example/demo${LINK}`);
  assert.equal(field.readOnly, true);
  const code = panel.one("svg");
  assert.deepEqual([code.attributes.role, code.attributes["aria-label"]], ["img", "carry.code"]);
  assert.equal(code.attributes.viewBox, "-4 -4 29 29");
  assert.deepEqual(code.one("path").attributes, { d: CODE.path, fill: "#000" });
  assert.equal(code.one("rect").attributes.fill, "#fff");
  assert.ok(panel.textContent.includes("carry.secret"));

  await context.show({ mine: { ticket: "renewed ticket", secret: SECRET } });
  assert.equal(panel.one("input"), field); // nothing is rebuilt under the visitor's hands
  await context.show({ mine: { ticket: "t2", secret: "another-secret-of-22-xx" } });
  await settle();
  assert.notEqual(panel.one("input"), field);
  assert.deepEqual([asked.length, links()], [2, 2]);
});

test("the link is copied, by hand where the clipboard is out of reach", async () => {
  for (const clipboard of [true, false]) {
    const { panel, context, copied } = makePage({ clipboard });
    await settle();
    await panel.one("button").dispatch("click");
    const address = `https://wait.example/demo${LINK}`;
    assert.deepEqual(copied, [clipboard ? address : `copy ${address}`]);
    assert.deepEqual(context.said, ["carry.copied"]);
  }
});

test("a code that could not be made leaves the link, and is asked for again at the next opening", async () => {
  for (const answer of [null, { status: 429 }, { size: 21, path: "<" }]) {
    const { panel, asked } = makePage({ answers: [answer, CODE] });
    await settle();
    assert.ok(panel.textContent.includes("carry.failed"));
    assert.ok(panel.one("input").value.endsWith(LINK));
    panel.around.open = false;
    await panel.around.dispatch("toggle");
    assert.equal(asked.length, 1);
    panel.around.open = true;
    await panel.around.dispatch("toggle");
    await settle();
    assert.equal(asked.length, 2);
    panel.one("svg");
    await panel.around.dispatch("toggle");
    assert.equal(asked.length, 2);
  }
});
