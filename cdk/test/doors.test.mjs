// Holds what docs/connect-a-shop.md shows in JavaScript: a shop on Node, a page that calls an API
// with the pass, and a function behind an HTTP API. Which passes are good is held by docs/doors_test.go.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before, beforeEach, mock, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { newDoor } from '../doors/door.mjs';

const SHOP = 'https://shop.example';
const EVENT = 'show';
const COOKIE = '__Host-waitingroom_pass_show';

const published = []; // the room's keys; empty while it is out of order
let room, address, keys;

before(async () => {
  keys = await Promise.all(['first', 'second'].map(async (kid) => {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg: 'RS256', use: 'sig' } };
  }));
  room = createServer((request, response) => {
    response.writeHead(published.length ? 200 : 502).end(JSON.stringify({ keys: published }));
  });
  await new Promise((listening) => room.listen(0, '127.0.0.1', listening));
  address = `http://127.0.0.1:${room.address().port}`;
});

after(() => new Promise((closed) => {
  room.close(closed);
  room.closeAllConnections();
}));

beforeEach(() => published.splice(0, Infinity, keys[0].jwk));
afterEach(() => mock.timers.reset());

function sign(claims = {}, key = keys[0]) {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({
    iss: address, aud: SHOP, sub: 'visitor-1', event: EVENT, iat: now, exp: now + 1800, jti: 'pass-1', ...claims,
  }).setProtectedHeader({ alg: 'RS256', kid: key.kid }).sign(key.privateKey);
}

function open() {
  return newDoor({ room: address, shop: SHOP, event: EVENT });
}

// visit gives what the door answers, or the claims of who may enter.
async function visit(door, { url = '/checkout', method = 'GET', accept = 'text/html,*/*', cookie } = {}) {
  const answer = { status: 200, headers: {} };
  const response = {
    setHeader: (name, value) => { answer.headers[name] = value; },
    writeHead: (status, headers) => { answer.status = status; Object.assign(answer.headers, headers); return response; },
    end: () => {},
  };
  answer.claims = await door({ url, method, headers: { accept, cookie } }, response);
  return answer;
}

test('a pass moves from the address into a cookie', async () => {
  const door = open();
  const pass = await sign();
  const arrival = await visit(door, { url: `/checkout?seat=7&waitingroom_pass=${pass}` });
  assert.equal(arrival.claims, null);
  assert.equal(arrival.status, 303);
  assert.equal(arrival.headers.Location, `${SHOP}/checkout?seat=7`);
  assert.equal(arrival.headers['Cache-Control'], 'no-store');
  assert.match(arrival.headers['Set-Cookie'], new RegExp(`^${COOKIE}=${pass}; Path=/; Max-Age=(1800|1799); HttpOnly; Secure; SameSite=Lax$`));

  const next = await visit(door, { url: '/checkout?seat=7', cookie: `theme=dark; ${COOKIE}=${pass}` });
  assert.equal(next.claims.sub, 'visitor-1');
  assert.deepEqual(next.headers, {});
});

test('a form that arrives with a pass is not redirected, which would lose it', async () => {
  const pass = await sign();
  const arrival = await visit(open(), { method: 'POST', url: `/checkout?waitingroom_pass=${pass}` });
  assert.equal(arrival.claims.jti, 'pass-1');
  assert.match(arrival.headers['Set-Cookie'], /^__Host-/);
});

test('an old link does not turn away who is in the shop', async () => {
  const cookie = `${COOKIE}=${await sign()}`;
  const old = await sign({ exp: Math.floor(Date.now() / 1000) - 60 });
  const arrival = await visit(open(), { url: `/checkout?waitingroom_pass=${old}`, cookie });
  assert.equal(arrival.headers.Location, `${SHOP}/checkout`);
  assert.equal(arrival.headers['Set-Cookie'], undefined);
});

test('others go to the room, and calls get a 403', async () => {
  const door = open();
  for (const options of [
    {}, { cookie: `${COOKIE}=` }, { cookie: `x${COOKIE}=${await sign()}` }, { cookie: `${COOKIE}=${await sign({ event: 'other' })}` },
    { url: `/checkout?waitingroom_pass=${await sign({ aud: 'https://other.example' })}` },
  ]) {
    const browser = await visit(door, options);
    assert.equal(browser.claims, null);
    assert.equal(browser.status, 303);
    assert.equal(browser.headers.Location, `${address}/show`);
    assert.equal(browser.headers['Set-Cookie'], undefined);
    assert.equal((await visit(door, { ...options, accept: 'application/json' })).status, 403);
    assert.equal((await visit(door, { ...options, method: 'POST' })).status, 403);
  }
});

test('a redirect stays in the shop, whatever the address', async () => {
  const arrival = await visit(open(), { url: `//evil.example/checkout?waitingroom_pass=${await sign()}` });
  assert.equal(new URL(arrival.headers.Location).origin, SHOP);
});

test('an address that is no path names no other host and stops nothing', async () => {
  for (const url of ['*', '@evil.example/', '.evil.example/', ':8443/', 'https://evil.example/checkout', '']) {
    const arrival = await visit(open(), { url: `${url}?waitingroom_pass=${await sign()}` });
    assert.equal(arrival.status, 303, url);
    assert.equal(new URL(arrival.headers.Location).origin, address, url);
    assert.equal((await visit(open(), { url, method: 'OPTIONS' })).status, 403, url);
  }
});

