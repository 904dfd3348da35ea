// What the promoter changes is on the page without a reload, against the real room.
import { expect, lookAgain, reach, test, words } from "./fixtures.js";

const en = words("en");

test("message, stock and state", async ({ page, openRoom }) => {
  const room = await openRoom();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  const place = await page.locator("#place").textContent();
  const shows = (id, text) => lookAgain(page, (limit) => expect(page.locator(id)).toContainText(text, limit));
  const comesTo = (state) =>
    lookAgain(page, (limit) => expect(page.locator("main")).toHaveAttribute("data-state", state, limit));

  await room.set("message", "Doors <b>open</b> at seven.");
  await shows("#message", "Doors <b>open</b> at seven.");
  await room.set("message/en", "English doors.");
  await shows("#message", "English doors.");
  await room.set("stock", "few");
  await shows("#notices", en.few);
  await room.set("stock", "none");
  await shows("#notices", en.none);

  await room.set("state", "paused");
  await comesTo("paused");
  await expect(page.locator("#lead")).toContainText(en.kept);
  await room.set("state", "auto");
  await comesTo(/^(waiting|nearly)$/);
  await expect(page.locator("#place")).toHaveText(place);
  await room.set("state", "soldout");
  await comesTo("soldout");
  await room.set("state", "closed");
  await comesTo("closed");
});
