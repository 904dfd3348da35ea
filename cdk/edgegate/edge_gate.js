// The waiting room's edge gate: a CloudFront Function (runtime 2.0) on viewer requests. Browsers
// without a pass go to the room, other calls get a 403. It behaves like the Go middleware of
// shared/gate, but has no memory. All async functions are at the top level and promises are awaited
// one after the other: the runtime supports no others, and combinators cost more memory than it has.
import cf from 'cloudfront';
const crypto = require('crypto');

// Comments have lines of their own, which are not deployed. The iss of passes has no trailing slash,
// and their aud is an origin.
const ROOM = '{{room}}';
const SHOP = '{{audience}}';

const PARAMETER = 'waitingroom_pass';
// In the place of a pass: the cookie was set just before.
const MARKER = 'cookie';
// Milliseconds.
const LEEWAY = 10 * 1000;
// Bytes of a pass, since browsers drop longer cookies, and of a path.
const MAX_PASS = 3800;
const MAX_PATH = 2048;
// Layers of percent-encoding.
const MAX_LAYERS = 4;
// Seconds.
const RETRY = '5';

const STATUS = { 303: 'See Other', 403: 'Forbidden', 503: 'Service Unavailable' };

async function handler(event) {
  const request = event.request;
  const now = Date.now();
  const enforceFrom = await setting('enforce-from');
  const openUntil = await setting('open-until');
  if (isOpen(now, enforceFrom, openUntil)) {
    return request;
  }
  const paths = await setting('paths');
  const guarded = isProtected(request, paths);
  const cut = cutPass(queryOf(request));
  if (!guarded && !cut.found) {
    return request;
  }
  const name = await setting('event');
  const key = await setting('key');
  // A short key must never check anything: anybody could sign with an empty one.
  if (!/^[a-z0-9-]{1,64}$/.test(name) || !/^[A-Za-z0-9_-]{43,}$/.test(key)) {
    return guarded ? explainUnchecked(request) : request;
  }
  const visit = {
    now: now,
    event: name,
    key: Buffer.from(key, 'base64url'),
    cookie: '__Host-' + PARAMETER + '_' + name,
    room: ROOM + '/' + name,
  };
  const held = heldBy(visit, request);
  if (cut.found) {
    return arrive(visit, request, cut, guarded, held);
  }
  return held ? request : refuse(visit, request);
}

// setting gives '' for what is absent or unreadable, which get throws for.
async function setting(name) {
  try {
    const value = await cf.kvs().get(name);
    return typeof value === 'string' ? value : '';
  } catch (e) {
    return '';
  }
}

// Only what can be read as a time in force opens the gate.
function isOpen(now, enforceFrom, openUntil) {
  return enforceFrom.trim() === 'never' || now < timeOf(enforceFrom) || now < timeOf(openUntil);
}

// timeOf reads RFC 3339, as ms since 1970. NaN, which no number is less than, is everything else.
function timeOf(text) {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text.trim());
  if (!m) {
    return NaN;
  }
  const local = Date.UTC(+m[1], m[2] - 1, +m[3], +m[4], +m[5], +m[6]);
  // Date.UTC would take 30 February for 2 March.
  if (new Date(local).toISOString().slice(0, 19) !== m[0].slice(0, 19) || m[9] > 23 || m[10] > 59) {
    return NaN;
  }
  const offset = m[8] ? (m[8] + '1') * (m[9] * 60 + +m[10]) * 60000 : 0;
  return local + Math.floor(+('0' + (m[7] || '')) * 1000) - offset;
}

// isProtected errs on the side of protection: whatever an origin might take for a protected path is,
// also by a header that some frameworks believe more than the path.
function isProtected(request, list) {
  const prefixes = prefixesOf(list);
  const paths = readings(request.uri);
  return !paths || /x-(original|rewrite|override|forwarded)-(ur[il]|path)/.test(Object.keys(request.headers).join()) ||
    prefixes.some(function (prefix) {
      return paths.some(function (path) {
        return (path + '/').startsWith(prefix);
      });
    });
}

