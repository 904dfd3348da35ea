// The page's words in every language: nothing missing, nothing unused, nothing badly put together.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Announcer, partsOf, pickMessage } from "../assets/later.js";
import { TAGS, countdown, describe, moment, say, tagOf, waits } from "../assets/room.js";

const root = new URL("../../", import.meta.url);
const read = (name) => readFileSync(new URL(name, root), "utf8");
const listed = (folder) => readdirSync(new URL(folder, root));
const core = (tag) => JSON.parse(read(`static/assets/words/${tag}.json`));
const more = (tag) => JSON.parse(read(`static/assets/words/more/${tag}.json`));
const en = core("en");
const moreEn = more("en");

const STATES = [
  "loading", "unknown", "scheduled", "arriving", "pool", "joining", "placing", "waiting", "nearly", "turn", "admitted",
  "elsewhere", "expired", "paused", "soldout", "closed", "offline", "busy", "doubt",
];
const OUTCOMES = ["turn-expired", "pass-expired", "refused"];

// Which of the page's and the server's sources have words, and how they name them.
const scripts = listed("static/assets/").filter((name) => name.endsWith(".js")).map((name) => read(`static/assets/${name}`));
const server = ["lambdas/place/page/", "lambdas/admit/"].flatMap((folder) =>
  listed(folder).filter((name) => /(?<!_test)\.(go|html)$/.test(name)).map((name) => read(folder + name)));
