// A theme is used whole or not at all.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { contrast, readTheme, wear } from "../assets/theme.js";

const folder = new URL("../assets/themes/", import.meta.url);
const example = JSON.parse(readFileSync(new URL("example.json", folder), "utf8"));

test("contrast is WCAG's", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#ffffff", "#000000"), 21);
  assert.equal(contrast("#123456", "#123456"), 1);
  // The lightest grey on white that passes, and the next one, which fails.
  assert.ok(contrast("#767676", "#FFFFFF") >= 4.5);
  assert.ok(contrast("#777777", "#ffffff") < 4.5);
});

test("colours become variables, each accent with a text colour that can be read on it", () => {
  const { name, logo, variables } = readTheme(example);
  assert.equal(name, "Example Theatre");
  assert.equal(logo, "/assets/themes/example.svg");
  assert.equal(variables["--accent"], example.accent);
  assert.equal(variables["--background-dark"], example.background_dark);
  for (const mode of ["", "-dark"]) {
    assert.ok(contrast(variables[`--accent${mode}`], variables[`--on-accent${mode}`]) >= 4.5);
  }
});

test("everything is optional, and what is not known is left alone", () => {
  for (const doc of [{}, { future: [1, 2] }]) assert.deepEqual(readTheme(doc), { name: "", logo: "", variables: {} });
  assert.equal(readTheme({ name: " Théâtre – 劇場 " }).name, "Théâtre – 劇場");
  assert.deepEqual(readTheme({ accent_dark: "#F4A6C6" }).variables,
    { "--accent-dark": "#F4A6C6", "--on-accent-dark": "#0d1a22" });
});

test("the page's own colours are those that a theme is measured against", () => {
  const css = readFileSync(new URL("../page.css", folder), "utf8");
  const source = readFileSync(new URL("../theme.js", folder), "utf8");
  const [light, dark] = css.split("@media (prefers-color-scheme: dark)");
  for (const [mode, part] of [["LIGHT", light], ["DARK", dark]]) {
    const [card, ...texts] = source.match(new RegExp(`const ${mode} = .*`))[0].match(/#[0-9a-f]{6}/g);
    const colour = (name) => {
      const value = part.match(new RegExp(`--${name}: (#[0-9a-f]+)`))[1];
      return value.length === 4 ? value.replace(/[0-9a-f]/g, "$&$&") : value;
    };
    assert.deepEqual([card, ...texts], [colour("card"), colour("text"), colour("soft")], mode);
  }
});

const bad = {
  "no object": [null, [], "theme", 7, true],
  "a name of the wrong type": [{ name: 7 }, { name: "" }, { name: null }, { name: "x".repeat(81) }, { name: "a\u0000b" }],
  "a logo elsewhere": ["https://shop.example/logo.svg", "//shop.example/logo.svg", "../icon.svg", "a/b.svg", "logo.svg?x", "logo.js",
    "data:image/svg+xml,", "Logo.svg", "", 7].map((logo) => ({ name: "Shop", logo })),
  "a logo without a name": [{ logo: "logo.svg" }],
  "a colour that is none": ["red", "#fff", "#12345", "#1234567", "url(x)", "#12345g", "var(--x)", 7, null, "#0b5c8a;}"]
    .flatMap((colour) => ["accent", "accent_dark", "background", "background_dark"].map((key) => ({ [key]: colour }))),
  "an accent too close to the card": [{ accent: "#ffff00" }, { accent: "#777777" }, { accent_dark: "#222222" }, { accent_dark: "#0b5c8a" }],
  "a background too close to the text": [{ background: "#17222b" }, { background: "#8899aa" }, { background_dark: "#ffffff" }],
};
for (const [what, docs] of Object.entries(bad)) {
  test(`a theme is not used for ${what}`, () => {
    for (const doc of docs) assert.throws(() => readTheme(doc), Error, JSON.stringify(doc));
    for (const doc of docs) {
      if (doc && typeof doc === "object" && !Array.isArray(doc)) assert.throws(() => readTheme({ ...example, name: undefined, logo: undefined, ...doc }));
    }
  });
}

test("one bad colour spoils the whole theme", () => {
  assert.throws(() => readTheme({ ...example, background_dark: "#fefefe" }), /background_dark/);
});

const shipped = readdirSync(folder).filter((name) => name.endsWith(".json"));
assert.ok(shipped.length > 0);
for (const name of shipped) {
  test(`the theme ${name} is good`, () => {
    const { logo } = readTheme(JSON.parse(readFileSync(new URL(name, folder), "utf8")));
    if (logo) assert.ok(existsSync(new URL(logo.split("/").at(-1), folder)), `there is no ${logo}`);
  });
}

test("a theme that arrives after another was wanted is not put on", async (t) => {
  const style = { *[Symbol.iterator]() {}, set: [], setProperty(name) { this.set.push(name); } };
  globalThis.document = { documentElement: { style } };
  t.after(() => delete globalThis.document);
  let arrive;
  t.mock.method(globalThis, "fetch", () => new Promise((resolve) => { arrive = () => resolve(Response.json(example)); }));
  const place = {};
  const late = wear("example", place);
  const none = wear(undefined, place);
  arrive();
  assert.deepEqual([await none, await late], ["", undefined]);
  assert.deepEqual([place.textContent, place.hidden, style.set], ["", true, []]);
});
