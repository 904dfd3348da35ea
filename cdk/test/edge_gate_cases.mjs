// What the edge gate must answer: tables that are run in Node and in njs, on which CloudFront's
// runtime is built. Each case has a name, an event, a store, a time in ms and the summary wanted.
import { createHmac, generateKeyPairSync, sign as signature } from 'node:crypto';
import { ask, recorded, sign } from './edge_gate_code.mjs';

const { room, shop, cookie, iat, exp, passes } = recorded;
const page = `${room}/demo`;
const hour = 3_600_000;
const during = (iat + 60) * 1000;
const store = { key: recorded.key, event: 'demo', paths: '/checkout /api/orders' };
const json = 'application/json';

const toRoom = { status: 303, to: page };
const refused = { status: 403, problem: 'urn:waiting-room:problem:pass-refused' };
const unchecked = { status: 503, problem: 'urn:waiting-room:problem:pass-unchecked' };
const oneMoment = { status: 503, title: 'One moment, please' };
const needsCookie = (link) => ({ status: 403, title: 'The shop needs a cookie', link });
const notAccepted = { status: 403, title: 'The shop does not accept this pass', link: page };
const set = (token, age) => `${cookie}=${token}; Path=/; Max-Age=${age}; HttpOnly; Secure; SameSite=Lax`;
const arrives = (to, token = passes.good, age = exp - iat - 60 + 10) => ({ status: 303, to: shop + to, cookie: set(token, age) });

const good = {
  iss: room, aud: shop, sub: 'visitor-1', event: 'demo', iat, exp, jti: '00112233445566778899aabbccddeeff',
};
const marker = 'waitingroom_pass=cookie';
const lasting = (until) => sign({ ...good, sub: 'visitor-2', exp: until });

export const cases = [];

function group(title, table, common = {}) {
  for (const [name, event, want, more] of table) {
    cases.push({ name: `${title}: ${name}`, event, want, store, now: during, ...common, ...more });
  }
}

// with a pass in the cookie, or in the query, or by an API call.
const holding = (token, address = '/checkout/seats') => ask(address, { cookie: token });
const twice = (...tokens) => ask('/checkout', { cookies: { [cookie]: { value: tokens[0], multiValue: tokens.map((value) => ({ value })) } } });
const bringing = (token, options) => ask(`/checkout/seats?waitingroom_pass=${token}`, options);

group('without a pass', [
  ['a browser goes to the room', ask('/checkout/seats?show=42'), toRoom],
  ['HEAD of a browser too', ask('/checkout/seats', { method: 'HEAD' }), toRoom],
  ['an Accept header in one piece', ask('/checkout', { accept: 'Text/HTML,application/xml;q=0.9' }), toRoom],
  ['an API call is refused', ask('/api/orders', { accept: json }), refused],
  ['a call without Accept is refused', ask('/api/orders', { accept: null }), refused],
  ['a call that takes anything is refused', ask('/api/orders', { accept: '*/*' }), refused],
  ['a form is refused', ask('/checkout/pay', { method: 'POST' }), refused],
  ['a preflight is refused', ask('/api/orders', { method: 'OPTIONS' }), refused],
  ['HEAD of a call gets no body', ask('/api/orders', { method: 'HEAD', accept: json }), { status: 403, problem: '' }],
  ['other paths are free', ask('/about'), 'on'],
  ['other paths are free to forms', ask('/search', { method: 'POST' }), 'on'],
  ['an empty cookie is none', ask('/checkout', { cookie: '' }), toRoom],
  ['another cookie is none', ask('/checkout', { cookies: { [`${cookie}x`]: { value: passes.good } } }), toRoom],
]);

