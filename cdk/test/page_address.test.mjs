// Runs the CloudFront Function as CloudFront does: the whole file, then handler(event).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import vm from 'node:vm';

const path = new URL('../waitingroom/page_address.js', import.meta.url);
const code = readFileSync(path, 'utf8');
const handler = vm.runInNewContext(`${code};handler`);

function ask(uri, querystring = {}) {
  return handler({ request: { method: 'GET', uri, querystring, headers: {}, cookies: {} } });
}

test('events and the root are answered with the page', () => {
  for (const uri of ['/', '/demo', '/a', '/0', '/summer-2027', `/${'a'.repeat(64)}`]) {
    assert.equal(ask(uri).uri, '/index.html', uri);
  }
});

test('whatever is not an event keeps its address', () => {
  for (const uri of [
    '/v1', '/status', '/seals', '/shop', '/assets', '/index.html', '/favicon.ico', '/Demo', '/a/b', '/demo/x',
    '//', '/demo//', '/%2e%2e', '/a_b', `/${'a'.repeat(65)}`, '/status/', '/demo\n',
  ]) {
    const answer = ask(uri);
    assert.equal(answer.uri, uri);
    assert.equal(answer.statusCode, undefined, uri);
  }
});

test('a trailing slash is taken off by a redirect', () => {
  const answer = ask('/demo/');
  assert.equal(answer.statusCode, 301);
  assert.equal(answer.headers.location.value, '/demo');
});

test('who asks for the plain page is sent there', () => {
  for (const uri of ['/demo', '/demo/']) {
    for (const plain of [{ value: '' }, { value: '1' }, { value: 'a', multiValue: [{ value: 'a' }, { value: 'b' }] }]) {
      const answer = ask(uri, { plain, other: { value: 'x' } });
      assert.equal(answer.statusCode, 302, uri);
      assert.equal(answer.headers.location.value, '/v1/events/demo/place');
      assert.equal(answer.headers['cache-control'].value, 'no-store');
    }
  }
  for (const uri of ['/', '/v1', '/Demo', '/demo/x', '/index.html']) {
    assert.equal(ask(uri, { plain: { value: '' } }).statusCode, undefined, uri);
  }
  assert.equal(ask('/demo', { other: { value: 'plain' } }).uri, '/index.html');
});

test('no request reaches the bucket with an empty key', () => {
  for (const uri of ['/', '/demo', '/demo/', '/status/', '//']) {
    const answer = ask(uri);
    assert.ok(answer.statusCode === 301 || answer.uri.length > 1, uri);
  }
});

test('the code is within what CloudFront takes', () => {
  assert.ok(Buffer.byteLength(code) <= 10_240);
});
