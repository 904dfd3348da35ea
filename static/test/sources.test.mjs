// Properties of the files themselves: weight, nothing inline, no unsafe writing, nothing from elsewhere.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { TAGS } from "../assets/room.js";

const root = new URL("../", import.meta.url);
const read = (name) => readFileSync(new URL(name, root), "utf8");
const listed = (folder, ending) =>
  readdirSync(new URL(folder, root)).filter((name) => name.endsWith(ending)).map((name) => folder + name);

const CORE = ["page.js", "visit.js", "room.js"].map((name) => `assets/${name}`);
const LATER = ["later.js", "bell.js", "bell-worker.js", "carry.js", "proof.js", "theme.js"].map((name) => `assets/${name}`);
const scripts = listed("assets/", ".js");
const files = ["index.html", ...scripts, ...listed("assets/", ".css"), ...listed("assets/", ".svg")];
const html = read("index.html");

const weight = (name) => gzipSync(read(name), { level: 9 }).length;

test("what it takes to join and to wait weighs less than 14,000 bytes in the heaviest language", (t) => {
  const words = TAGS.map((tag) => `assets/words/${tag}.json`).sort((a, b) => weight(b) - weight(a))[0];
  const names = ["index.html", "assets/page.css", ...CORE, words];
  for (const name of [...names, "assets/later.js"]) t.diagnostic(`${name}: ${weight(name)} bytes`);
  const sum = names.reduce((total, name) => total + weight(name), 0);
  t.diagnostic(`together without later.js: ${sum} bytes`);
  assert.ok(sum < 14000, `${sum} bytes`);
});

test("nothing is inline, so the content security policy needs no exception", () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/i);
  const found = html.match(/<script[^>]*>[^<]*<\/script>/g);
  assert.deepEqual(found, ['<script type="module" src="/assets/page.js"></script>']);
});

test("text is only ever written as text", () => {
  const unsafe = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc|cssText/;
  for (const name of files) assert.doesNotMatch(read(name), unsafe, name);
});

test("styles are set by the theme alone", () => {
  for (const name of scripts) {
    if (name !== "assets/theme.js") assert.doesNotMatch(read(name), /\.style\b|\bstyle }|setProperty/, name);
  }
});

test("nothing comes from another address", () => {
  for (const name of files) {
    const addresses = read(name).replaceAll("http://www.w3.org/2000/svg", "").match(/https?:\/\/[\w.-]+|["'(]\/\/[\w.-]+/g);
    assert.equal(addresses, null, name);
  }
  assert.doesNotMatch(files.map(read).join(), /@import|sendBeacon|document\.cookie/);
});

test("every script is either loaded ahead or loaded when it is needed", () => {
  assert.deepEqual(scripts.toSorted(), [...CORE, ...LATER].toSorted());
  const ahead = [...html.matchAll(/<link rel="modulepreload" href="\/(assets\/[^"]+)">/g)].map((found) => found[1]);
  assert.deepEqual([...ahead, "assets/page.js"].toSorted(), CORE.toSorted());
  const imports = (name) => [...read(name).matchAll(/(?:from|import) "\.\/([^"]+)"/g)].map((found) => `assets/${found[1]}`);
  for (const name of CORE) for (const other of imports(name)) assert.ok(CORE.includes(other), `${name} imports ${other}`);
  for (const name of LATER) for (const other of imports(name)) assert.ok(scripts.includes(other), `${name} imports ${other}`);
  assert.equal(html.match(/rel="stylesheet"/g).length, 1);
});

test("every element that the page uses is in the document", () => {
  const used = ["page.js", "later.js"].flatMap((name) =>
    [...read(`assets/${name}`).matchAll(/(?:element|setText|setShown)\("([a-z-]+)"/g)].map((found) => found[1]));
  assert.ok(new Set(used).size > 20);
  for (const id of [...used, "tell", "carry", "how"]) {
    // later.js makes the element that loads the panels' styles.
    if (id !== "more") assert.equal(html.split(`id="${id}"`).length, 2, id);
  }
  for (const [, id] of html.matchAll(/(?:for|aria-labelledby)="([a-z-]+)"/g)) assert.ok(html.includes(`id="${id}"`), id);
});

test("the document says what it is without any script, and where it works without", () => {
  assert.match(html, /<html lang="en">/);
  assert.match(html, /<h1 id="heading" tabindex="-1">Waiting room<\/h1>/);
  assert.match(html, /<p id="lead">[A-Z][^<]+\.<\/p>/);
  assert.match(html, /<a id="plain" href="\?plain">[^<]+<\/a>/);
  assert.match(html, /id="announce" role="status"/);
});

test("sides are named by the direction of reading", () => {
  const physical = /(?:margin|padding|border)-(?:left|right)|(?:^|[\s;{])(?:left|right)\s*:|text-align:\s*(?:left|right)|float:/m;
  for (const name of listed("assets/", ".css")) assert.doesNotMatch(read(name), physical, name);
});