test('while the room is out of order, keys at hand stay in force, and nobody is sent there for want of any', async () => {
  const door = open();
  const cookie = `${COOKIE}=${await sign()}`;
  assert.equal((await visit(door, { cookie })).claims.sub, 'visitor-1');
  published.splice(0);
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 20 * 60e3 });
  assert.equal((await visit(door, { cookie })).claims.sub, 'visitor-1');

  const unchecked = await visit(open(), { cookie });
  assert.equal(unchecked.status, 503);
  assert.equal(unchecked.headers['Retry-After'], '5');
});

test('the first pass with a new key replaces the keys', async () => {
  const door = open();
  const old = `${COOKIE}=${await sign()}`;
  assert.equal((await visit(door, { cookie: old })).claims.sub, 'visitor-1');
  published.splice(0, 1, keys[1].jwk);
  assert.equal((await visit(door, { cookie: old })).claims.sub, 'visitor-1');
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 6000 });
  assert.equal((await visit(door, { cookie: `${COOKIE}=${await sign({}, keys[1])}` })).claims.sub, 'visitor-1');
  mock.timers.tick(6000);
  assert.equal((await visit(door, { cookie: old })).status, 303);
});

// A browser as far as page.mjs needs one.
function browse(address, stored = {}) {
  const store = new Map(Object.entries(stored));
  const page = { address, left: null, requests: [], store, status: 200 };
  globalThis.location = { get href() { return page.address; }, replace: (to) => { page.left = to; } };
  globalThis.history = { state: { step: 1 }, replaceState: (state, _, to) => { page.state = state; page.address = String(to); } };
  globalThis.sessionStorage = {
    getItem: (name) => store.get(name) ?? null, setItem: (name, value) => store.set(name, value), removeItem: (name) => store.delete(name),
  };
  mock.method(globalThis, 'fetch', async (to, options) => {
    page.requests.push({ to, options });
    return new Response(null, { status: page.status });
  });
  return page;
}

const { takePass, call, PassRefused } = await import('../doors/page.mjs');

test('the page keeps the pass and takes it out of the address', () => {
  const page = browse(`${SHOP}/checkout?seat=7&waitingroom_pass=a.b.c#form`);
  takePass();
  assert.equal(page.address, `${SHOP}/checkout?seat=7#form`);
  assert.deepEqual(page.state, { step: 1 });
  assert.equal(page.store.get('waitingroom_pass'), 'a.b.c');
  assert.equal(page.left, null);
});

test('the page leads those without a pass to the room', () => {
  const reload = browse(`${SHOP}/checkout`, { waitingroom_pass: 'a.b.c' });
  takePass();
  assert.equal(reload.left, null);
  assert.equal(reload.address, `${SHOP}/checkout`);

  const page = browse(`${SHOP}/checkout`);
  takePass();
  assert.equal(page.left, 'https://wait.example.com/show');
});

test('the page sends the pass with its calls', async () => {
  const page = browse(`${SHOP}/checkout`, { waitingroom_pass: 'a.b.c' });
  const response = await call('/api/orders', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  assert.equal(response.status, 200);
  const [{ to, options }] = page.requests;
  assert.equal(to, '/api/orders');
  assert.equal(options.method, 'POST');
  assert.equal(options.body, '{}');
  assert.deepEqual(Object.fromEntries(options.headers), { authorization: 'Bearer a.b.c', 'content-type': 'application/json' });
});

test('a refused pass is forgotten, and the page goes nowhere by itself', async () => {
  for (const status of [401, 403]) {
    const page = browse(`${SHOP}/checkout`, { waitingroom_pass: 'a.b.c' });
    page.status = status;
    await assert.rejects(call('/api/orders'), (error) => error instanceof PassRefused && error.room === 'https://wait.example.com/show');
    assert.equal(page.store.size, 0);
    assert.equal(page.left, null);
  }
  const page = browse(`${SHOP}/checkout`, { waitingroom_pass: 'a.b.c' });
  page.status = 500;
  assert.equal((await call('/api/orders')).status, 500);
  assert.equal(page.store.size, 1);
});

// As API Gateway sends it, payload format 2.0: claims are texts.
function order(event) {
  return {
    version: '2.0', routeKey: 'POST /orders', rawPath: '/orders', body: '{"seat":7}', isBase64Encoded: false,
    requestContext: {
      authorizer: {
        jwt: {
          claims: { iss: 'https://wait.example.com', aud: SHOP, sub: 'visitor-1', event, iat: '1800000000', exp: '1800001800', jti: 'pass-1' },
          scopes: null,
        },
      },
    },
  };
}

test('the function behind the API looks at the event', async () => {
  process.env.EVENT = EVENT;
  const { handler } = await import('../doors/orders.mjs');
  assert.deepEqual(await handler(order('show')), { statusCode: 201, body: '{"order":{"seat":7},"pass":"pass-1"}' });
  assert.deepEqual(await handler(order('other')), { statusCode: 403 });
  assert.deepEqual(await handler(order(undefined)), { statusCode: 403 });
});
