// A link carries the place to another device: one place, one claim, one pass.
import { expect, firstInShop, inShop, reach, recordOf, test, words } from "./fixtures.js";

const en = words("en");

async function join(context, address) {
  const page = await context.newPage();
  await page.goto(address);
  await reach(page, "waiting", "nearly");
  return page;
}

// linkOf opens the panel and reads the link; the code has to be there too.
async function linkOf(page) {
  await page.locator("#carry > summary").click();
  await expect(page.locator("#carry svg.code")).toBeVisible();
  return page.locator("#carry input").inputValue();
}

test("both devices hold one place, and each says what the other has done", async ({ newContext, openRoom }) => {
  const room = await openRoom();
  const [phone, desk] = [await newContext(), await newContext()];
  const passes = [];
  for (const context of [phone, desk]) {
    context.on("response", async (answer) => {
      if (answer.url().endsWith("/admit") && answer.status() === 200) passes.push((await answer.json()).pass);
    });
  }
  const one = await join(phone, room.page);
  const link = await linkOf(one);
  expect(link).toContain(`${room.page}#place=`);
  await expect(one.locator("#notices")).toContainText(en.shared);

  const two = await join(desk, link);
  expect(two.url(), "the secret is out of the address").toBe(room.page);
  await expect(two.locator("#notices")).toContainText(en.shared);
  const [mine, carried] = [await recordOf(one), await recordOf(two)];
  expect(carried).toMatchObject({ run: mine.run, secret: mine.secret, cohort: mine.cohort, shard: mine.shard, seq: mine.seq });
  for (const page of [one, two]) await expect(page.locator("#place")).toHaveText("1");
  const status = await one.request.get(new URL("/status/demo.json", room.page).href);
  expect((await status.json()).line, "places in line").toBe(1);

  await room.set("rate", 600);
  const first = await firstInShop(one, two);
  const other = first === one ? two : one;
  await reach(other, "elsewhere");
  await expect(other.locator("#heading")).toHaveText(en.elsewhere);
  await other.locator("#enter").click();
  expect(await inShop(other)).toBe(await first.locator("#visitor").textContent());
  expect(passes.length).toBeGreaterThanOrEqual(2);
  const admissions = passes.map((pass) => JSON.parse(Buffer.from(pass.split(".")[1], "base64url")).jti);
  expect(new Set(admissions).size, "one admission").toBe(1);
});

test("who has a place already is asked which one to keep", async ({ newContext, openRoom }) => {
  const room = await openRoom();
  const one = await join(await newContext(), room.page);
  const link = await linkOf(one);
  const context = await newContext();
  const two = await join(context, room.page);
  const own = await recordOf(two);
  const offered = await context.newPage();

  await offered.goto(link);
  await expect(offered.locator("#offer")).toBeVisible();
  await offered.locator("#mine").click();
  await expect(offered.locator("#offer")).toBeHidden();
  expect((await recordOf(offered)).secret).toBe(own.secret);

  await two.close();
  await offered.goto("about:blank");
  await offered.goto(link);
  await offered.locator("#take").click();
  await expect(offered.locator("#offer")).toBeHidden();
  await reach(offered, "waiting", "nearly");
  expect((await recordOf(offered)).secret).toBe((await recordOf(one)).secret);
  await expect(offered.locator("#place")).toHaveText(await one.locator("#place").textContent());
});

test("a link from an earlier sale is not used, and the page says so", async ({ page, openRoom }) => {
  const room = await openRoom();
  await page.goto(`${room.page}#place=${"0".repeat(32)}.AAECAwQFBgcICQoLDA0ODw`);
  await reach(page, "waiting", "nearly");
  await expect(page.locator("#notices")).toContainText(en.stale);
  expect((await recordOf(page)).secret).not.toBe("AAECAwQFBgcICQoLDA0ODw");
});
