// The edge gate must use nothing that CloudFront's runtime 2.0 does not document. That runtime is
// built on njs, which Debian packages: EDGE_RUNTIME=required makes a missing njs a failure.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { cases } from './edge_gate_cases.mjs';
import { addressed, deployed, summary } from './edge_gate_code.mjs';

const njs = spawnSync('njs', ['-v']).status === 0;
if (!njs) {
  console.log('No njs: the edge gate is tested in Node alone. Install it (on Debian: apt-get install njs).');
}

// The one module that CloudFront has and njs lacks, in a file that is named as it is imported.
const cloudfront = `export default { kvs: function () { return { get: function (name) {
  return globalThis.store === null || globalThis.store[name] === undefined
    ? Promise.reject(new Error('not there')) : Promise.resolve(globalThis.store[name]);
} }; } };
`;

// The cases are part of the program, since it can read no file but itself, and the answers come in
// pieces, since njs prints no more than 2 KB at once.
const driver = (list) => `
async function answerAll(list) {
  const answers = [];
  for (let i = 0; i < list.length; i++) {
    globalThis.store = list[i].store;
    globalThis.time = list[i].now;
    const request = list[i].event.request;
    globalThis.raw = request.raw;
    delete request.raw;
    request.rawQueryString = function () { return globalThis.raw; };
    const answer = await handler(list[i].event);
    delete answer.rawQueryString;
    answers.push(answer);
  }
  const text = JSON.stringify(answers);
  for (let i = 0; i < text.length; i += 500) {
    console.log(text.slice(i, i + 500));
  }
}
Date.now = function () { return globalThis.time; };
answerAll(${JSON.stringify(list)});
`;

