import assert from "node:assert/strict";
import { test } from "node:test";
import { makeBell } from "../assets/bell.js";
import { makeContext, makeDocument, makePanel } from "./document.mjs";

const KEY = "waiting-room-bell:demo";

// A turn of the event loop: everything that was asked of the fakes has answered.
const settle = () => new Promise(setImmediate);

// makeWindow is a browser that notes what is asked of it in did. answer is the visitor's to the
// question about notifications.
function makeWindow({ permission = "default", answer = "granted", wished = false, without = [] } = {}) {
  const did = [];
  const stored = new Map(wished ? [[KEY, "1"]] : []);
  const document = Object.assign(makeDocument(), { hidden: false, hasFocus: () => true });
  const gain = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
  const shown = [];
  const worker = {
    active: {},
    async showNotification(title, options) {
      did.push(`worker shows ${title}`);
      shown.push({ title, options, close: () => did.push("worker closes") });
    },
    getNotifications: async ({ tag }) => shown.filter(({ options }) => options.tag === tag),
  };
  class Notification {
    static permission = permission;
    static async requestPermission() {
      did.push("ask");
      return (Notification.permission = permission === "default" ? answer : permission);
    }
    constructor(title, options) {
      did.push(`show ${title}`);
      shown.push({ title, options });
    }
    close() {
      did.push("close");
    }
  }
  class AudioContext {
    state = "suspended";
    currentTime = 0;
    async resume() {
      this.state = "running";
      this.onstatechange?.();
    }
    async close() {
      did.push("silence");
    }
    createGain = () => ({ gain, connect() {}, disconnect: () => did.push("hush") });
    createOscillator = () => ({
      frequency: {}, connect() {}, start: (at) => did.push(`tone ${at.toFixed(2)}`), stop() {},
    });
  }
  class Lock {
    #dropped = [];
    addEventListener(_, listener) {
      this.#dropped.push(listener);
    }
    async release() {
      did.push("sleep");
      this.#dropped.forEach((listener) => listener());
    }
  }
  const locks = [];
  const navigator = {
    vibrate: () => did.push("vibrate"),
    wakeLock: {
      async request() {
        did.push("awake");
        locks.push(new Lock());
        return locks.at(-1);
      },
    },
    serviceWorker: {
      async register(address) {
        did.push(`register ${address}`);
        return worker;
      },
    },
  };
  const localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  };
  const env = { document, navigator, localStorage, Notification, AudioContext, focus: () => did.push("focus") };
  for (const name of without) delete (name in env ? env : navigator)[name];
  return {
    env, did, shown, stored, locks, worker,
    tones: () => did.filter((what) => what.startsWith("tone")).length,
    async hide(hidden) {
      document.hidden = hidden;
      if (hidden) await locks.at(-1)?.release();
      await document.dispatch("visibilitychange");
      await settle();
    },
  };
}

async function opened(settings) {
  const window = makeWindow(settings);
  const bell = makeBell(window.env);
  const panel = makePanel(window.env.document);
  const context = makeContext();
  bell.open(panel, context);
  await settle();
  const button = panel.one("button");
  const lines = () => panel.one("div").all("p").map((line) => line.textContent);
  const press = async () => {
    await button.dispatch("click");
    await settle();
  };
  return { ...window, bell, panel, context, button, lines, press };
}

test("nothing is asked for, and nothing heard, without a click", async () => {
  const { bell, did, stored, button, lines } = await opened();
  bell.call();
  await settle();
  assert.deepEqual(did, []);
  assert.equal(stored.size, 0);
  assert.equal(button.textContent, "tell.start");
  assert.deepEqual(lines(), []);
});

test("a click plays the sound once, asks, keeps the screen on, and says what works", async () => {
  const { did, stored, context, button, lines, press } = await opened();
  await press();
  assert.deepEqual(did, [
    "tone 0.05", "tone 0.27", "tone 0.49", "ask", "awake", "register /assets/bell-worker.js",
  ]);
  assert.deepEqual(lines(), ["tell.sound", "tell.notice", "tell.awake"]);
  assert.deepEqual(context.said, ["tell.sound tell.notice tell.awake"]);
  assert.equal(button.textContent, "tell.stop");
  assert.ok(stored.has(KEY));
});

test("what is denied, or not there, is not promised", async () => {
  const cases = [
    [{ answer: "denied" }, ["tell.denied", "tell.awake"]],
    [{ permission: "denied" }, ["tell.denied", "tell.awake"]],
    [{ answer: "default" }, ["tell.sound", "tell.awake"]],
    [{ without: ["Notification"] }, ["tell.sound", "tell.awake"]],
    [{ without: ["wakeLock"] }, ["tell.sound", "tell.notice"]],
    [{ without: ["AudioContext"] }, ["tell.notice", "tell.awake"]],
    [{ without: ["Notification", "AudioContext", "wakeLock", "serviceWorker", "localStorage"] }, []],
  ];
  for (const [settings, want] of cases) {
    const { bell, lines, press } = await opened(settings);
    await press();
    assert.deepEqual(lines(), want, JSON.stringify(settings));
    bell.call(); // must not throw
    await settle();
  }
});

