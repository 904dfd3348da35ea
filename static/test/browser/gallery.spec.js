// Every state at phone and desktop width, light and dark, from left to right and from right to left: in
// four of the eight combinations, so that each pair of them is in one.
import { expect, reach, test } from "./fixtures.js";
import { answerWith, remember, stand } from "./documents.js";
import { isAccessible, looksRight } from "./looks.js";
import { states } from "./states.js";

const compare = process.env.SCREENSHOTS === "compare";
if (!compare && process.env.TEST_WORKER_INDEX === undefined) {
  console.log("SCREENSHOTS=compare is not set: layout and accessibility are checked, pictures are not compared.");
}

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 800 };
// What axe-core sees depends on what there is and on its colours, and is asked of three.
const variants = {
  en: [["phone", phone, "light", true], ["desktop", desktop, "dark", true]],
  ar: [["phone", phone, "dark", true], ["desktop", desktop, "light", false]],
};

for (const [language, locale] of [["en", "en-GB"], ["ar", "ar"]]) {
  test.describe(language, () => {
    test.use({ locale });
    for (const [name, state] of Object.entries(states)) {
      test(name, async ({ page, house, watch }) => {
        if (state.noise) watch.allow(state.noise);
        const documents = { ...state.documents };
        await stand(page);
        if (state.record) await remember(page, state.record);
        await answerWith(page, documents);
        await page.goto(house.page + (state.hash ?? ""));
        await state.then?.(page, documents);
        await reach(page, state.reaches ?? name);
        for (const [size, viewport, colorScheme, examined] of variants[language]) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          const what = `${language}-${size}-${colorScheme}`;
          await looksRight(page, { language, rtl: language === "ar", what });
          if (examined) await isAccessible(page, what);
          if (!compare) continue;
          // The link holds the room's port, which is another every time.
          const mask = [page.locator("#carry input")];
          await expect(page).toHaveScreenshot(`${name}-${what}.png`, { fullPage: true, mask });
        }
      });
    }
  });
}
