// The same page under other conditions: zoom, forced colours, text spacing, reduced motion, every language.
import { expect, reach, test, words } from "./fixtures.js";
import { answerWith, remember, stand } from "./documents.js";
import { isAccessible, looksRight } from "./looks.js";
import { states } from "./states.js";

const TAGS = "ar cs da de el en es fi fr he hi hu id it ja ko nb nl pl pt ro sv tr uk zh zh-Hant".split(" ");

async function show(page, house, name, language = "en") {
  const state = states[name];
  const documents = { ...state.documents };
  await stand(page);
  await page.addInitScript((tag) => localStorage.setItem("waiting-room-language", tag), language);
  if (state.record) await remember(page, state.record);
  await answerWith(page, documents);
  await page.goto(house.page + (state.hash ?? ""));
  await state.then?.(page, documents);
  await reach(page, state.reaches ?? name);
}

// Those with the most on them.
const FULLEST = ["pool", "waiting-message", "turn-held", "admitted", "turn-expired", "offer", "tell", "carry", "how"];

for (const name of FULLEST) {
  for (const language of ["en", "ar"]) {
    test(`${name} at 400 % zoom, with text spacing and in forced colours (${language})`, async ({ page, house, watch }) => {
      if (states[name].noise) watch.allow(states[name].noise);
      const rtl = language === "ar";
      await page.setViewportSize({ width: 320, height: 256 });
      await show(page, house, name, language);
      await looksRight(page, { language, rtl, what: "at 400 %" });
      await isAccessible(page, "at 400 %");

      await page.emulateMedia({ forcedColors: "active" });
      await looksRight(page, { language, rtl, what: "in forced colours" });
      await isAccessible(page, "in forced colours");
      await page.emulateMedia({ forcedColors: "none" });

      // WCAG 1.4.12.
      await page.evaluate(() => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
          p { margin-block-end: 2em !important }`);
        document.adoptedStyleSheets = [sheet];
      });
      for (const viewport of [{ width: 320, height: 256 }, { width: 390, height: 844 }]) {
        await page.setViewportSize(viewport);
        await looksRight(page, { language, rtl, what: "with text spacing" });
      }
    });
  }
}

test("a language that no format takes is written as its relative is", async ({ page, house }) => {
  await page.addInitScript(() => {
    Object.defineProperty(navigator, "languages", { get: () => ["de-12", "en"] });
  });
  await show(page, house, "waiting", "de");
  await expect(page.locator("#place")).toHaveText(/\d/);
  await expect(page.locator("#language")).toBeVisible();
});

test("who wants less motion sees none", async ({ page, house }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await show(page, house, "waiting");
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((element) => {
    if (!element.checkVisibility()) return false;
    const { animationName, transitionDuration } = getComputedStyle(element);
    return animationName !== "none" || transitionDuration.split(",").some((text) => parseFloat(text) > 0.01);
  }).map((element) => element.id || element.localName));
  expect(moving).toEqual([]);
});

for (const tag of TAGS) {
  test(`in line, in ${tag}`, async ({ page, house }) => {
    await page.setViewportSize({ width: 320, height: 640 });
    await show(page, house, "waiting-message", tag);
    await expect(page.locator("#heading")).toHaveText(words(tag).waiting);
    await looksRight(page, { language: tag, rtl: ["ar", "he"].includes(tag), what: tag });
    await isAccessible(page, tag);
  });
}