test("in a hidden tab it rings for half a minute, and until somebody looks", async () => {
  const { bell, did, shown, hide, press, tones } = await opened();
  await press();
  await hide(true);
  did.length = 0;
  bell.call();
  await settle();
  assert.equal(tones(), 30);
  assert.equal(did.findLast((what) => what.startsWith("tone")), "tone 27.49");
  assert.deepEqual(did.filter((what) => !what.startsWith("tone")), ["hush", "worker shows turn", "vibrate"]);
  const [{ options }] = shown;
  assert.deepEqual([options.body, options.data, options.tag, options.lang], ["demo", "demo", KEY, "da"]);
  assert.equal(options.requireInteraction, true);
  did.length = 0;
  await hide(false);
  assert.deepEqual(did, ["hush", "awake", "worker closes"]);
});

test("somebody who is looking hears it once and sees no notification", async () => {
  const { bell, did, shown, press, tones } = await opened();
  await press();
  did.length = 0;
  bell.call();
  await settle();
  assert.equal(tones(), 3);
  assert.deepEqual(shown, []);
});

test("the notification has the shop's name where there is one", async () => {
  const { env, bell, shown, hide, press } = await opened();
  env.document.querySelector = (selector) => selector === "#shop" && { textContent: "Hall" };
  await press();
  await hide(true);
  bell.call();
  await settle();
  assert.equal(shown[0].options.body, "Hall");
});

test("without a worker that is ready, the page shows the notification itself", async () => {
  for (const unready of [{ without: ["serviceWorker"] }, {}]) {
    const { bell, did, worker, hide, press } = await opened(unready);
    worker.active = null;
    await press();
    await hide(true);
    bell.call();
    await settle();
    assert.ok(did.includes("show turn"));
    await hide(false);
    assert.ok(did.includes("close"));
  }
});

test("a second click ends all of it, and the turn's end too", async () => {
  const ends = [
    ({ press }) => press(),
    ...["admitted", "elsewhere", "expired", "closed"].map((state) => ({ context }) => context.show({ state })),
  ];
  for (const end of ends) {
    const page = await opened();
    await page.press();
    page.did.length = 0;
    await end(page);
    await settle();
    assert.deepEqual(page.did.sort(), ["silence", "sleep"]);
    assert.equal(page.stored.size, 0);
    assert.deepEqual(page.lines(), []);
    assert.equal(page.button.textContent, "tell.start");
    page.did.length = 0;
    page.bell.call();
    await page.hide(false);
    assert.deepEqual(page.did, []);
  }
});

test("the screen's lock is taken again when the page is shown again, and one at a time", async () => {
  const { did, lines, locks, hide, press } = await opened();
  await press();
  await hide(true);
  assert.deepEqual(lines(), ["tell.sound", "tell.notice"]);
  await hide(false);
  await hide(false);
  assert.deepEqual(lines(), ["tell.sound", "tell.notice", "tell.awake"]);
  assert.equal(locks.length, 2);
  assert.ok(did.includes("sleep"));
});

test("after a reload the wish stands, and the sound comes back with the next gesture", async () => {
  const { env, did, button, lines, tones } = await opened({ wished: true, permission: "granted" });
  assert.deepEqual(did, ["awake", "register /assets/bell-worker.js"]);
  assert.deepEqual(lines(), ["tell.notice", "tell.awake"]);
  assert.equal(button.textContent, "tell.start");
  await env.document.dispatch("keydown");
  await settle();
  assert.deepEqual(lines(), ["tell.sound", "tell.notice", "tell.awake"]);
  assert.equal(button.textContent, "tell.stop");
  assert.equal(tones(), 0);
});

test("after a reload a click on the button asks as ever", async () => {
  const { env, button, lines, press, panel, tones } = await opened({ wished: true, permission: "granted" });
  button.around = panel; // within the panel, where a gesture changes nothing
  const [listener] = env.document.listeners.pointerup;
  listener({ target: button });
  await press();
  assert.deepEqual(lines(), ["tell.sound", "tell.notice", "tell.awake"]);
  assert.equal(tones(), 3);
});

test("another language changes the words and nothing else", async () => {
  const { bell, did, panel, press } = await opened();
  await press();
  did.length = 0;
  bell.open(panel, makeContext({ say: (key) => `zh ${key}` }));
  await settle();
  assert.equal(panel.one("button").textContent, "zh tell.stop");
  assert.equal(panel.one("div").textContent, "zh tell.soundzh tell.noticezh tell.awake");
  assert.deepEqual(did, []);
});

test("a click on the notification brings the room's window, or opens one", async () => {
  let click;
  const windows = [];
  const opened = [];
  globalThis.self = {
    addEventListener: (name, listener) => name === "notificationclick" && (click = listener),
    clients: {
      async matchAll(options) {
        assert.deepEqual(options, { type: "window", includeUncontrolled: true });
        return windows;
      },
      openWindow: async (address) => opened.push(address),
    },
  };
  await import("../assets/bell-worker.js");
  const press = async () => {
    let done;
    click({ notification: { data: "demo", close() {} }, waitUntil: (promise) => (done = promise) });
    await done;
  };
  windows.push({ url: "https://wait.example/demo-2", focus: () => opened.push("wrong") });
  await press();
  windows.push({ url: "https://wait.example/demo?x#y", focus: () => opened.push("focus") });
  await press();
  assert.deepEqual(opened, ["/demo", "focus"]);
});
