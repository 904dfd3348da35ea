// Accidents that must not cost anybody a place, against the real room.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inShop, keeps, pass, reach, recordOf, test, words } from "./fixtures.js";

const en = words("en");
const placeShown = (page) => page.locator("#place").textContent();

// inLine opens the page and waits for the place.
async function inLine(page, room) {
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  return recordOf(page);
}

// First, since it takes a minute: the shortest turn that a promoter can give.
test("a laptop that slept past the turn is told so, and joins again", async ({ page, openRoom, watch }) => {
  test.setTimeout(120000);
  watch.allow(/410/);
  const room = await openRoom();
  await room.set("claim-window", "1m");
  await page.clock.install();
  const before = await inLine(page, room);
  await page.clock.pauseAt(Date.now() + 60000);
  await room.set("rate", 600);
  await room.when((status) => status.expired >= 1, 100000);
  await page.clock.fastForward(120000);
  await page.clock.resume();
  await reach(page, "expired");
  await expect(page.locator("#heading")).toHaveText(en["turn-expired"]);
  await page.locator("#join-again").click();
  await inShop(page);
  expect((await room.status()).line).toBe(2);
  await page.goBack();
  expect((await recordOf(page)).secret).not.toBe(before.secret);
});

test("a reload", async ({ page, openRoom }) => {
  const room = await openRoom();
  const before = await inLine(page, room);
  await page.reload();
  await reach(page, "waiting", "nearly");
  await keeps(page, before);
});

test("a page that crashes, in a new tab", async ({ page, context, openRoom, watch }) => {
  watch.allow(/crash/i);
  const room = await openRoom();
  const before = await inLine(page, room);
  const crashed = page.waitForEvent("crash");
  await Promise.all([crashed, page.goto("chrome://crash").catch(() => {})]);
  const again = await context.newPage();
  await again.goto(room.page);
  await reach(again, "waiting", "nearly");
  await keeps(again, before);
});

test("a browser that is closed and started again", async ({ playwright, openRoom, watch, launchOptions }) => {
  const room = await openRoom();
  const profile = await mkdtemp(join(tmpdir(), "profile-"));
  const start = async () => watch.on(await playwright.chromium.launchPersistentContext(profile, launchOptions));
  const first = await start();
  const before = await inLine(first.pages()[0], room);
  await first.close();
  const second = await start();
  const [page] = second.pages();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  await keeps(page, before);
  await second.close();
  await rm(profile, { recursive: true, maxRetries: 10 });
  expect((await room.status()).line).toBe(1);
});

test("two tabs opened at the same instant are one visitor, ten times", async ({ openRoom, newContext }) => {
  const room = await openRoom();
  await room.when((status) => status.phase === "open");
  for (let i = 0; i < 10; i++) {
    const context = await newContext();
    const tabs = [await context.newPage(), await context.newPage()];
    await Promise.all(tabs.map((tab) => tab.goto(room.page)));
    for (const tab of tabs) await reach(tab, "placing", "waiting", "nearly");
    await keeps(tabs[0], await recordOf(tabs[1]));
    await context.close();
  }
  // Whoever comes later is numbered later: what all of them took is counted by then.
  await room.join(1);
  const { line } = await room.when((status) => status.line > 10);
  expect(line).toBe(11);
});

test("the back button in the shop shows the room and does not bounce", async ({ page, openRoom }) => {
  const room = await openRoom({ rate: 600 });
  await page.goto(room.page);
  const visitor = await inShop(page);
  await page.goBack();
  await reach(page, "admitted");
  const status = page.waitForResponse((answer) => answer.url().includes("/status/"));
  await page.reload();
  await status;
  await reach(page, "admitted");
  await expect(page).toHaveURL(room.page);
  await page.locator("#enter").click();
  expect(await inShop(page)).toBe(visitor);
});

test("storage that is denied: the page says so, and a reload keeps the place", async ({ page, openRoom }) => {
  await page.addInitScript(() => Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("denied", "SecurityError"); },
  }));
  const room = await openRoom();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  await expect(page.locator("#notices")).toContainText(en.fragile);
  await page.reload();
  await reach(page, "waiting", "nearly");
  expect(await placeShown(page)).toBe("1");
  await room.join(1);
  expect((await room.when((status) => status.line > 1)).line).toBe(2);

  const { run } = await room.when(() => true);
  const status = page.waitForRequest((request) => request.url().includes("/status/"));
  await page.evaluate((hash) => { location.hash = hash; }, `#place=${run}.AAECAwQFBgcICQoLDA0ODw`);
  await status;
  await expect(page.locator("#offer")).toBeVisible();
  expect(await placeShown(page)).toBe("1");
});

test("storage that is cleared in one tab", async ({ context, openRoom }) => {
  const room = await openRoom();
  const [one, two] = [await context.newPage(), await context.newPage()];
  const before = await inLine(one, room);
  await inLine(two, room);
  await one.evaluate(() => localStorage.clear());
  await expect.poll(() => recordOf(one)).not.toBeNull();
  await keeps(one, before);
  await keeps(two, before);
  await two.reload();
  await reach(two, "waiting", "nearly");
  await keeps(two, before);
  expect((await room.status()).line).toBe(1);
});

for (const [name, off] of [["fast", 86400000], ["slow", -86400000]]) {
  test(`a visitor's clock that is a day ${name}`, async ({ page, openRoom }) => {
    const room = await openRoom({ onsale: "6s", rate: 600 });
    await page.clock.install({ time: Date.now() + off });
    await page.goto(room.page);
    await reach(page, "pool", "arriving");
    await expect(page.locator("#countdown")).toHaveText(/^00:0[0-6]$/);
    await inShop(page);
  });
}

test("a network that is gone for ten minutes", async ({ page, context, openRoom, watch }) => {
  watch.allow(/ERR_INTERNET_DISCONNECTED/);
  const room = await openRoom();
  await page.clock.install();
  const before = await inLine(page, room);
  await context.setOffline(true);
  await pass(page, 600000);
  await reach(page, "offline");
  await expect(page.locator("#lead")).toContainText(en.kept);
  await expect(page.locator("#place")).toHaveText("1");
  await context.setOffline(false);
  await reach(page, "waiting", "nearly");
  await keeps(page, before);
});