// prefixesOf reads the list in one go, since its prefixes take time with every request. A pattern of
// CloudFront's protects what its text before the star does; a list with quotes, commas or anything
// else that belongs in no prefix protects everything, and so does an empty one.
function prefixesOf(list) {
  try {
    const text = folded(' ' + decodeURIComponent(list).trim()).replace(/\s+\/?/g, ' /').replace(/[*?#][^ ]*/g, '');
    if (/^[ \/.\w~!&+:@\x80-\uffff-]+$/.test(text) && !/\/\/|\.([ \/]|$)/.test(text)) {
      return text.slice(1).split(' ');
    }
  } catch (e) {
    // Escapes that cannot be decoded.
  }
  return ['/'];
}

// folded has one form for letters that some server takes for the same: of K, k and the sign for kelvin.
function folded(text) {
  return text.toUpperCase().toLowerCase();
}

// readings are the ways in which servers may read a path. None if it cannot be told, or if it has
// dot segments: browsers resolve them before they ask.
function readings(path) {
  const found = [];
  if (path.length > MAX_PATH || path[0] !== '/') {
    return null;
  }
  for (let layer = 0; layer <= MAX_LAYERS; layer++) {
    const plain = folded(path).replace(/\\/g, '/').replace(/[\x00-\x20\x7f]/g, '').replace(/;[^/]*/g, '');
    if (/(^|\/)\.+(\/|$)/.test(plain)) {
      return null;
    }
    // With the character before them, a path of many dots takes no longer than another.
    found.push(plain.replace(/([^.])\.+(?=\/|$)/g, '$1').replace(/\/+/g, '/'));
    let decoded;
    try {
      decoded = decodeURIComponent(path);
    } catch (e) {
      return null;
    }
    if (decoded === path) {
      return found;
    }
    path = decoded;
  }
  return null;
}

// queryOf is the query as it was sent. Tests of a function in CloudFront's console have it parsed only.
function queryOf(request) {
  const raw = request.rawQueryString ? request.rawQueryString() : '';
  if (raw) {
    return raw;
  }
  const pairs = [];
  Object.keys(request.querystring).forEach(function (name) {
    valuesOf(request.querystring[name]).forEach(function (value) {
      pairs.push(name + '=' + value);
    });
  });
  return pairs.join('&');
}

// cutPass takes every pass out of a query and leaves all else as it is; the first is the pass.
function cutPass(query) {
  const cut = { found: false, token: '', rest: '' };
  cut.rest = query.split('&').filter(function (pair) {
    const at = pair.indexOf('=');
    if (unescaped(at < 0 ? pair : pair.slice(0, at)) !== PARAMETER) {
      return true;
    }
    if (!cut.found) {
      cut.token = at < 0 ? '' : unescaped(pair.slice(at + 1));
      cut.found = true;
    }
    return false;
  }).join('&');
  return cut;
}

function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch (e) {
    return '';
  }
}

function valuesOf(field) {
  return (field.multiValue || [field]).map(function (v) { return v.value; });
}

// heldBy gives the claims of the first good pass in the cookies, if any. There may be several of one
// name; some versions of CloudFront's documentation have their names in lower case.
function heldBy(visit, request) {
  const cookie = request.cookies[visit.cookie] || request.cookies[visit.cookie.toLowerCase()];
  return (cookie ? valuesOf(cookie) : []).map(function (token) {
    return verify(visit, token);
  }).filter(function (claims) {
    return isCurrent(visit, claims);
  })[0];
}

// verify gives the claims of a pass that this room made for this shop, or null.
function verify(visit, token) {
  const parts = token.split('.');
  if (token.length > MAX_PASS || parts.length !== 3 || !/^[A-Za-z0-9_-]+$/.test(parts.join(''))) {
    return null;
  }
  const signature = crypto.createHmac('sha256', visit.key).update(parts[0] + '.' + parts[1]).digest('base64url');
  if (!isSame(signature, parts[2])) {
    return null;
  }
  try {
    const header = JSON.parse(Buffer.from(parts[0], 'base64url').toString());
    const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
    const good = header.alg === 'HS256' && header.crit === undefined && claims.iss === ROOM &&
      [].concat(claims.aud).includes(SHOP) && isText(claims.sub) && isText(claims.jti) &&
      Number.isSafeInteger(claims.exp) && hasBegun(visit, claims.iat) &&
      (claims.nbf === undefined || hasBegun(visit, claims.nbf));
    return good ? claims : null;
  } catch (e) {
    return null;
  }
}

// isSame takes as long for the first wrong character as for the last.
function isSame(a, b) {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) {
    difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  }
  return difference === 0;
}

function isText(claim) {
  return typeof claim === 'string' && claim !== '';
}

function hasBegun(visit, second) {
  return Number.isSafeInteger(second) && visit.now >= second * 1000 - LEEWAY;
}

