// The edge gate in Node, from the code that is deployed, against recorded events and passes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { cases } from './edge_gate_cases.mjs';
import { addressed, ask, deployed, load, recorded, sign, summary } from './edge_gate_code.mjs';

const run = load(deployed());

async function answers(how, wanted) {
  const answer = await how(wanted.event, wanted);
  return summary(answer, wanted.event);
}

for (const wanted of cases) {
  test(wanted.name, async () => {
    assert.deepEqual(await answers(run, wanted), wanted.want);
  });
}

test('no two cases have the same name', () => {
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
});

test('the source with its comments answers the same', async () => {
  const readable = load(addressed());
  for (const wanted of cases) {
    assert.deepEqual(await answers(readable, wanted), wanted.want, wanted.name);
  }
});

const store = { key: recorded.key, event: 'demo', paths: '/checkout' };
const now = (recorded.iat + 60) * 1000;
const good = recorded.passes.good;

test('a pass with any byte changed is none', async () => {
  for (let at = 0; at < good.length; at++) {
    for (const bit of [1, 2, 32]) {
      const changed = good.slice(0, at) + String.fromCharCode(good.charCodeAt(at) ^ bit) + good.slice(at + 1);
      const answer = await run(ask('/checkout', { cookie: changed }), { store, now });
      assert.equal(answer.statusCode, 303, `byte ${at} with bit ${bit}`);
    }
  }
});

test('a pass with any byte taken out is none', async () => {
  for (let at = 0; at < good.length; at++) {
    const answer = await run(ask('/checkout', { cookie: good.slice(0, at) + good.slice(at + 1) }), { store, now });
    assert.equal(answer.statusCode, 303, `byte ${at}`);
  }
});

test('a pass made here is the one that the room makes', () => {
  const claims = JSON.parse(Buffer.from(good.split('.')[1], 'base64url'));
  assert.equal(sign(claims), good);
});

test('a browser that keeps the cookie reaches the clean address', async () => {
  const jar = {};
  const visited = [];
  let address = `/checkout?a=%20&waitingroom_pass=${good}&b`;
  for (let hop = 0; hop < 5; hop++) {
    const event = ask(address, { cookies: jar });
    const answer = await run(event, { store, now });
    if (answer.statusCode === undefined) {
      assert.equal(address, '/checkout?a=%20&b');
      assert.equal(visited.length, 2);
      return;
    }
    Object.assign(jar, answer.cookies);
    address = answer.headers.location.value.slice(recorded.shop.length);
    visited.push(address);
  }
  assert.fail(`goes round: ${visited.join(' ')}`);
});

test('a browser that refuses the cookie is not sent round', async () => {
  const arrival = await run(ask(`/checkout?waitingroom_pass=${good}`), { store, now });
  const address = arrival.headers.location.value.slice(recorded.shop.length);
  const answer = await run(ask(address), { store, now });
  assert.equal(answer.statusCode, 403);
  assert.equal(answer.headers.location, undefined);
});

test('no answer of the gate is stored or tells its address', async () => {
  for (const { name, event, ...world } of cases) {
    const answer = await run(event, world);
    if (answer.statusCode === undefined) {
      continue;
    }
    assert.equal(answer.headers['cache-control'].value, 'no-store', name);
    assert.equal(answer.headers['referrer-policy'].value, 'no-referrer', name);
    assert.equal(event.request.method === 'HEAD' && answer.body !== undefined, false, name);
    assert.equal(answer.headers['retry-after']?.value, answer.statusCode === 503 ? '5' : undefined, name);
    if (answer.headers['content-type']?.value.startsWith('text/html')) {
      assert.match(answer.headers['content-security-policy'].value, /^default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/, name);
      assert.equal(answer.headers['x-content-type-options'].value, 'nosniff', name);
    }
    for (const header of Object.keys(answer.headers)) {
      assert.equal(header, header.toLowerCase(), 'CloudFront takes lower case only');
    }
    // A pass is in the cookie and nowhere else.
    assert.ok(!JSON.stringify({ ...answer, cookies: undefined }).includes(good), name);
  }
});

test('a problem is a document that tells where to go', async () => {
  const answer = await run(ask('/checkout', { accept: 'application/json' }), { store, now });
  assert.deepEqual(JSON.parse(answer.body), {
    type: 'urn:waiting-room:problem:pass-refused', title: 'Forbidden', status: 403,
    detail: 'A pass of the waiting room is needed: https://room.example/demo',
  });
});

test('open and free requests do not need the key to be read', async () => {
  const asked = [];
  const watched = new Proxy(store, { getOwnPropertyDescriptor: (target, name) => { asked.push(name); return Object.getOwnPropertyDescriptor(target, name); } });
  await run(ask('/about'), { store: watched, now });
  assert.deepEqual(asked, ['enforce-from', 'open-until', 'paths']);
});

// tricks are what a visitor may do to an address in the hope that the origin undoes it.
const tricks = [
  (path) => path.replace(/\//, '//'),
  (path) => path.replace(/\/(?=[^/]*$)/, '\\'),
  (path) => path.replace(/[a-z]/, (letter) => letter.toUpperCase()),
  (path) => path.replace(/[a-z]/i, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace(/%/, '%25'),
  (path) => path.replace(/\/$|$/, ';x=1'),
  (path) => path.replace(/\/$|$/, '.'),
  (path) => path.replace(/\/(?=.)/, '/%00'),
  (path) => path.replace(/^\//, '/;/'),
  (path) => path.replace(/^\//, '/about/../'),
  (path) => path.replace(/^\//, '/./'),
];

test('no pile of tricks opens a protected path', async () => {
  let state = 1;
  const next = (n) => { state = (state * 48271) % 2147483647; return state % n; };
  for (let round = 0; round < 5000; round++) {
    let path = ['/checkout', '/checkout/seats', '/api/orders'][next(3)];
    const used = [];
    for (let count = 1 + next(6); count > 0; count--) {
      used.push(next(tricks.length));
      path = tricks[used.at(-1)](path);
    }
    const answer = await run(ask(path), { store: { ...store, paths: '/checkout /api/orders' }, now });
    assert.equal(answer.statusCode, 303, `${path} by the tricks ${used}`);
  }
});

test('a hostile path costs no time', async () => {
  const event = (path) => ask(path);
  for (const part of ['.', '/', ';', '%', '%25', '%2e', '\\', './', '/;', '. ']) {
    const started = process.hrtime.bigint();
    await run(event(`/${part.repeat(8000 / part.length)}x`), { store, now });
    await run(event(`/${part.repeat(Math.floor(2000 / part.length))}x`), { store, now });
    assert.ok(process.hrtime.bigint() - started < 500_000_000n, JSON.stringify(part));
  }
});
