// The whole way, against the real room: from the countdown through the place to the shop.
import { createHash } from "node:crypto";
import { expect, firstInShop, inShop, lookAgain, keeps, reach, recordOf, test } from "./fixtures.js";

const visitorOf = ({ secret }) => createHash("sha256").update(Buffer.from(secret, "base64url")).digest("hex").slice(0, 32);

test("from the countdown to the shop, with reloads on the way", async ({ page, openRoom }) => {
  const room = await openRoom({ onsale: "8s", rate: 1 });
  await room.when((status) => status.phase === "prequeue");
  await room.join(10);

  await page.goto(room.page);
  await reach(page, "pool");
  const joined = await recordOf(page);
  await expect(page.locator("#countdown")).toHaveText(/00:0\d$/);
  await page.reload();
  await reach(page, "pool");
  await keeps(page, joined);

  await reach(page, "waiting");
  await keeps(page, joined);
  const place = await page.locator("#place").textContent();
  expect(Number(await page.locator("#ahead").textContent())).toBe(Number(place) - 1);
  expect((await room.place(joined.ticket)).position).toBe(Number(place));
  await page.reload();
  await reach(page, "waiting");
  await keeps(page, joined);
  await expect(page.locator("#place")).toHaveText(place);

  await room.set("rate", 600);
  await lookAgain(page, (limit) => expect(page.locator("main")).toHaveAttribute("data-state", "turn", limit));
  expect(await inShop(page)).toBe(visitorOf(joined));
  expect(new URL(page.url()).pathname).toBe("/shop");
  expect(page.url()).not.toContain("waitingroom_pass");
});

test("two tabs, one after the other, are one visitor with one pass", async ({ context, openRoom }) => {
  const room = await openRoom();
  await room.when((status) => status.phase === "open");
  const [one, two] = [await context.newPage(), await context.newPage()];
  await one.goto(room.page);
  await reach(one, "waiting");
  await two.goto(room.page);
  await reach(two, "waiting");
  await keeps(two, await recordOf(one));
  await expect(one.locator("#place")).toHaveText("1");
  await expect(two.locator("#place")).toHaveText("1");
  expect((await room.status()).line).toBe(1);

  await room.set("rate", 600);
  const first = await firstInShop(one, two);
  const other = first === one ? two : one;
  await reach(other, "admitted");
  await other.locator("#enter").click();
  expect(await inShop(other)).toBe(await inShop(first));
});
