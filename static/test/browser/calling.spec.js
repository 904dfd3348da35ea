// The turn comes while nobody looks.
import { expect, inShop, lookAgain, pass, reach, test, words, moreWords } from "./fixtures.js";
import { NOW, POSITION, answerWith, placed, remember, sealWith, statusAt } from "./documents.js";

const en = words("en");

// lookAway and lookBack stand for another tab in front, which a browser without a screen does not have.
async function watchable(page) {
  await page.addInitScript(() => {
    window.away = false;
    Object.defineProperty(document, "hidden", { get: () => window.away });
    Object.defineProperty(document, "visibilityState", { get: () => (window.away ? "hidden" : "visible") });
    window.look = (away) => {
      window.away = away;
      document.dispatchEvent(new Event("visibilitychange"));
    };
  });
}

// inLineWith is a visitor in line whose turn comes with the next status.
async function inLineWith(page, house, documents) {
  await watchable(page);
  await remember(page, placed());
  await answerWith(page, documents);
  await page.route("https://shop.example/**", (route) => route.fulfill({ contentType: "text/html", body: "<title>shop</title>" }));
  await page.clock.install({ time: NOW - 1000 });
  await page.clock.pauseAt(NOW);
  await page.goto(house.page);
  await reach(page, "waiting");
}

const waiting = () => ({
  status: statusAt(), seal: sealWith(POSITION),
  admit: { pass: "p", redirect: "https://shop.example/checkout" },
});
const turnComes = (documents) => {
  documents.status = statusAt(NOW + 60000, { version: 200, admitted: POSITION });
};

// turnUnseen has the turn come while the tab is hidden, and gives the claims that are made from then on.
async function turnUnseen(page, house) {
  const documents = waiting();
  const claims = [];
  page.on("request", (request) => request.url().endsWith("/admit") && claims.push(request));
  await inLineWith(page, house, documents);
  await page.evaluate(() => window.look(true));
  turnComes(documents);
  await pass(page, 5000);
  await reach(page, "turn");
  return claims;
}

test("a hidden tab calls, holds the claim, and goes when it is looked at", async ({ page, house }) => {
  const claims = await turnUnseen(page, house);
  await expect(page).toHaveTitle(new RegExp(en.turn));
  await pass(page, 20000);
  expect(claims).toEqual([]);
  await page.evaluate(() => window.look(false));
  await expect.poll(() => claims.length).toBe(1);
  await pass(page, 2000);
  await expect(page).toHaveURL("https://shop.example/checkout");
});

test("a hidden tab that nobody looks at goes after half a minute", async ({ page, house }) => {
  const claims = await turnUnseen(page, house);
  expect(claims).toEqual([]);
  await pass(page, 20000);
  expect(claims).toEqual([]);
  await pass(page, 15000);
  expect(claims.length).toBe(1);
  await expect(page).toHaveURL("https://shop.example/checkout");
});

test("who asked for it hears a sound and sees a notification", async ({ page, context, house }) => {
  await context.grantPermissions(["notifications"], { origin: house.address });
  await page.addInitScript(() => {
    window.calls = [];
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) {
      window.calls.push("tone");
      return start.apply(this, when);
    };
    ServiceWorkerRegistration.prototype.showNotification = async (title) => { window.calls.push(title); };
    window.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor(title) { window.calls.push(title); }
      close() {}
    };
  });
  const documents = waiting();
  await inLineWith(page, house, documents);
  await page.locator("#tell > summary").click();
  await page.locator("#tell button").click();
  await expect(page.locator("#tell button")).toHaveText(moreWords("en")["tell.stop"]);
  const before = await page.evaluate(() => window.calls.splice(0));
  expect(before, "the click lets it be heard").toContain("tone");

  await page.evaluate(() => window.look(true));
  turnComes(documents);
  await pass(page, 5000);
  await reach(page, "turn");
  await expect.poll(() => page.evaluate(() => window.calls)).toContain(en.turn);
  expect(await page.evaluate(() => window.calls)).toContain("tone");
});

test("who did not ask for it is not disturbed", async ({ page, house }) => {
  await page.addInitScript(() => {
    window.calls = [];
    window.AudioContext = class { constructor() { window.calls.push("sound"); } };
    window.Notification = class {
      static permission = "granted";
      constructor(title) { window.calls.push(title); }
      static requestPermission() { window.calls.push("asked"); }
    };
  });
  const documents = waiting();
  await inLineWith(page, house, documents);
  await page.evaluate(() => window.look(true));
  turnComes(documents);
  await pass(page, 5000);
  await reach(page, "turn");
  expect(await page.evaluate(() => window.calls)).toEqual([]);
});

test("a background tab comes to the shop by itself", async ({ page, openRoom }) => {
  await watchable(page);
  const room = await openRoom();
  await page.clock.install();
  await page.goto(room.page);
  await reach(page, "waiting", "nearly");
  await page.evaluate(() => window.look(true));
  await room.set("rate", 600);
  await lookAgain(page, (limit) => expect(page.locator("main")).toHaveAttribute("data-state", "turn", limit));
  await pass(page, 33000);
  await inShop(page);
});
