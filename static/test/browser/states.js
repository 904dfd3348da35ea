// Every state of the page, as documents that bring it about.
import {
  NOW, OTHER_SECRET, POSITION, RUN, beforeSale, placed, sealWith, statusAt,
} from "./documents.js";

import { pass, reach } from "./fixtures.js";

const MINUTE = 60000;
const sealed = { status: statusAt(), seal: sealWith(POSITION) };
const problem = (type, status, headers = {}) => ({ status, headers, body: { type: `urn:waiting-room:problem:${type}`, status } });
const come = statusAt(NOW + 1500, { version: 101, admitted: 4330 });
const done = (outcome) => ({ record: placed({ outcome }), documents: sealed, reaches: "expired" });

// open unfolds one of the parts below the place.
const open = (id, ready) => ({
  record: placed(), documents: sealed, reaches: "waiting",
  async then(page) {
    await page.locator(`#${id} > summary`).click();
    await page.locator(`#${id} > div`).locator(ready).first().waitFor();
  },
});

// later shows the place first and then has something else happen.
const later = (change, reaches) => ({
  record: placed(), documents: sealed, reaches,
  async then(page, documents) {
    await reach(page, "waiting");
    Object.assign(documents, change);
    await page.clock.runFor(1500);
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
  },
});

// states maps a name to { record, documents, reaches, hash, then(page, documents), noise }. reaches is the
// state where it differs from the name, noise what the browser rightly complains of.
export const states = {
  loading: { documents: { status: "hang" } },
  unknown: { documents: { status: 404 }, noise: /404/ },
  scheduled: { documents: { status: beforeSale("scheduled", 3 * 60 * MINUTE) } },
  arriving: { documents: { status: beforeSale("prequeue", 4 * MINUTE + 32000) } },
  pool: {
    record: placed({ cohort: 0 }), documents: { status: beforeSale("prequeue", 4 * MINUTE + 32000) },
  },
  joining: { documents: { status: statusAt(), join: "hang" } },
  placing: { record: placed({ cohort: 5 }), documents: sealed },
  waiting: { record: placed(), documents: sealed },
  "waiting-message": {
    record: placed(), reaches: "waiting",
    documents: {
      ...sealed,
      status: statusAt(NOW, {
        stock: "few",
        message: {
          default: "Standing tickets are gone. Seats in the balcony are still left, and they are good ones.",
          ar: "نفدت تذاكر الوقوف. ما زالت هناك مقاعد في الشرفة، وهي مقاعد جيدة.",
        },
      }),
    },
  },
  "waiting-themed": {
    record: placed(), reaches: "waiting",
    documents: { ...sealed, status: statusAt(NOW, { theme: "example" }) },
    then: (page) => page.locator("#shop").waitFor(),
  },
  nearly: { record: placed(), documents: { ...sealed, status: statusAt(NOW, { admitted: 4300 }) } },
  turn: later({ status: come, admit: { pass: "p", redirect: "https://shop.example/checkout" } }, "turn"),
  "turn-held": {
    ...later({ status: come, admit: problem("over-cap", 429, { "retry-after": "50" }) }, "turn"), noise: /429/,
  },
  admitted: { record: placed({ outcome: "admitted" }), documents: sealed },
  elsewhere: { record: placed({ outcome: "elsewhere", shared: true }), documents: sealed },
  "turn-expired": done("turn-expired"),
  "pass-expired": done("pass-expired"),
  refused: done("refused"),
  paused: { record: placed(), documents: { ...sealed, status: statusAt(NOW, { phase: "paused" }) } },
  soldout: {
    record: placed(),
    documents: { ...sealed, status: statusAt(NOW, { phase: "soldout", stock: "none" }) },
  },
  closed: { documents: { status: statusAt(NOW, { phase: "closed", rate: 0, draw_key: "d0".repeat(32) }) } },
  offline: { ...later({ status: "offline" }), noise: /ERR_INTERNET_DISCONNECTED/ },
  busy: { ...later({ status: 503 }), noise: /503/ },
  doubt: { record: placed({ seq: 2 }), documents: sealed, then: (page) => pass(page, 8000) },
  offer: { record: placed(), documents: sealed, reaches: "waiting", hash: `#place=${RUN}.${OTHER_SECRET}` },
  tell: open("tell", "button"),
  carry: {
    ...open("carry", "a, button, input"),
    documents: { ...sealed, qr: { size: 21, path: "M0 0h7v7h-7zM14 0h7v7h-7zM0 14h7v7h-7zM9 9h3v3h-3z" } },
  },
  how: open("how", "dl, button"),
};