function isCurrent(visit, claims) {
  return claims !== null && claims.event === visit.event && visit.now <= claims.exp * 1000 + LEEWAY;
}

// arrive handles a request with a pass in its address. The cookie is set on the way to the same
// address with a marker, and the marker comes off on the way to the clean one. Where it is met
// without the cookie, the browser has refused it and would go round between room and shop forever.
function arrive(visit, request, cut, guarded, held) {
  const claims = verify(visit, cut.token);
  const fresh = isCurrent(visit, claims);
  if (!reads(request)) {
    if (guarded && !fresh && !held) {
      return refuse(visit, request);
    }
    // A redirect would lose the body of a form, and the shop's answer cannot be given the cookie.
    Object.keys(request.querystring).forEach(function (name) {
      if (unescaped(name) === PARAMETER) {
        delete request.querystring[name];
      }
    });
    return request;
  }
  const clean = SHOP + request.uri.replace(/^\/?/, '/') + (cut.rest && '?' + cut.rest);
  if (!guarded || held || fresh) {
    const marked = clean + (cut.rest ? '&' : '?') + PARAMETER + '=' + MARKER;
    const response = redirect(request, guarded && !held ? marked : clean);
    // Somebody else's link, or an old one, never shortens a visit.
    if (fresh && !(held && held.exp > claims.exp)) {
      const age = Math.ceil((claims.exp * 1000 + LEEWAY - visit.now) / 1000);
      response.cookies = {};
      response.cookies[visit.cookie] = {
        value: cut.token,
        // An age of 0 would delete the cookie of a pass that was just accepted.
        attributes: 'Path=/; Max-Age=' + Math.max(age, 1) + '; HttpOnly; Secure; SameSite=Lax',
      };
    }
    return response;
  }
  // The room has a better pass than one that is expired or another event's, but no better one than
  // a pass that looks wrong here: that would go round forever too.
  if (claims || !navigates(request)) {
    return refuse(visit, request);
  }
  if (cut.token === MARKER) {
    return message(request, 403, 'The shop needs a cookie',
      'Your browser did not keep the cookie that shows the shop your pass. Please allow cookies for this site, then go on. Your turn is kept.',
      clean, 'Go on to the shop');
  }
  return message(request, 403, 'The shop does not accept this pass',
    'It may have expired, or be for another shop or event.', visit.room, 'Go to the waiting room');
}

function refuse(visit, request) {
  return navigates(request) ? redirect(request, visit.room) :
    problem(request, 403, 'pass-refused', 'A pass of the waiting room is needed: ' + visit.room);
}

function explainUnchecked(request) {
  const response = navigates(request) ?
    message(request, 503, 'One moment, please', 'The shop cannot check passes for the moment. Yours stays good. Please load this page again in a few seconds.') :
    problem(request, 503, 'pass-unchecked', 'The pass cannot be checked for the moment. It stays good: try again.');
  response.headers['retry-after'] = { value: RETRY };
  return response;
}

function reads(request) {
  return request.method === 'GET' || request.method === 'HEAD';
}

function navigates(request) {
  const accept = request.headers.accept;
  return reads(request) && !!accept && valuesOf(accept).join().toLowerCase().includes('text/html');
}

function redirect(request, address) {
  return respond(request, 303, { location: { value: address } }, '');
}

function problem(request, status, kind, detail) {
  return respond(request, status, { 'content-type': { value: 'application/problem+json' } }, JSON.stringify({
    type: 'urn:waiting-room:problem:' + kind, title: STATUS[status], status: status, detail: detail,
  }));
}

function message(request, status, title, text, link, linkText) {
  const onward = link ? '\n<p><a href="' + escaped(link) + '">' + linkText + '</a></p>' : '';
  return respond(request, status, {
    'content-type': { value: 'text/html; charset=utf-8' },
    'content-security-policy': { value: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    'x-content-type-options': { value: 'nosniff' },
  }, `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<main>
<h1>${title}</h1>
<p>${text}</p>${onward}
</main>
</html>
`);
}

function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function respond(request, status, headers, body) {
  headers['cache-control'] = { value: 'no-store' };
  headers['referrer-policy'] = { value: 'no-referrer' };
  const response = { statusCode: status, statusDescription: STATUS[status], headers: headers };
  if (body && request.method !== 'HEAD') {
    response.body = body;
  }
  return response;
}
