// The way to the shop without JavaScript, against the real room.
import { expect, inShop, test, words, moreWords } from "./fixtures.js";
import { isAccessible, looksRight } from "./looks.js";

const en = { ...words("en"), ...moreWords("en") };

// A line moves by itself, and without JavaScript only a reload shows it: see docs/accessibility.md.
const REFRESHES = ["meta-refresh"];

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("from the countdown to the shop", async ({ page, openRoom }) => {
    const room = await openRoom({ onsale: "10s", rate: 1 });
    await room.when((status) => status.phase === "prequeue");
    await page.goto(room.page);
    await page.locator("#plain").click();
    await page.getByRole("button", { name: en["plain.join"] }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(en.pool);
    // It reloads by itself.
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(new RegExp(`${en.waiting}|${en.nearly}`), { timeout: 25000 });
    await expect(page.getByText(en.place, { exact: true })).toBeVisible();
    await room.set("rate", 600);
    await room.when((status) => status.admitted > 0);
    await page.getByRole("link", { name: en["plain.reload"] }).click();
    await page.getByRole("button", { name: en.enter }).click();
    await inShop(page);
    expect((await room.status()).line).toBe(1);
  });
});

test.describe("its pages", () => {
  for (const [locale, language] of [["en-GB", "en"], ["ar", "ar"]]) {
    test.describe(language, () => {
      test.use({ locale });
      test("look right and are accessible", async ({ page, openRoom }) => {
        const room = await openRoom();
        await room.when((status) => status.phase === "open");
        await page.goto(`${room.page}?plain`);
        const check = async (what) => {
          for (const viewport of [{ width: 390, height: 844 }, { width: 320, height: 256 }]) {
            await page.setViewportSize(viewport);
            for (const colorScheme of ["light", "dark"]) {
              await page.emulateMedia({ colorScheme });
              await looksRight(page, { language, rtl: language === "ar", what });
              await isAccessible(page, what, REFRESHES);
            }
          }
        };
        await check("before joining");
        await page.locator("form button").first().click();
        await check("in line");
        await room.set("state", "soldout");
        await room.when((status) => status.phase === "soldout");
        await page.goto(`${room.page}?plain`);
        await check("sold out");
      });
    });
  }
});