group('a pass in the cookie', [
  ['is good', holding(passes.good), 'on'],
  ['is good for a call', ask('/api/orders', { cookie: passes.good, accept: json }), 'on'],
  ['is good for a form', ask('/checkout/pay', { cookie: passes.good, method: 'POST' }), 'on'],
  ['is good for DELETE', ask('/api/orders/1', { cookie: passes.good, method: 'DELETE', accept: json }), 'on'],
  ['is found under a name in lower case', ask('/checkout', { cookies: { [cookie.toLowerCase()]: { value: passes.good } } }), 'on'],
  ['is the first of two', twice(passes.good, 'x'), 'on'],
  ['is the second of two', twice(passes.otherKey, passes.good), 'on'],
  ['is in none of two', twice(passes.otherKey, passes.otherEvent), toRoom],
  ['leaves the query alone', holding(passes.good, '/checkout?a=%20+&&b=&c'), 'on'],
]);

group('a pass in the query', [
  ['is moved to the cookie', bringing(passes.good), arrives(`/checkout/seats?${marker}`)],
  ['HEAD too', bringing(passes.good, { method: 'HEAD' }), arrives(`/checkout/seats?${marker}`)],
  ['a call with GET too', bringing(passes.good, { accept: json }), arrives(`/checkout/seats?${marker}`)],
  ['is taken out byte for byte', ask(`/checkout/s%65ats?a=%20+&&b=&waitingroom_pass=${passes.good}&c&d=%C3%A9&a=2`),
    arrives(`/checkout/s%65ats?a=%20+&&b=&c&d=%C3%A9&a=2&${marker}`)],
  ['is found under an escaped name', ask(`/checkout?waiting%72oom%5Fpass=${passes.good}`), arrives(`/checkout?${marker}`)],
  ['is found with an escaped value', ask(`/checkout?waitingroom_pass=${passes.good.replaceAll('.', '%2E')}`), arrives(`/checkout?${marker}`)],
  ['the first of two counts', ask(`/checkout?waitingroom_pass=${passes.good}&a=1&waitingroom_pass=x`), arrives(`/checkout?a=1&${marker}`)],
  ['a good second does not help', ask(`/checkout?waitingroom_pass=x&waitingroom_pass=${passes.good}`), notAccepted],
  ['other names are not it', ask(`/checkout?waitingroom_passx=${passes.good}&Waitingroom_pass=${passes.good}&%ff=1`), toRoom],
  ['a visitor with the cookie gets a new one and no marker', bringing(passes.good, { cookie: passes.good }), arrives('/checkout/seats')],
  ['an old link of a visitor with the cookie is cleaned', bringing('x', { cookie: passes.good }), { status: 303, to: `${shop}/checkout/seats` }],
  ['a form goes on without it', bringing(passes.good, { method: 'POST' }), { on: {} }],
  ['a form keeps the rest of its query', ask(`/checkout?a=%20+&waitingroom_pass=${passes.good}&b`, { method: 'POST' }), { on: { a: { value: '%20+' }, b: { value: '' } } }],
  ['a form goes on without any of several', ask('/checkout?waitingroom%5Fpass=x&waitingroom_pass=y&waitingroom_pass=z&a=1', { method: 'POST', cookie: passes.good }), { on: { a: { value: '1' } } }],
  ['a form of a visitor with the cookie goes on', bringing('x', { method: 'POST', cookie: passes.good }), { on: {} }],
  ['a form with a bad one is refused', bringing('x', { method: 'POST' }), refused],
  ['a call with a bad one is refused', bringing('x', { accept: json }), refused],
  ['an empty one is refused', bringing(''), notAccepted],
  ['one without a value is refused', ask('/checkout?waitingroom_pass'), notAccepted],
  ['one that cannot be unescaped is refused', bringing('%ff'), notAccepted],
  ['is taken where no pass is asked for', ask(`/?a=1&waitingroom_pass=${passes.good}`), arrives('/?a=1')],
  ['a bad one is taken off where none is asked for', ask('/?waitingroom_pass=x'), { status: 303, to: `${shop}/` }],
  ['a form where none is asked for goes on', ask('/search?waitingroom_pass=x&q=1', { method: 'POST' }), { on: { q: { value: '1' } } }],
  ['an expired one leads to the room', bringing(passes.good), toRoom, { now: (exp + 60) * 1000 }],
  ["another event's leads to the room", bringing(passes.otherEvent), toRoom],
  ["another key's does not: it would come back", bringing(passes.otherKey), notAccepted],
  ["another room's does not", bringing(passes.otherRoom), notAccepted],
  ["another shop's does not", bringing(passes.otherShop), notAccepted],
  ['claims that are no JSON do not', bringing(sign('{')), notAccepted],
  ['an address that looks like a host stays below the shop', ask(`//evil.example/?waitingroom_pass=${passes.good}`, {}),
    arrives(`//evil.example/?${marker}`), { store: { ...store, paths: '/' } }],
  ['an address that would lengthen the host stays below the shop', ask(`.evil.example/?waitingroom_pass=${passes.good}`), arrives(`/.evil.example/?${marker}`)],
  ['an address that would make the shop a user stays below it', ask(`@evil.example/?waitingroom_pass=${passes.good}`), arrives(`/@evil.example/?${marker}`)],
  ["somebody else's that ends sooner leaves the cookie alone", bringing(passes.good, { cookie: lasting(exp + 1) }), { status: 303, to: `${shop}/checkout/seats` }],
  ['one that lasts longer replaces the cookie', bringing(lasting(exp + 60), { cookie: passes.good }), arrives('/checkout/seats', lasting(exp + 60), exp - iat + 10)],
]);