test('njs gives the same answers', { skip: !njs && process.env.EDGE_RUNTIME !== 'required' }, () => {
  assert.ok(njs, 'EDGE_RUNTIME=required, and there is no njs');
  const folder = mkdtempSync(join(tmpdir(), 'edgegate-'));
  try {
    writeFileSync(join(folder, 'cloudfront'), cloudfront);
    writeFileSync(join(folder, 'gate.js'), deployed() + driver(cases.map(({ event, store, now }) => ({ event, store, now }))));
    const ran = spawnSync('njs', ['-p', `${folder}/`, join(folder, 'gate.js')], { encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.equal(ran.status, 0, ran.stdout.slice(0, 2000) + ran.stderr);
    const answers = JSON.parse(ran.stdout.replaceAll('\n', ''));
    assert.equal(answers.length, cases.length);
    cases.forEach(({ name, event, want }, i) => assert.deepEqual(summary(answers[i], event), want, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// CloudFront stops what takes too long, and then the whole shop would be shut. The engine has no JIT,
// so Node tells little about this.
test('a full list of prefixes takes hardly longer than one', { skip: !njs && process.env.EDGE_RUNTIME !== 'required' }, () => {
  assert.ok(njs, 'EDGE_RUNTIME=required, and there is no njs');
  const full = Array.from({ length: 37 }, (_, i) => `/Checkout/Seats.Number-${i}`).join(' ').slice(0, 1024);
  const folder = mkdtempSync(join(tmpdir(), 'edgegate-'));
  try {
    writeFileSync(join(folder, 'cloudfront'), cloudfront);
    writeFileSync(join(folder, 'gate.js'), `${deployed()}
async function took(paths) {
  globalThis.store = { paths: paths };
  let best = Infinity;
  for (let round = 0; round < 7; round++) {
    const began = Date.now();
    for (let i = 0; i < 200; i++) {
      await handler({ request: { method: 'GET', uri: '/about', querystring: {}, headers: {}, cookies: {} } });
    }
    best = Math.min(best, Date.now() - began);
  }
  return best;
}
async function compare() {
  const one = await took('/checkout');
  const all = await took(${JSON.stringify(full)});
  console.log(JSON.stringify([one, all]));
}
compare();
`);
    const ran = spawnSync('njs', ['-p', `${folder}/`, join(folder, 'gate.js')], { encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
    const [one, all] = JSON.parse(ran.stdout);
    assert.ok(all < 10 * one, `${all} ms against ${one} ms for 200 requests`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// bare is the code without what strings, templates, regular expressions and comments hold. It is
// no parser: it knows what this one file writes.
function bare(code) {
  return code.replace(/^\s*\/\/.*$/gm, '').replace(/\s\/\/ .*$/gm, '')
    .replace(/([(,=:!|]\s*)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[gi]*/g, '$1RE')
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`]*`/g, "''");
}

// As the developer guide lists them: JavaScript runtime 2.0 features for CloudFront Functions,
// helper methods for key value stores, general helper methods. It does not list charCodeAt, but
// says that the runtime is compliant with ES 5.1, which has it.
const methods = new Set([
  'get', 'kvs', 'rawQueryString', 'createHmac', 'update', 'digest', 'from', 'toString',
  'now', 'UTC', 'toISOString', 'floor', 'ceil', 'max', 'isSafeInteger', 'keys', 'parse', 'stringify',
  'exec', 'test', 'trim', 'slice', 'split', 'indexOf', 'replace', 'toLowerCase', 'toUpperCase', 'startsWith', 'charCodeAt',
  'concat', 'filter', 'forEach', 'includes', 'join', 'map', 'push', 'some',
]);
const globals = new Set(['decodeURIComponent', 'require', 'Date']);
const keywords = new Set(['if', 'for', 'while', 'switch', 'catch', 'function', 'return']);

test('only what the runtime documents is called', () => {
  const code = bare(addressed());
  const own = new Set([...code.matchAll(/function (\w+)\(/g)].map((found) => found[1]));
  const called = [...code.matchAll(/(\.)?\b(\w+)\(/g)].filter((found) => !keywords.has(found[2]));
  assert.ok(called.length > 100, 'the calls are not found');
  for (const [, method, name] of called) {
    assert.ok(method ? methods.has(name) : globals.has(name) || own.has(name), `${name} is called`);
  }
  for (const [, name] of code.matchAll(/\bnew (\w+)/g)) {
    assert.equal(name, 'Date');
  }
  assert.deepEqual(addressed().match(/\brequire\(.*?\)/g), ["require('crypto')"]);
  assert.deepEqual(addressed().match(/^import .*$/gm), ["import cf from 'cloudfront';"]);
});

const undocumented = {
  'a class': /\bclass\b/, 'a generator': /function\s*\*|\byield\b/, 'for of': /\bof\b/, 'spread or rest': /\.\.\./, 'optional chaining': /\?\.\D/,
  'nullish coalescing': /\?\?/, 'logical assignment': /(\|\||&&)=/, destructuring: /\b(const|let|var)\s*[[{]/, 'a default value': /function \w*\([^)]*=/,
  'catch without a name': /catch\s*\{/, 'code from text': /\beval\b|\bFunction\b/, 'a timer': /setTimeout|setImmediate/,
  'a promise without await': /\bPromise\b|\.then\(/, 'a console': /\bconsole\b/, 'the network': /\bfetch\b|XMLHttpRequest/, 'a process': /\bprocess\b|\bfs\b/,
};

test('no syntax is used that the runtime does not document', () => {
  const code = bare(addressed());
  for (const [name, syntax] of Object.entries(undocumented)) {
    assert.doesNotMatch(code, syntax, name);
  }
  // "async arguments and closures are not supported": async functions stand at the top level, and
  // what they await is the value of a constant or of the function.
  const lines = code.split('\n');
  for (const line of lines.filter((line) => /\basync\b/.test(line))) {
    assert.match(line, /^async function \w+\(\w+\) \{$/);
  }
  for (const line of lines.filter((line) => /\bawait\b/.test(line))) {
    assert.match(line, /^\s*(const \w+ =|return) await [\w.()]+\((''|\w+)\);$/);
  }
});

test('what is not documented would be found', () => {
  for (const code of ['class A {}', 'for (const a of b) {}', 'f(...a);', 'a?.b;', 'a ?? b;', 'a ||= b;', 'const { a } = b;', 'function f(a = 1) {}',
    'try {} catch {}', "eval('1');", 'setTimeout(f, 1);', 'Promise.all([]);', 'console.log(1);', "fetch('/');", 'process.env;']) {
    assert.ok(Object.values(undocumented).some((syntax) => syntax.test(bare(code))), code);
  }
});

test('the deployed code is within what CloudFront takes, with two addresses of 250 bytes', () => {
  const long = `https://${'a'.repeat(242)}`;
  assert.ok(Buffer.byteLength(deployed(long, long)) <= 10_240, `${Buffer.byteLength(deployed(long, long))} bytes`);
});
