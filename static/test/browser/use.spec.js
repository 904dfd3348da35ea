// Languages, the keyboard and what a screen reader is told.
import { expect, keeps, pass, reach, recordOf, test, words } from "./fixtures.js";
import { NOW, POSITION, answerWith, placed, remember, sealWith, statusAt } from "./documents.js";

test("another language keeps everything and is remembered", async ({ page, openRoom }) => {
  const room = await openRoom();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  const before = await recordOf(page);
  await page.locator("#language").selectOption("he");
  await expect(page.locator("html")).toHaveAttribute("lang", "he");
  await expect(page.locator("html")).toHaveAttribute("dir", "rtl");
  await expect(page.locator("#carry > summary")).toHaveText(words("he").carry);
  await keeps(page, before);
  await expect(page.locator("#place")).toHaveText("1");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("lang", "he");
  await reach(page, "waiting", "nearly");
  await keeps(page, before);
  await page.locator("#language").selectOption("da");
  await expect(page.locator("html")).toHaveAttribute("dir", "ltr");
  await expect(page.locator("#carry > summary")).toHaveText(words("da").carry);
  expect((await room.status()).line).toBe(1);
});

test.describe("from the browser's languages", () => {
  for (const [locale, tag] of [["de-AT", "de"], ["zh-TW", "zh-Hant"], ["zh-CN", "zh"], ["nn-NO", "nb"], ["sw", "en"]]) {
    test.describe(locale, () => {
      test.use({ locale });
      test(`is ${tag}`, async ({ page, house }) => {
        await answerWith(page, { status: statusAt(NOW, { phase: "closed" }) });
        await page.goto(house.page);
        await expect(page.locator("html")).toHaveAttribute("lang", tag);
        await expect(page.locator("#heading")).toHaveText(words(tag).closed);
      });
    });
  }
});

// focused is what has the focus, and whether that can be seen.
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return {
    id: element.id || element.parentElement?.id || element.localName, body: element === document.body,
    seen: outlineStyle !== "none" && parseFloat(outlineWidth) > 0,
  };
});

// tabTo presses Tab until an element has the focus, which has to be seen wherever it is.
async function tabTo(page, id) {
  for (let i = 0; i < 15; i++) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (!at.body) expect(at.seen, `the focus on ${at.id} can be seen`).toBe(true);
    if (at.id === id) return;
  }
  throw new Error(`Tab does not lead to ${id}`);
}

test("everything can be done with the keyboard, and the focus is never lost", async ({ page, house }) => {
  const documents = {
    status: statusAt(), seal: sealWith(POSITION),
    join: { status: 201, body: { ticket: "v1.new.mac", visitor: "v", cohort: 3, shard: 1, seq: 1 } },
    qr: { size: 21, path: "M0 0h7v7h-7z" },
    admit: { pass: "p", redirect: "https://shop.example/checkout", again: true },
  };
  await page.route("https://shop.example/**", (route) => route.fulfill({ contentType: "text/html", body: "<title>shop</title>" }));
  await remember(page, placed({ outcome: "turn-expired" }));
  await answerWith(page, documents);
  await page.clock.install({ time: NOW });
  await page.goto(house.page);
  await reach(page, "expired");
  await tabTo(page, "join-again");
  await page.keyboard.press("Enter");
  await reach(page, "waiting");
  expect(await focused(page)).toMatchObject({ id: "heading", body: false });

  for (const id of ["tell", "carry", "how"]) {
    await tabTo(page, id);
    await page.keyboard.press("Enter");
    await expect(page.locator(`#${id} > div > *`).first()).toBeVisible();
    expect(await focused(page)).toMatchObject({ id, body: false });
  }
  await tabTo(page, "language");
  await page.keyboard.press("ArrowDown");
  await expect(page.locator("html")).not.toHaveAttribute("lang", "en");
  expect(await focused(page)).toMatchObject({ id: "language", body: false });

  // Let in on another device: the panels are of no use any more, and what has the focus vanishes.
  await page.locator("#tell > summary").focus();
  documents.status = statusAt(NOW + 60000, { version: 200, admitted: POSITION });
  await pass(page, 61000);
  await reach(page, "elsewhere");
  expect((await focused(page)).body).toBe(false);
  await tabTo(page, "enter");
  await page.keyboard.press("Enter");
  await pass(page, 2000);
  await expect(page).toHaveURL("https://shop.example/checkout");
});

test("announcements: changes and not ticks, and no more than one in 30 s", async ({ page, house }) => {
  const documents = { seal: sealWith(POSITION), now: NOW };
  // The line moves by ten a second, and the promoter says something new all the time.
  const status = () => statusAt(documents.now, {
    version: 100 + Math.floor((documents.now - NOW) / 1000), admitted: 1234 + Math.floor((documents.now - NOW) / 100),
    rate: 600, message: { default: `Message ${Math.floor((documents.now - NOW) / 7000)}` },
  });
  documents.status = status;
  await page.addInitScript(() => {
    window.said = [];
    document.addEventListener("DOMContentLoaded", () => {
      const live = document.querySelectorAll("[aria-live], [role=status], [role=alert], [role=log]");
      for (const element of live) {
        new MutationObserver(() => element.textContent && window.said.push([performance.now(), element.textContent]))
          .observe(element, { childList: true, characterData: true, subtree: true });
      }
    });
  });
  await remember(page, placed());
  await answerWith(page, documents);
  await page.clock.install({ time: NOW });
  await page.clock.pauseAt(NOW + 1000);
  await page.goto(house.page);
  await reach(page, "waiting");
  for (let second = 0; second < 240; second++) {
    documents.now += 1000;
    await pass(page, 1000);
  }
  const said = await page.evaluate(() => window.said);
  expect(said.length).toBeGreaterThan(2);
  const gaps = said.slice(1).map(([at], i) => at - said[i][0]);
  expect(Math.min(...gaps), JSON.stringify(said)).toBeGreaterThanOrEqual(30000);
});
