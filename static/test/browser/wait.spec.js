// What a visit costs: requests and bytes as the browser counts them.
import { createServer, request } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, pass, reach, test } from "./fixtures.js";
import { NOW, POSITION, sealWith, statusAt } from "./documents.js";

const FIRST = 14000; // bytes of all that it takes to join and to wait, compressed, as they come
const MOST = 25; // requests of a ten-minute wait
const TEN_MINUTES = 600000;

// front stands before the room and answers with documents of its own, compressed as the CDN does.
async function front(room, documents) {
  const server = createServer((asked, answer) => {
    const path = new URL(asked.url, room).pathname;
    const own = Object.keys(documents).find((part) => path.includes(part));
    if (!own) {
      const onward = request(room + asked.url, { method: asked.method, headers: asked.headers }, (came) => {
        answer.writeHead(came.statusCode, came.headers);
        came.pipe(answer);
      });
      return asked.pipe(onward);
    }
    answer.writeHead(200, { "Content-Type": "application/json", "Content-Encoding": "gzip", "Cache-Control": "no-store" });
    answer.end(gzipSync(JSON.stringify(documents[own]())));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

// meter counts what comes over the network: [address, bytes of the body, bytes of the headers].
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  const open = new Map();
  const loads = [];
  session.on("Network.requestWillBeSent", ({ requestId, request }) => open.set(requestId, new URL(request.url).pathname));
  session.on("Network.responseReceived", ({ requestId, response }) => {
    loads.push({ requestId, url: open.get(requestId), headers: response.encodedDataLength, body: 0 });
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const load = loads.find((one) => one.requestId === requestId);
    load.body = encodedDataLength - load.headers;
  });
  await session.send("Network.enable");
  return (left = () => true) => {
    const kept = loads.filter(({ url }) => left(url));
    const sum = (name) => kept.reduce((total, load) => total + load[name], 0);
    return {
      requests: kept.length, urls: kept.map(({ url }) => url), all: sum("body") + sum("headers"),
      list: kept.map(({ url, headers, body }) => `${url} ${body} + ${headers}`).join("\n"),
    };
  };
}

// compressed is a file's size as the browser is sent it, without the frames of HTTP/1.1, which the
// CDN's HTTP/2 does not have.
function compressed(url) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { "Accept-Encoding": "gzip" } }, async (answer) => {
      let bytes = 0;
      for await (const part of answer) bytes += part.length;
      resolve(bytes);
    });
    asked.on("error", reject).end();
  });
}

// Chance makes the page ask a little earlier or later. That it is the least every time happens to nobody.
for (const chance of [0.25, 0.75]) {
  test(`a wait of ten minutes, with chance at ${chance}`, async ({ page, house, watch }) => {
    test.setTimeout(120000); // six hundred steps of a second
    watch.allow(/favicon/); // of the shop
    let now = NOW;
    // The line moves evenly and comes to the visitor's place after ten minutes.
    const admitted = () => Math.floor(POSITION * (now - NOW) / TEN_MINUTES);
    const documents = {
      "/status/": () => statusAt(now, {
        version: 100 + Math.floor((now - NOW) / 1000), admitted: admitted(), rate: Math.round(POSITION / 10),
      }),
      "/seals/": () => sealWith(POSITION),
      "/join": () => ({ ticket: "v1.ticket.mac", visitor: "v", cohort: 3, shard: 1, seq: 1 }),
      "/admit": () => ({ pass: "p", redirect: `${site.address}/v1/shop` }),
      "/v1/shop": () => ({}),
    };
    const site = await front(house.address, documents);
    const counted = await meter(page);
    await page.addInitScript((value) => { Math.random = () => value; }, chance);
    await page.clock.install({ time: NOW - 1000 });
    await page.clock.pauseAt(NOW);
    await page.goto(`${site.address}/demo`);
    await reach(page, "waiting");
    let turn = null;
    while (!page.url().endsWith("/shop")) {
      expect(now - NOW, counted().list).toBeLessThan(TEN_MINUTES + 60000);
      await pass(page, 1000);
      now += 1000;
      if (turn === null && admitted() >= POSITION) turn = now;
    }
    site.close();
    const { requests, all, list } = counted((url) => url !== "/v1/shop" && url !== "/favicon.ico");
    console.log(`A wait of ten minutes: ${requests} requests, ${all} bytes with headers, in the shop ${(now - turn) / 1000} s after the turn.`);
    expect(requests, list).toBeLessThanOrEqual(MOST);
    expect(now - turn).toBeLessThan(15000);
  });
}

const NEEDED = /^\/(demo$|assets\/(?!later\.js|icon\.svg))/;

for (const locale of ["en-GB", "el", "hi"]) {
  test.describe(locale, () => {
    test.use({ locale });
    test("what it takes to join and to wait fits in the first round trip", async ({ page, openRoom }) => {
      const room = await openRoom();
      const counted = await meter(page);
      await page.goto(room.page);
      await reach(page, "waiting", "nearly");
      const needed = [];
      for (const url of counted((path) => NEEDED.test(path)).urls) needed.push([url, await compressed(room.address + url)]);
      const sum = needed.reduce((total, [, bytes]) => total + bytes, 0);
      console.log(`A first visit in ${locale}: ${sum} bytes to join and to wait; ` +
        `${counted().requests} requests, ${counted().all} bytes with headers until the place is shown.`);
      expect(needed.length).toBeGreaterThan(4);
      expect(sum, needed.join("\n")).toBeLessThan(FIRST);
    });
  });
}
