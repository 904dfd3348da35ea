// Documents of a room in any situation, given to the page in place of the room's own, with times and
// figures that never change.
const MINUTE = 60000;

export const RUN = "0123456789abcdef0123456789abcdef";
const SECRET = "AAECAwQFBgcICQoLDA0ODw";
export const OTHER_SECRET = "EBESExQVFhcYGRobHB0eHw";

// NOW is the server's time and, unless a test sets it wrong, the visitor's.
export const NOW = Date.parse("2026-11-21T10:05:00.500Z");

const stamp = (ms) => new Date(ms).toISOString().replace(/\.\d+/, "");

// statusAt is a status document at a time, of a line that opened at 11 o'clock in Copenhagen.
export function statusAt(now = NOW, change = {}) {
  return {
    event: "demo", run: RUN, version: 100, phase: "open", time: stamp(now),
    prequeue: "2026-11-21T09:30:00Z", onsale: "2026-11-21T10:00:00Z", closes: "2026-11-22T10:00:00Z",
    sealed: 5, line: 30000, admitted: 1234, expired: 0, rate: 500, claim_window: 600,
    stock: "plenty", commit: "c0".repeat(32), ...change,
  };
}

// beforeSale moves the sale so that it starts a while from now.
export function beforeSale(phase, ms) {
  return statusAt(NOW, {
    phase, sealed: 0, line: 0, admitted: 0, rate: 0,
    prequeue: stamp(NOW + ms - 30 * MINUTE), onsale: stamp(NOW + ms), closes: stamp(NOW + ms + 24 * 60 * MINUTE),
  });
}

// sealWith puts the ticket of placedRecord at a position.
export const sealWith = (position) => ({
  event: "demo", run: RUN, cohort: 3, base: position - 1, counts: [0, 1, 0], size: 1, seed: "5e".repeat(32),
});

export const POSITION = 4321;

// placed is the record of a visitor who has joined.
export const placed = (change = {}) => ({
  run: RUN, secret: SECRET, ticket: "v1.ticket.mac", cohort: 3, shard: 1, seq: 1, from: 0, ...change,
});

const TYPES = { problem: "application/problem+json", json: "application/json" };

// answerWith serves documents: status, seal, join, admit, qr. Each is a body, an HTTP status, "hang",
// "offline", or a function of the request that gives one of them. Changing the object changes the answers.
export async function answerWith(page, documents) {
  const serve = (name) => async (route) => {
    let answer = documents[name] ?? 404;
    if (typeof answer === "function") answer = await answer(route.request());
    if (answer === "hang") return;
    if (answer === "offline") return route.abort("internetdisconnected");
    if (typeof answer === "number") answer = { status: answer, body: { type: "about:blank", status: answer } };
    if (!answer.status || !answer.body) answer = { status: 200, body: answer };
    const { status, body, headers } = answer;
    await route.fulfill({
      status,
      headers: { date: new Date(documents.now ?? NOW).toUTCString(), "cache-control": "no-store", ...headers },
      contentType: status < 400 ? TYPES.json : TYPES.problem,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  };
  await page.route("**/status/demo.json*", serve("status"));
  await page.route("**/seals/demo/**", serve("seal"));
  await page.route("**/v1/events/demo/join", serve("join"));
  await page.route("**/v1/events/demo/admit", serve("admit"));
  await page.route("**/v1/events/demo/qr", serve("qr"));
}

// remember gives the page a record before it starts. What the page writes later stays.
export async function remember(page, record) {
  await page.addInitScript((text) => {
    if (localStorage.getItem("waiting-room:demo") === null) localStorage.setItem("waiting-room:demo", text);
  }, JSON.stringify(record));
}

// stand makes time stand still at a moment, and chance too.
export async function stand(page, time = NOW) {
  await page.context().addInitScript(() => {
    window.timers = { setTimeout: window.setTimeout.bind(window), clearTimeout: window.clearTimeout.bind(window) };
    Math.random = () => 0.5;
  });
  await page.clock.install({ time: time - 60000 });
  await page.clock.pauseAt(time);
}