const sources = [read("static/index.html"), ...scripts, ...server].join("\n");
const named = [
  /data-word="([^"]+)"/g, /\b[sS]ay\((?:\w+, \w+, )?"([^"]+)"/g, /\btranslate\("([^"]+)"/g, /\b[fF]ill\("([^"]+)"/g,
  /\bwords\["([^"]+)"\]/g, /\b(?:words|more)\.([a-z]+)\b(?![.(])/g,
].flatMap((pattern) => [...sources.matchAll(pattern)].map((found) => found[1])).filter((key) => !["js", "json", "css", "texts"].includes(key));

test("every text that is asked for is there", () => {
  assert.ok(named.length > 60, `${named.length}`);
  const keys = { ...en, ...moreEn };
  assert.deepEqual([...new Set(named)].filter((key) => !(key in keys)), []);
});

test("every text that is there is asked for", () => {
  const leads = new Set(STATES.map((state) => `${state}.lead`));
  const used = (key) => named.includes(key) || sources.includes(`"${key}"`) || leads.has(key) || STATES.includes(key);
  // room.js names notices by their keys.
  const notices = new Set([...read("static/assets/room.js").matchAll(/\b(renewed|restarted|stale|shared|fragile|few|none)\b/g)].map(([key]) => key));
  assert.deepEqual(Object.keys({ ...en, ...moreEn }).filter((key) => !used(key) && !notices.has(key)), []);
});

test("no text is in both files, and every language has both", () => {
  assert.deepEqual(Object.keys(en).filter((key) => key in moreEn), []);
  for (const folder of ["static/assets/words/", "static/assets/words/more/"]) {
    const tags = listed(folder).filter((name) => name.endsWith(".json")).map((name) => name.replace(".json", ""));
    assert.deepEqual(tags.toSorted(), TAGS.toSorted());
  }
});

const placeholders = (text) => (text.match(/{\w+}/g) ?? []).toSorted();

// A category that stands for one number, as Arabic has for two, may say it in a word.
function standsForOne(rules, category) {
  const numbers = Array.from({ length: 1001 }, (_, n) => n).filter((n) => rules.select(n) === category);
  return numbers.length === 1;
}

function checkText(text, model, what) {
  assert.equal(typeof text, "string", what);
  assert.match(text, /^\S(.*\S)?$/s, what);
  assert.doesNotMatch(text, /[<>\n\t]|&\w+;|\p{Extended_Pictographic}/u, what);
  assert.deepEqual(placeholders(text), placeholders(model), what);
}

for (const tag of TAGS) {
  test(`${tag} has every text, placeholder and plural`, () => {
    const rules = new Intl.PluralRules(tag);
    for (const [words, model] of [[core(tag), en], [more(tag), moreEn]]) {
      assert.deepEqual(Object.keys(words).toSorted(), Object.keys(model).toSorted());
      for (const [key, text] of Object.entries(words)) {
        if (typeof model[key] === "string") {
          checkText(text, model[key], key);
          continue;
        }
        assert.deepEqual(Object.keys(text).toSorted(), rules.resolvedOptions().pluralCategories.toSorted(), key);
        for (const [category, form] of Object.entries(text)) {
          const silent = standsForOne(rules, category) && !form.includes("{n}");
          checkText(form, silent ? form : model[key].other, `${key} ${category}`);
        }
      }
    }
  });

  test(`${tag} has a heading and a lead for every state`, () => {
    const words = core(tag);
    const status = { prequeue: 0, onsale: 0 };
    const view = { position: 3, ahead: 2, range: [5, 10], notices: ["few", "shared"], offer: true, status };
    for (const state of STATES) {
      for (const outcome of state === "expired" ? OUTCOMES : [undefined]) {
        for (const held of [false, true]) {
          const shown = { ...view, state, held, mine: { ticket: "t", outcome } };
          const texts = describe(shown, words, tag);
          for (const text of [...Object.values(texts), ...partsOf(shown, texts, words, tag)]) {
            assert.match(text, /\S/, state);
            assert.doesNotMatch(text, /[{}]|\b(undefined|null|NaN|false)\b/, state);
          }
        }
      }
    }
  });
}

test("languages of the browser lead to words", () => {
  const want = {
    en: "en", "en-GB": "en", "pt-BR": "pt", no: "nb", "nn-NO": "nb", nb: "nb", iw: "he", in: "id", zh: "zh", "zh-CN": "zh",
    "zh-Hans-HK": "zh", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-MO": "zh-Hant", "zh-Hant": "zh-Hant", "ZH-hant-tw": "zh-Hant", xx: "xx",
  };
  for (const [language, tag] of Object.entries(want)) {
    assert.equal(tagOf(language), tag, language);
  }
  for (const tag of TAGS) assert.equal(tagOf(tag), tag);
});

test("numbers take the plural of their language", () => {
  const ahead = (tag, n) => say(core(tag), tag, "people", { n });
  assert.equal(ahead("en", 1), "1 person ahead");
  assert.equal(ahead("en", 0), "0 people ahead");
  assert.equal(ahead("en", 3_000_000_000), "3,000,000,000 people ahead");
  const forms = (tag, numbers) => new Set(numbers.map((n) => ahead(tag, n).replace(/[\d\s]/g, ""))).size;
  assert.equal(forms("pl", [1, 2, 5]), 3);
  assert.equal(forms("pl", [5, 12, 25]), 1);
  assert.equal(forms("ar", [0, 1, 2, 3, 11, 100]), 6);
  assert.equal(forms("ja", [0, 1, 2, 100]), 1);
});

test("a plural that is missing is replaced by the general one", () => {
  assert.equal(say({ people: { other: "{n} x" } }, "pl", "people", { n: 2 }), "2 x");
  assert.equal(say({}, "en", "people", { n: 2 }), "");
});

test("what is filled in is taken as it is", () => {
  assert.equal(say({ a: "{time}!" }, "en", "a", { time: "$& {n} <b>" }), "$& {n} <b>!");
});

test("a countdown counts down to zero and no further", () => {
  const want = [[-5, "00:00"], [0, "00:00"], [0.2, "00:01"], [61, "01:01"], [3599, "59:59"], [3600, "01:00:00"],
    [86400, "1 day 00:00:00"], [2 * 86400 + 3661, "2 days 01:01:01"]];
  for (const [seconds, text] of want) assert.equal(countdown(seconds * 1000, "en"), text);
  assert.equal(countdown(61000, "ar-EG"), "٠١:٠١");
  assert.match(countdown(3 * 86400_000, "pl"), /^3 dni 00:00:00$/);
});

test("waits are put into words", () => {
  const want = [[null, "not known yet"], [[0, 1], "less than a minute"], [[1, 2], "1–2 minutes"], [[45, 60], "45–60 minutes"],
    [[60, 120], "1–2 hours"], [[480, Infinity], "more than 8 hours"]];
  for (const [range, text] of want) assert.equal(waits(range, en, "en"), text);
  assert.match(waits([5, 10], core("de"), "de"), /^5.10 Minuten$/);
  assert.match(waits([5, 10], core("ar"), "ar-EG"), /٥.١٠/);
});

test("waits are put into words where the browser knows no ranges", (t) => {
  const { formatRange } = Intl.NumberFormat.prototype;
  t.after(() => (Intl.NumberFormat.prototype.formatRange = formatRange));
  Intl.NumberFormat.prototype.formatRange = undefined;
  assert.equal(waits([5, 10], en, "en"), "5–10 minutes");
  assert.equal(waits([60, 120], en, "en"), "1–2 hours");
});

test("times are the visitor's own", () => {
  assert.match(moment(Date.UTC(2026, 10, 21, 12), "en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "Asia/Tokyo" }), /21:00$/);
});

const messages = { default: "d", en: "e", "pt-BR": "p", de: "g", no: "n", "zh-TW": "t" };
for (const [languages, want] of [
  [["de-AT", "en"], "g"], [["pt-BR"], "p"], [["pt"], "p"], [["EN-gb"], "e"], [["fr", "de"], "g"], [["fr"], "d"], [[], "d"],
  [["nb-NO"], "n"], [["zh-Hant"], "t"], [["zh", "en"], "e"],
]) {
  test(`the message for ${languages}`, () => assert.equal(pickMessage(messages, languages)[1], want));
}

test("a message in any language is better than none, and none is none", () => {
  assert.deepEqual(pickMessage({ de: "g" }, ["fr"]), ["de", "g"]);
  for (const none of [undefined, null, {}, { en: "" }, { en: 7 }]) assert.equal(pickMessage(none, ["en"]), null);
});

test("what is announced changes with events and not with every poll", () => {
  const view = { state: "waiting", position: 1234, ahead: 900, range: [5, 10], mine: {}, status: {}, notices: [] };
  const parts = (change) => {
    const shown = { ...view, ...change };
    return partsOf(shown, describe(shown, en, "en"), en, "en");
  };
  assert.deepEqual(parts({}), ["You are number 1,234 in line.", "Estimated wait: 5–10 minutes."]);
  assert.deepEqual(parts({ ahead: 880 }), parts({}));
  assert.notDeepEqual(parts({ range: [2, 5] }), parts({}));
  assert.deepEqual(parts({ notices: ["few"] }).at(-1), en.few);
  assert.deepEqual(parts({ state: "nearly" })[0], "Nearly there.");
  for (const state of ["loading", "joining"]) assert.deepEqual(parts({ state, notices: ["few"] }), []);
});

test("an announcement comes on change only, and 30 s after the one before", () => {
  const announcer = new Announcer();
  assert.equal(announcer.next([], 0), null);
  assert.equal(announcer.next(["a", "b"], 100), "a b");
  assert.equal(announcer.next(["a", "b"], 60000), null);
  assert.equal(announcer.next(["a", "c"], 60100), "c", "only what is new");
  assert.equal(announcer.next(["d"], 61000), null);
  assert.equal(announcer.next(["e"], 90099), null);
  assert.equal(announcer.next(["e"], 90100), "e", "the newest, when the time is over");
  assert.equal(announcer.next(["f"], 100000), null);
  assert.equal(announcer.next(["e"], 130000), null, "what is over in between is not said");
});

test("a turn is announced at once, and once", () => {
  const announcer = new Announcer();
  announcer.next(["number"], 0);
  assert.equal(announcer.next(["turn", "lead"], 10, true), "turn lead");
  assert.equal(announcer.next(["turn", "full"], 20, true), null);
  assert.equal(announcer.next(["turn", "full"], 30010, true), "full");
});

test("no two announcements but a turn's are closer than 30 s, whatever happens", () => {
  let seed = 7;
  const random = (n) => (seed = seed * 48271 % 2147483647) % n;
  const announcer = new Announcer();
  let last = -Infinity;
  let said = 0;
  for (let now = 0; now < 3_600_000; now += random(2000)) {
    if (announcer.next([`heading ${random(5)}`, `lead ${random(5)}`], now) === null) continue;
    assert.ok(now - last >= 30000);
    last = now;
    said++;
  }
  assert.ok(said > 100);
});
