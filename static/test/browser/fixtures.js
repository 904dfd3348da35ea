// What every test of the page has: a room, a watch on what the browser complains of, and the page's words.
import { readFileSync } from "node:fs";
import { expect, test as base } from "@playwright/test";
import { startRoom } from "./room.js";

export { expect };

const root = new URL("../../", import.meta.url);

export const words = (tag) => JSON.parse(readFileSync(new URL(`assets/words/${tag}.json`, root), "utf8"));
export const moreWords = (tag) => JSON.parse(readFileSync(new URL(`assets/words/more/${tag}.json`, root), "utf8"));

// say puts values into a text as the page does.
export const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Traffic knows which requests of a browser are under way.
class Traffic {
  #open = new Set();
  #waiting = [];

  constructor(context) {
    context.on("request", (request) => this.#open.add(request));
    for (const end of ["requestfinished", "requestfailed"]) {
      context.on(end, (request) => {
        this.#open.delete(request);
        if (this.#open.size === 0) this.#waiting.splice(0).forEach((resume) => resume());
      });
    }
  }

  async quiet() {
    while (this.#open.size > 0) await new Promise((resolve) => this.#waiting.push(resolve));
  }
}

const traffic = new WeakMap();

// Watch collects errors, warnings, exceptions and violations of the page's policy. allow takes patterns
// of what a test brings about itself.
class Watch {
  complaints = [];
  #allowed = [];
  #over = false;

  allow(...patterns) {
    this.#allowed.push(...patterns);
  }

  // end is for what a page complains of when its room is taken away behind the test.
  end() {
    this.#over = true;
  }

  // context is watched with all pages that it has and gets.
  on(context) {
    traffic.set(context, new Traffic(context));
    context.on("console", (message) => {
      if (!this.#over && ["error", "warning"].includes(message.type())) {
        this.complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
      }
    });
    context.on("weberror", (error) => this.complaints.push(`exception: ${error.error()}`));
    return context;
  }

  heard() {
    return this.complaints.filter((text) => !this.#allowed.some((pattern) => pattern.test(text)));
  }
}

export const test = base.extend({
  // watch fails the test if the browser has complained.
  watch: async ({}, use) => {
    const watch = new Watch();
    await use(watch);
    expect(watch.heard(), "the browser complains").toEqual([]);
  },

  context: async ({ context, watch }, use) => use(watch.on(context)),

  // openRoom starts a room that ends with the test. That the shop is full is an answer, not a fault.
  openRoom: async ({ watch }, use) => {
    watch.allow(/status of 429 .*\/admit$/);
    const rooms = [];
    await use(async (options) => {
      const room = await startRoom(options);
      rooms.push(room);
      await room.when(() => true);
      return room;
    });
    watch.end();
    await Promise.all(rooms.map((room) => room.stop()));
  },

  // house is a room for tests that give the page all documents themselves.
  house: [async ({}, use) => {
    const room = await startRoom({ onsale: "1h" });
    await use(room);
    await room.stop();
  }, { scope: "worker" }],

  // newContext opens another browser's worth of state, watched as well.
  newContext: async ({ browser, watch }, use) => {
    const contexts = [];
    await use(async (options = {}) => {
      const context = watch.on(await browser.newContext({ locale: "en-GB", ...options }));
      contexts.push(context);
      return context;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
});

// reach waits until the page is in one of the states.
export async function reach(page, ...states) {
  await expect(page.locator("main")).toHaveAttribute("data-state", new RegExp(`^(${states.join("|")})$`));
}

// recordOf is what the page keeps of its visitor.
export const recordOf = (page) =>
  page.evaluate(() => JSON.parse(localStorage.getItem("waiting-room:demo") ?? "null"));

// keeps checks that the page still has the same place.
export async function keeps(page, before) {
  const { run, secret, ticket, cohort, shard, seq } = before;
  expect(await recordOf(page)).toMatchObject({ run, secret, ticket, cohort, shard, seq });
}

// inShop waits for the demo shop and gives the visitor that it let in.
export async function inShop(page) {
  await expect(page.locator("#pass-checked")).toBeVisible();
  return page.locator("#visitor").textContent();
}

// firstInShop has the pages look at the line until one of them is let in, and gives that one.
export async function firstInShop(...pages) {
  let first;
  await expect(async () => {
    await Promise.all(pages.map(poke));
    first = await Promise.any(pages.map(async (page) => {
      await page.locator("#pass-checked").waitFor({ timeout: 2000 });
      return page;
    }));
  }).toPass({ timeout: 30000 });
  return first;
}

// pass lets time go by on the clock that the test has installed. Answers come in the time in which
// they were asked for: a clock that jumps would have the page give up on them.
export async function pass(page, ms) {
  for (let passed = 0; passed < ms; passed += 1000) {
    await page.clock.runFor(Math.min(1000, ms - passed));
    await traffic.get(page.context()).quiet();
    await page.evaluate(() => {}).catch(() => {}); // on its way to the shop, the page has no answer
  }
}

// A page on its way to the shop does not listen any more.
const poke = (page) => page.evaluate(() => window.dispatchEvent(new Event("online"))).catch(() => {});

// lookAgain has the page ask for the status before it would have, until what is expected holds.
export async function lookAgain(page, expected) {
  await expect(async () => {
    await poke(page);
    await expected({ timeout: 1500 });
  }).toPass({ timeout: 15000 });
}