group('a parsed query', [
  ['is put together again', ask(`/checkout?a=1&waitingroom_pass=${passes.good}&b=%20&a=2`, { parsedOnly: true }), arrives(`/checkout?a=1&a=2&b=%20&${marker}`)],
  ['the first of two passes counts', ask(`/checkout?waitingroom_pass=${passes.good}&waitingroom_pass=x`, { parsedOnly: true }), arrives(`/checkout?${marker}`)],
  ['may be empty', ask('/checkout', { parsedOnly: true }), toRoom],
]);

group('the marker', [
  ['comes off when the cookie is there', ask(`/checkout/seats?a=1&${marker}`, { cookie: passes.good }), { status: 303, to: `${shop}/checkout/seats?a=1` }],
  ['ends the circle when it is not', ask(`/checkout/seats?${marker}`), needsCookie(`${shop}/checkout/seats`)],
  ['escapes the address', ask(`/checkout/"><script></script>?a=1&b='"&c&${marker}`),
    needsCookie(`${shop}/checkout/&quot;&gt;&lt;script&gt;&lt;/script&gt;?a=1&amp;b='&quot;&amp;c`)],
  ['refuses calls', ask(`/api/orders?${marker}`, { accept: json }), refused],
  ['comes off where no pass is asked for', ask(`/?${marker}`), { status: 303, to: `${shop}/` }],
]);

