// Properties of the files themselves: weight, no inline script or style, no unsafe writing.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const root = new URL("../", import.meta.url);
const names = ["index.html", ...readdirSync(new URL("assets/", root)).map((name) => `assets/${name}`)];
const files = names.map((name) => [name, readFileSync(new URL(name, root), "utf8")]);
const html = files[0][1];

test("the page weighs less than 14 KB compressed in all", () => {
  const weight = files.reduce((sum, [, text]) => sum + gzipSync(text, { level: 9 }).length, 0);
  assert.ok(weight < 14000, `${weight} bytes`);
});

test("nothing is inline, so the content security policy needs no exception", () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/i);
  const scripts = html.match(/<script[^>]*>[^<]*<\/script>/g);
  assert.deepEqual(scripts, ['<script type="module" src="/assets/page.js"></script>']);
});

test("text is only ever written as text", () => {
  const unsafe = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b/;
  for (const [name, text] of files) assert.doesNotMatch(text, unsafe, name);
});

test("every module that is imported is there and loaded ahead", () => {
  const imported = files.flatMap(([, text]) => [...text.matchAll(/from "\.\/([a-z]+\.js)"/g)].map((found) => found[1]));
  for (const name of new Set(imported)) {
    assert.ok(names.includes(`assets/${name}`), name);
    assert.ok(html.includes(`<link rel="modulepreload" href="/assets/${name}">`), name);
  }
});

test("every element that the page writes to is in the document", () => {
  const page = files.find(([name]) => name === "assets/page.js")[1];
  const used = [...page.matchAll(/(?:element|setText|setShown|setNumber|press)\("([a-z-]+)"/g)].map((found) => found[1]);
  assert.ok(used.length > 15);
  for (const id of used) assert.ok(html.includes(`id="${id}"`), id);
});

test("the document says what it is without any script", () => {
  assert.match(html, /<noscript>/);
  assert.match(html, /<h1[^>]*>Waiting room<\/h1>/);
  assert.match(html, /id="announce"[^>]*role="status" aria-live="polite"/);
});
