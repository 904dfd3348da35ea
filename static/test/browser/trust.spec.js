// Documents that are wrong: the page shows no place that is not true, and goes on with the next right one.
import { expect, pass, reach, recordOf, test, words } from "./fixtures.js";
import { NOW, POSITION, RUN, answerWith, placed, remember, sealWith, statusAt } from "./documents.js";

const en = words("en");

async function inLine(page, house, documents, record = placed()) {
  await remember(page, record);
  await answerWith(page, documents);
  await page.clock.install({ time: NOW });
  await page.goto(house.page);
}

// next has the page ask for the status, and waits until it has been given what documents say.
async function next(page) {
  const answered = page.waitForResponse((answer) => answer.url().includes("/status/"));
  await pass(page, 1500);
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await answered;
}

const whole = JSON.stringify(statusAt());
const broken = {
  "cut off": { status: 200, body: whole.slice(0, whole.length / 2) },
  "of the wrong type": { status: 200, body: "<!doctype html><title>Welcome to this hotel's network</title>" },
  "a list": { status: 200, body: "[]" },
  "nothing": { status: 200, body: "null" },
  "with a figure that is text": statusAt(NOW, { admitted: "many" }),
  "with a phase that there is not": statusAt(NOW, { phase: "party" }),
  "of another event": statusAt(NOW, { event: "other" }),
};

for (const [name, status] of Object.entries(broken)) {
  test(`a status ${name}`, async ({ page, house }) => {
    const documents = { status, seal: sealWith(POSITION) };
    await inLine(page, house, documents);
    await reach(page, "busy");
    await expect(page.locator("#line")).toBeHidden();
    documents.status = statusAt();
    await pass(page, 20000);
    await reach(page, "waiting");
    documents.status = status;
    await next(page);
    await reach(page, "busy");
    await expect(page.locator("#lead")).toContainText(en.kept);
    await expect(page.locator("#place")).toHaveText("4,321");
  });
}

test("a status of the past is ignored", async ({ page, house }) => {
  const documents = { status: statusAt(), seal: sealWith(POSITION) };
  await inLine(page, house, documents);
  await reach(page, "waiting");
  await expect(page.locator("#ahead")).toHaveText("3,086");
  documents.status = statusAt(NOW, { version: 99, admitted: 1000, phase: "paused" });
  await next(page);
  await expect(page.locator("#ahead")).toHaveText("3,086");
  await reach(page, "waiting");
});

test("a status of another run: afresh, and the page says why", async ({ page, house }) => {
  const documents = {
    status: statusAt(), seal: sealWith(POSITION),
    join: { status: 201, body: { ticket: "v1.new.mac", visitor: "v", cohort: 9, shard: 0, seq: 1 } },
  };
  await inLine(page, house, documents);
  await reach(page, "waiting");
  documents.status = statusAt(NOW, { run: "f".repeat(32), version: 1 });
  await next(page);
  await reach(page, "placing");
  await expect(page.locator("#notices")).toContainText(en.restarted);
  const { run, secret, ticket } = await recordOf(page);
  expect(run).toBe("f".repeat(32));
  expect(secret).not.toBe(placed().secret);
  expect(ticket).toBe("v1.new.mac");
});

test("figures beyond 2^33 are exact", async ({ page, house }) => {
  const far = 2 ** 33 + 5;
  await inLine(page, house, { status: statusAt(NOW, { line: far + 9, admitted: 2 ** 33 - 10 }), seal: sealWith(far) });
  await reach(page, "waiting", "nearly");
  await expect(page.locator("#place")).toHaveText("8,589,934,597");
  await expect(page.locator("#ahead")).toHaveText("14");
});

test("a message with HTML is text", async ({ page, house }) => {
  const message = '<img src=x onerror="document.title=1"><b>Bold</b> & <script>alert(1)</script>';
  await inLine(page, house, { status: statusAt(NOW, { message: { default: message } }), seal: sealWith(POSITION) });
  await reach(page, "waiting");
  await expect(page.locator("#message")).toHaveText(message);
  expect(await page.locator("#message *").count()).toBe(0);
});

const misfits = {
  "that does not count the ticket": { ...sealWith(POSITION), counts: [1, 0, 0] },
  "of another run": { ...sealWith(POSITION), run: "f".repeat(32) },
  "whose counts do not add up": { ...sealWith(POSITION), size: 7 },
  "without a seed": { ...sealWith(POSITION), seed: "none" },
};

for (const [name, seal] of Object.entries(misfits)) {
  test(`a seal ${name}: no place is invented`, async ({ page, house }) => {
    const documents = { status: statusAt(), seal };
    await inLine(page, house, documents);
    await pass(page, 8000);
    await reach(page, "doubt");
    await expect(page.locator("#line")).toBeHidden();
    await expect(page.locator("#heading")).toHaveText(en.doubt);
    documents.seal = sealWith(POSITION);
    await pass(page, 61000);
    await reach(page, "waiting");
    expect((await recordOf(page)).run).toBe(RUN);
  });
}

const themes = {
  "that is not there": 404,
  "whose logo is elsewhere": { logo: "https://elsewhere.example/logo.svg" },
  "whose logo is in another folder": { logo: "../../v1/logo.svg" },
  "whose colours cannot be read": { accent: "#777777", background: "#787878" },
  "of the wrong type": { status: 200, body: "<html>" },
  "with a colour that is code": { accent: "red;background:url(https://elsewhere.example)" },
};

for (const [name, theme] of Object.entries(themes)) {
  test(`a theme ${name} falls back to the default`, async ({ page, house, watch }) => {
    if (theme === 404) watch.allow(/404/);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.route("**/assets/themes/broken.json", (route) => route.fulfill(
      typeof theme === "number" ? { status: theme } : { json: theme.body ? undefined : theme, body: theme.body }));
    await inLine(page, house, { status: statusAt(NOW, { theme: "broken" }), seal: sealWith(POSITION) });
    await reach(page, "waiting");
    await expect.poll(() => asked.filter((url) => url.endsWith("broken.json")).length).toBeGreaterThan(0);
    await next(page);
    const look = () => page.evaluate(() => ["body", "main"].map((name) =>
      getComputedStyle(document.querySelector(name)).backgroundColor).join());
    const worn = await look();
    await expect(page.locator("#shop")).toBeHidden();
    expect(asked.filter((url) => !url.startsWith(house.address))).toEqual([]);
    await page.unroute("**/status/demo.json*");
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await answerWith(page, { status: statusAt(), seal: sealWith(POSITION) });
    await page.reload();
    await reach(page, "waiting");
    expect(worn, "the default look").toBe(await look());
  });
}
