// Loads the edge gate as it is deployed, and makes the events that CloudFront would call it with.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

export const recorded = JSON.parse(readFileSync(new URL('testdata/edge_gate_passes.json', import.meta.url), 'utf8'));
const template = JSON.parse(readFileSync(new URL('testdata/edge_gate_event.json', import.meta.url), 'utf8'));

export const source = readFileSync(new URL('../edgegate/edge_gate.js', import.meta.url), 'utf8');

// addressed is the source with its two addresses in it.
export function addressed(room = recorded.room, shop = recorded.shop) {
  return source.replace("'{{room}}'", JSON.stringify(room)).replace("'{{audience}}'", JSON.stringify(shop));
}

// deployed is what the construct sends to CloudFront; a test in Go holds the two together.
export function deployed(room, shop) {
  return addressed(room, shop).split('\n').map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('//')).map((line) => `${line}\n`).join('');
}

// load returns run(event, { store, now }): the code in strict mode, with nothing but what it may use.
// A store of null cannot be read.
export function load(code) {
  const require = createRequire(import.meta.url);
  const world = { store: {}, now: 0 };
  class Clock extends Date {
    static now() { return world.now; }
  }
  const cf = { kvs: () => ({ get: (name) => read(world.store, name) }) };
  const context = vm.createContext({ cf, Buffer, Date: Clock, require: (name) => allowed(name, require) },
    { codeGeneration: { strings: false, wasm: false } });
  const script = code.replace("import cf from 'cloudfront';", "'use strict';");
  const handler = vm.runInContext(`${script};handler`, context);
  return async (event, { store, now }) => {
    Object.assign(world, { store, now });
    return handler(live(event));
  };
}

async function read(store, name) {
  if (store === null || !Object.hasOwn(store, name)) {
    throw new Error('the key value store does not have it');
  }
  return store[name];
}

function allowed(name, require) {
  if (name !== 'crypto') {
    throw new Error(`the runtime has no module ${name}`);
  }
  return require(name);
}

// live gives a copy of an event the method that JSON cannot hold.
function live(event) {
  const copy = structuredClone(event);
  const raw = copy.request.raw;
  delete copy.request.raw;
  if (raw !== undefined) {
    copy.request.rawQueryString = () => raw;
  }
  return copy;
}

// ask makes the event of a request. Accept null leaves the header out; parsedOnly is CloudFront's
// console, whose raw query is empty.
export function ask(address, { method = 'GET', cookie, cookies, accept, parsedOnly = false } = {}) {
  const event = structuredClone(template);
  const at = address.indexOf('?');
  const query = at < 0 ? '' : address.slice(at + 1);
  Object.assign(event.request, { method, uri: at < 0 ? address : address.slice(0, at), querystring: parse(query) });
  event.request.raw = parsedOnly ? '' : query;
  event.request.cookies = cookies ?? (cookie === undefined ? {} : { [recorded.cookie]: { value: cookie } });
  if (accept === null) {
    delete event.request.headers.accept;
  } else if (accept !== undefined) {
    event.request.headers.accept = { value: accept };
  }
  return event;
}

// parse makes what CloudFront makes of a query: names and values as they were sent, repeated ones
// together.
export function parse(query) {
  const parsed = {};
  for (const pair of query.split('&').filter(Boolean)) {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    const item = { value: at < 0 ? '' : pair.slice(at + 1) };
    if (!Object.hasOwn(parsed, name)) {
      parsed[name] = item;
    } else {
      parsed[name].multiValue ??= [{ value: parsed[name].value }];
      parsed[name].multiValue.push(item);
    }
  }
  return parsed;
}

export function sign(payload, { header = { alg: 'HS256', typ: 'JWT' }, key = Buffer.from(recorded.key, 'base64url'), hash = 'sha256' } = {}) {
  const encode = (part) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`;
}

// summary is what matters of an answer, as plain data: 'on' if the request goes on as it was, its
// new query if that was changed, or the response.
export function summary(answer, event) {
  if (answer.statusCode === undefined) {
    const { raw, ...before } = event.request;
    const after = { ...JSON.parse(JSON.stringify(answer)) };
    if (JSON.stringify(after) === JSON.stringify(before)) {
      return 'on';
    }
    const query = after.querystring;
    return JSON.stringify({ ...after, querystring: before.querystring }) === JSON.stringify(before) ? { on: query } : { changed: after };
  }
  const { statusCode: status, headers, cookies, body } = answer;
  const found = { status };
  if (headers.location) {
    found.to = headers.location.value;
  }
  for (const [name, cookie] of Object.entries(cookies ?? {})) {
    found.cookie = `${name}=${cookie.value}; ${cookie.attributes}`;
  }
  if (headers['content-type']?.value === 'application/problem+json') {
    found.problem = body === undefined ? '' : JSON.parse(body).type;
  } else if (body !== undefined) {
    found.title = /<title>(.*)<\/title>/.exec(body)[1];
    const link = /<a href="(.*?)">/.exec(body);
    if (link) {
      found.link = link[1];
    }
  }
  return found;
}
