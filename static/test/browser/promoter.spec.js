// What the promoter changes is on the page without a reload, against the real room.
import { expect, reach, test, words } from "./fixtures.js";

const en = words("en");

test("message, stock and state", async ({ page, openRoom }) => {
  const room = await openRoom();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  const place = await page.locator("#place").textContent();

  await room.set("message", "Doors <b>open</b> at seven.");
  await expect(page.locator("#message")).toHaveText("Doors <b>open</b> at seven.");
  await room.set("message/en", "English doors.");
  await expect(page.locator("#message")).toHaveText("English doors.");
  await room.set("stock", "few");
  await expect(page.locator("#notices")).toContainText(en.few);
  await room.set("stock", "none");
  await expect(page.locator("#notices")).toContainText(en.none);

  await room.set("state", "paused");
  await reach(page, "paused");
  await expect(page.locator("#lead")).toContainText(en.kept);
  await room.set("state", "auto");
  await reach(page, "waiting", "nearly");
  await expect(page.locator("#place")).toHaveText(place);
  await room.set("state", "soldout");
  await reach(page, "soldout");
  await room.set("state", "closed");
  await room.when((status) => status.phase === "closed");
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await reach(page, "closed");
});