// Whatever is wrong with a token, it opens nothing in a cookie.
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
const rs256 = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(good)}`;
const [head, body, mac] = passes.good.split('.');
const without = (claim) => Object.fromEntries(Object.entries(good).filter(([name]) => name !== claim));
const padded = (length) => {
  for (let pad = ''; pad.length < length; pad += 'x') {
    const token = sign({ ...good, pad });
    if (token.length === length) {
      return token;
    }
  }
  throw new Error(`no pass has ${length} bytes`);
};
const signedAs = (input) => `${input}.${createHmac('sha256', Buffer.from(recorded.key, 'base64url')).update(input).digest('base64url')}`;

group('no pass is', [
  ["another room's with another key", passes.otherKey],
  ["another room's with this key", passes.otherRoom],
  ["another shop's", passes.otherShop],
  ["another event's", passes.otherEvent],
  ['alg none', `${encode({ alg: 'none' })}.${body}.`],
  ['alg none with the signature', `${encode({ alg: 'none' })}.${body}.${mac}`],
  ['alg none, signed', sign(good, { header: { alg: 'none', typ: 'JWT' } })],
  ['alg hs256, signed', sign(good, { header: { alg: 'hs256', typ: 'JWT' } })],
  ['alg HS512, signed as HS256', sign(good, { header: { alg: 'HS512' } })],
  ['alg HS256, signed with SHA-512', sign(good, { hash: 'sha512' })],
  ['alg RS256, signed as HS256', sign(good, { header: { alg: 'RS256' } })],
  ['alg RS256, signed so', `${rs256}.${signature('sha256', Buffer.from(rs256), privateKey).toString('base64url')}`],
  ['alg as a list', sign(good, { header: { alg: ['HS256'] } })],
  ['no alg', sign(good, { header: { typ: 'JWT' } })],
  ['a critical extension', sign(good, { header: { alg: 'HS256', crit: ['b64'], b64: true } })],
  ['a header that is no object', sign(good, { header: 'null' })],
  ['claims that are no object', sign('null')],
  ['claims that are no JSON', sign('{')],
  ['a key of no length', sign(good, { key: Buffer.alloc(0) })],
  ['the key as text', sign(good, { key: recorded.key })],
  ['two parts', `${head}.${body}`],
  ['four parts', `${passes.good}.${mac}`],
  ['an empty signature', `${head}.${body}.`],
  ['a signature cut short', passes.good.slice(0, -1)],
  ['a signature and more', `${passes.good}A`],
  ['padding', `${passes.good}=`],
  ['a space at the end', `${passes.good} `],
  ['a line at the end', `${passes.good}\n`],
  ['quotes', `"${passes.good}"`],
  ['the signature in hexadecimal', `${head}.${body}.${Buffer.from(mac, 'base64url').toString('hex')}`],
  ['the signature in base64', `${head}.${body}.${Buffer.from(mac, 'base64url').toString('base64')}`],
  ['a list of shops without this one', sign({ ...good, aud: ['https://other.example', `${shop}/`] })],
  ['a shop that begins the same', sign({ ...good, aud: `${shop}.evil` })],
  ['a list in a list', sign({ ...good, aud: [[shop]] })],
  ['an event in another case', sign({ ...good, event: 'Demo' })],
  ['an event as a list', sign({ ...good, event: ['demo'] })],
  ...Object.keys(good).map((claim) => [`no ${claim}`, sign(without(claim))]),
  ['an empty sub', sign({ ...good, sub: '' })],
  ['a jti that is no text', sign({ ...good, jti: 1 })],
  ['an exp that is text', sign({ ...good, exp: String(exp) })],
  ['an exp without end', sign(JSON.stringify(good).replace(String(exp), '1e999'))],
  ['an exp of null', sign({ ...good, exp: null })],
  ['a negative exp', sign({ ...good, exp: -exp })],
  ['an exp with a fraction', sign({ ...good, exp: exp + 0.5 })],
  ['an exp beyond what numbers tell apart', sign({ ...good, exp: 2 ** 53 })],
  ['claims given twice, the last being wrong', sign(JSON.stringify(good).replace('}', ',"aud":"https://other.example"}'))],
  ['claims of the prototype', sign(`{"__proto__":${JSON.stringify(good)}}`)],
  ['claims in a list', sign([good])],
  ['a crit of null', sign(good, { header: { alg: 'HS256', crit: null } })],
  ['an iat of null', sign({ ...good, iat: null })],
  ['an nbf to come', sign({ ...good, nbf: iat + 71 })],
  ['an nbf that is text', sign({ ...good, nbf: String(iat) })],
  ['one byte too long', padded(3801)],
  ['padding in a part that is signed', signedAs(`${head}=.${body}`)],
  ['a line in a part that is signed', signedAs(`${head}.\n${body}`)],
  ['base64 in a part that is signed', signedAs(`${head}.${Buffer.from(JSON.stringify({ ...good, pad: '\u00ff\u00fe>>>???' })).toString('base64')}`)],
  ['a million bytes long', 'A.'.repeat(500_000)],
].map(([name, token]) => [name, holding(token), toRoom]));

group('a pass is', [
  ['one of go-jose with another typ', holding(sign(good, { header: { alg: 'HS256', typ: 'at+jwt' } })), 'on'],
  ['one without typ', holding(sign(good, { header: { alg: 'HS256' } })), 'on'],
  ['one for several shops', holding(sign({ ...good, aud: ['https://other.example', shop] })), 'on'],
  ['one with nbf', holding(sign({ ...good, nbf: iat })), 'on'],
  ['one of the longest', holding(padded(3800)), 'on'],
]);

const at = (ms) => ({ now: ms });
group('the clock', [
  ['10 s before iat', holding(passes.good), 'on', at(iat * 1000 - 10_000)],
  ['a millisecond before that', holding(passes.good), toRoom, at(iat * 1000 - 10_001)],
  ['10 s after exp', holding(passes.good), 'on', at(exp * 1000 + 10_000)],
  ['a millisecond after that', holding(passes.good), toRoom, at(exp * 1000 + 10_001)],
  ['the cookie lasts as long as the leeway', bringing(passes.good), arrives(`/checkout/seats?${marker}`, passes.good, exp - iat + 10), at(iat * 1000)],
  ['seconds of the cookie are rounded up', bringing(passes.good), arrives(`/checkout/seats?${marker}`, passes.good, 9), at(exp * 1000 + 1_001)],
  ['a cookie set in the last moment is not deleted by it', bringing(passes.good), arrives(`/checkout/seats?${marker}`, passes.good, 1), at(exp * 1000 + 10_000)],
  ['a pass from the future ends the circle', bringing(passes.good), notAccepted, at(iat * 1000 - 10_001)],
]);

const noon = Date.parse('2027-01-15T12:00:00Z');
const switched = (values, now) => ({ store: { ...store, ...values }, now });
group('switched', [
  ['never', ask('/checkout'), 'on', switched({ 'enforce-from': 'never' }, noon)],
  ['never, with spaces', ask('/checkout'), 'on', switched({ 'enforce-from': ' never\n' }, noon)],
  ['never leaves the pass in the address', bringing(passes.good), 'on', switched({ 'enforce-from': 'never' }, noon)],
  ['off, a millisecond before', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T12:00:00Z' }, noon - 1)],
  ['on, at the second', ask('/checkout'), toRoom, switched({ 'enforce-from': '2027-01-15T12:00:00Z' }, noon)],
  ['open, a millisecond before its end', ask('/checkout'), 'on', switched({ 'open-until': '2027-01-15T12:00:00Z' }, noon - 1)],
  ['closed again, at the second', ask('/checkout'), toRoom, switched({ 'open-until': '2027-01-15T12:00:00Z' }, noon)],
  ['open although enforced', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T11:00:00Z', 'open-until': '2027-01-15T13:00:00Z' }, noon)],
  ['not yet enforced although no longer open', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T13:00:00Z', 'open-until': '2027-01-15T11:00:00Z' }, noon)],
  ['enforced and no longer open', ask('/checkout'), toRoom, switched({ 'enforce-from': '2027-01-15T10:00:00Z', 'open-until': '2027-01-15T11:00:00Z' }, noon)],
  ['by an offset to the east', ask('/checkout'), toRoom, switched({ 'enforce-from': '2027-01-15T13:00:00+01:00' }, noon)],
  ['by an offset to the east, before', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T13:00:00+01:00' }, noon - 1)],
  ['by an offset to the west', ask('/checkout'), toRoom, switched({ 'enforce-from': '2027-01-15T06:30:00-05:30' }, noon)],
  ['by an offset to the west, before', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T06:30:00-05:30' }, noon - 1)],
  ['by fractions of a second', ask('/checkout'), toRoom, switched({ 'enforce-from': '2027-01-15T12:00:00.5Z' }, noon + 500)],
  ['by fractions of a second, before', ask('/checkout'), 'on', switched({ 'enforce-from': '2027-01-15T12:00:00.5Z' }, noon + 499)],
  ['with spaces around the time', ask('/checkout'), 'on', switched({ 'open-until': ' 2027-01-15T13:00:00Z\n' }, noon)],
  ['by the furthest offset', ask('/checkout'), 'on', switched({ 'open-until': '2027-01-15T12:00:00-23:59' }, noon)],
  ['on 29 February', ask('/checkout'), 'on', switched({ 'enforce-from': '2028-02-29T12:00:00Z' }, noon)],
]);

// What cannot be read never opens: as the end of an open time, or as the beginning of enforcement.
for (const text of [
  '', ' ', 'Never', 'NEVER', 'off', 'always', 'true', '0', '-1', 'Infinity', '9999999999999', 'tomorrow', '2099', '2099-01-01',
  '2099-01-01T00:00Z', '2099-01-01T00:00:00', '2099-01-01 00:00:00Z', '2099-02-30T00:00:00Z', '2099-13-01T00:00:00Z',
  '2099-01-01T24:00:00Z', '2099-01-01T00:60:00Z', '2099-01-01T00:00:00+24:00', '2099-01-01T00:00:00+01:60', '2099-01-01T00:00:00+0100',
  '+002099-01-01T00:00:00Z', '2099-01-01T00:00:00Zx', 'x2099-01-01T00:00:00Z', '2099-01-01T00:00:00.Z', 'Fri, 01 Jan 2099 00:00:00 GMT',
]) {
  group('what is no time never opens', [
    [`enforce-from ${JSON.stringify(text)}`, ask('/checkout'), toRoom, { store: { ...store, 'enforce-from': text } }],
    [`open-until ${JSON.stringify(text)}`, ask('/checkout'), toRoom, { store: { ...store, 'open-until': text } }],
  ]);
}
group('open-until', [['never is no time', ask('/checkout'), toRoom, { store: { ...store, 'open-until': 'never' } }]]);

const lacking = (...names) => ({ store: Object.fromEntries(Object.entries(store).filter(([name]) => !names.includes(name))) });
const later = new Date(during + hour).toISOString();
group('the store', [
  ['cannot be read: a browser', ask('/checkout'), oneMoment, { store: null }],
  ['cannot be read: all is protected', ask('/about'), oneMoment, { store: null }],
  ['cannot be read: a call', ask('/api/orders', { accept: json }), unchecked, { store: null }],
  ['cannot be read: a form', ask('/checkout', { method: 'POST' }), unchecked, { store: null }],
  ['cannot be read: a visitor', holding(passes.good), oneMoment, { store: null }],
  ['cannot be read: an arrival', bringing(passes.good), oneMoment, { store: null }],
  ['has no key: a browser', ask('/checkout'), oneMoment, lacking('key')],
  ['has no key: a visitor', holding(passes.good), oneMoment, lacking('key')],
  ['has no key: HEAD', ask('/checkout', { method: 'HEAD' }), { status: 503 }, lacking('key')],
  ['has no key: a call', ask('/api/orders', { accept: json }), unchecked, lacking('key')],
  ['has no key: other paths are free', ask('/about'), 'on', lacking('key')],
  ['has no key: other paths keep the pass', ask(`/about?waitingroom_pass=${passes.good}`), 'on', lacking('key')],
  ['has no key, but is open', ask('/checkout'), 'on', { store: { ...lacking('key').store, 'open-until': later } }],
  ['has no key, but is not enforced yet', ask('/checkout'), 'on', { store: { ...lacking('key').store, 'enforce-from': later } }],
  ['has only never', ask('/checkout'), 'on', { store: { 'enforce-from': 'never' } }],
  ['has an empty key', ask('/checkout', { cookie: sign(good, { key: Buffer.alloc(0) }) }), oneMoment, { store: { ...store, key: '' } }],
  ['has a short key', ask('/checkout', { cookie: sign(good, { key: Buffer.from('abc', 'base64url') }) }), oneMoment, { store: { ...store, key: 'abc' } }],
  ['has a key of 31 bytes', ask('/checkout'), oneMoment, { store: { ...store, key: recorded.key.slice(0, 42) } }],
  ['has a key with padding', ask('/checkout'), oneMoment, { store: { ...store, key: `${recorded.key}=` } }],
  ['has a key after a space', ask('/checkout'), oneMoment, { store: { ...store, key: ` ${recorded.key}` } }],
  ['has no event', ask('/checkout'), oneMoment, lacking('event')],
  ['has a bad event', ask('/checkout'), oneMoment, { store: { ...store, event: '../x' } }],
  ['has an event and more', ask('/checkout'), oneMoment, { store: { ...store, event: 'demo/x' } }],
  ['has the longest event', ask('/checkout'), { status: 303, to: `${room}/${'e'.repeat(64)}` }, { store: { ...store, event: 'e'.repeat(64) } }],
  ['has too long an event', ask('/checkout'), oneMoment, { store: { ...store, event: 'e'.repeat(65) } }],
  ['has another event', ask('/checkout'), { status: 303, to: `${room}/other` }, { store: { ...store, event: 'other' } }],
  ['has values that are no text', ask('/about'), toRoom, { store: { ...store, paths: 5, 'enforce-from': {}, 'open-until': 4e12 } }],
  ['has a key that is no text', ask('/checkout'), oneMoment, { store: { ...store, key: 5 } }],
  ['has no paths: all is protected', ask('/about'), toRoom, lacking('paths')],
  ['has blank paths: all is protected', ask('/about'), toRoom, { store: { ...store, paths: ' \n' } }],
]);

// Prefixes /checkout and /api/orders protect all of these.
for (const path of [
  '/checkout', '/checkout/', '/checkout/seats', '/checkout-2', '/api/orders', '/api/orders/1',
  '/Checkout', '/CHECKOUT/seats', '/cHeCkOuT', '//checkout', '///checkout', '/api//orders', '/api///orders/1', '/api/orders//',
  '/%63heckout', '/%43heckout', '/%63%68%65%63%6b%6f%75%74', '/%2563heckout', '/%252563heckout', '/%25252563heckout', '/%2525252563heckout',
  '%2Fcheckout', '/%2Fcheckout', '/%2fcheckout', '/api%2Forders', '/api%252Forders', '/%2F%2Fcheckout', '/\\checkout', '\\checkout', '/api\\orders',
  '/%5Ccheckout', '/api%5corders', '/api%255corders', '/./checkout', '/checkout/.', '/about/../checkout', '/../checkout', '/about/..',
  '/about/%2e%2e/checkout', '/about/%2E%2E/checkout', '/about/.%2e/checkout', '/about/%252e%252e/checkout', '/about/..%2fcheckout',
  '/about/..%5ccheckout', '/about%2f..%2fcheckout', '/about\\..\\checkout', '/about/..;/checkout', '/about/..;x=1/checkout', '/about/.../checkout',
  '/;/checkout', '/;x/checkout', '/;x/;y/checkout', '/%00ch%00eckout', '../about', '..', '/a%25252520b%2525252520c', '/;x=1;y=2//checkout', '/checkout;x=1', '/checkout;/seats', '/api;v=1/orders', '/api%3bv=1/orders', '/api/;/orders',
  '/checkout.', '/checkout./seats', '/api./orders', '/api../orders', '/api%2e/orders', '/api.;x/orders', '/checkout%00', '/checkout%00.css', '/%00checkout',
  '/ch%00eckout', '/api%00/orders', '/api%20/orders', '/api /orders', '/%20checkout', '/%09checkout', '/check%0aout', '/api%2e%20/orders', '/api.%00./orders',
  '', '*', 'about', 'checkout', 'https://shop.example/about', '/%', '/%zz', '/about%', '/%c0%af', '/about%c0%afcheckout', '/%c0%ae%c0%ae/checkout', '/%ff', '/%u0063heckout', '/about%25zz',
  `/${'a'.repeat(2048)}`, `/${'%25'.repeat(600)}`, `/about${'%25'.repeat(6)}41`,
]) {
  group('protected', [[JSON.stringify(path), ask(path), toRoom]]);
}

// A header that some frameworks believe more than the path.
for (const [name, isProtected] of [
  ['x-original-url', true], ['x-rewrite-url', true], ['x-original-uri', true], ['x-override-url', true], ['x-forwarded-path', true],
  ['x-forwarded-for', false], ['x-forwarded-host', false], ['x-original-host', false],
]) {
  const event = ask('/about');
  event.request.headers[name] = { value: '/checkout' };
  group('a header', [[name, event, isProtected ? toRoom : 'on']]);
}

for (const path of [
  '/', '/about', '/check', '/checkou', '/shop/checkout', '/api', '/api/order', '/api/v1/orders', '/checkout2'.slice(0, 5), '/a.b', '/.well-known/x',
  '/a..b', '/a/b.css', '/a%20b', '/%C3%A4', '/a%2Fb', '/a;b', '/~x', '/about/checkout/..x', '/a%2520b', '/a%25252520b', `/${'a'.repeat(2047)}`,
]) {
  group('free', [[JSON.stringify(path), ask(path), 'on']]);
}

// What stands in paths, an address below it, and whether that is protected.
for (const [paths, path, isProtected] of [
  ['/', '/anything', true], ['*', '/anything', true], ['/*', '/anything', true], ['/checkout/*', '/checkout/seats', true], ['/checkout*', '/checkout2', true],
  ['/checkout/*', '/about', false], ['/api/*/pay', '/api/v1/pay', true], ['checkout', '/checkout', true], ['checkout', '/about', false],
  ['/Checkout', '/checkout', true], ['/checkout/', '/checkout', true], ['/checkout/', '/checkout/x', true], ['/checkout/', '/checkout2', false],
  ['/%63heckout', '/checkout', true], ['//checkout', '/checkout', true], ['/caf%C3%A9', '/caf%c3%a9/x', true], ['/caf\u00e9', '/caf%C3%A9', true], ['/caf\u00e9 /CAF%C3%89S', '/about', false], ['/CAF%C3%89', '/caf%c3%a9', true],
  ['/checkout', '/chec%E2%84%AAout', true], ['/seats', '/%C5%BFeats', true], ['/.well-known/x', '/.well-known/x/y', true], ['/.well-known/x', '/about', false],
  ['/Checkout.html /a..b/C~!&+:@-_9', '/A..B/c~!&+:@-_9', true], ['/Checkout.html /a..b/C~!&+:@-_9', '/about', false],
  // What somebody may write who knows another list: nothing of it may be taken for a prefix that protects nothing.
  ['/checkout,/api/orders', '/api/orders', true], ['/checkout, /api', '/checkout', true], ['/checkout;/api/orders', '/api/orders', true],
  ['["/checkout","/api"]', '/api', true], ['"/checkout"', '/checkout', true], ["'/checkout'", '/checkout', true], ['^/checkout', '/checkout', true],
  ['^/checkout$', '/checkout', true], ['/(checkout|api)', '/api', true], ['/check[o]ut', '/checkout', true], ['https://shop.example/checkout', '/checkout', true],
  ['/./checkout', '/checkout', true], ['/checkout.', '/checkout', true], ['\\checkout', '/checkout', true], ['/%2563heckout', '/checkout', true], ['/.*', '/about', true],
  ['*.php', '/about', true], ['/%20', '/about', true], ['%', '/about', true], ['/a%00', '/about', true],
  ['/a?b', '/a', true], ['/a#b', '/a', true], ['/%', '/about', true], ['/..', '/about', true], ['\t/one\n  /two ', '/two/x', true], ['\t/one\n  /two ', '/three', false],
  ['/a/b/c', '/a./b./c', true],
]) {
  group('paths', [[`${JSON.stringify(paths)} and ${path}`, ask(path), isProtected ? toRoom : 'on', { store: { ...store, paths } }]]);
}
