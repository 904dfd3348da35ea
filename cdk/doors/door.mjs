// A door for any shop on Node, with the library jose. The parts between the marks stand in
// docs/connect-a-shop.md.

// docs: node
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

// newCheck returns a function that gives the claims of a good pass, and null for one that opens
// nothing here. It throws while the keys cannot be fetched: then the pass may be good, and a visitor
// who is sent to the room would come back with the same one.
export function newCheck({ room, shop, event }) {
  const keys = createRemoteJWKSet(new URL(`${room}/.well-known/jwks.json`), {
    // Keys stay in force while the room is out of reach. The first pass with a new key replaces them.
    cacheMaxAge: Infinity,
    cooldownDuration: 5000,
  });
  return async (pass) => {
    try {
      const { payload } = await jwtVerify(pass, keys, {
        algorithms: ['RS256'], // never from the pass: anybody can sign with HS256 and the public key
        issuer: room,
        audience: shop,
        requiredClaims: ['sub', 'exp', 'iat', 'jti'],
        clockTolerance: 10,
      });
      return payload.event === event ? payload : null;
    } catch (error) {
      if (isAboutKeys(error)) {
        throw error;
      }
      return null;
    }
  };
}

function isAboutKeys(error) {
  return !(error instanceof errors.JOSEError) ||
    ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'].includes(error.code);
}
// docs: end

// docs: node-visit
// newDoor returns a function for what is protected: await door(request, response) gives the claims of
// the visitor, or null when the request is answered already.
export function newDoor({ room, shop, event }) {
  const check = newCheck({ room, shop, event });
  const cookie = `__Host-waitingroom_pass_${event}`;
  return async (request, response) => {
    // Never by Host, which the visitor chooses, and only by a path: anything else could name another host.
    const address = new URL(shop + (request.url.startsWith('/') ? request.url : '/'));
    const arrived = address.searchParams.get('waitingroom_pass') ?? '';
    const held = request.headers.cookie?.split('; ').find((c) => c.startsWith(`${cookie}=`))?.slice(cookie.length + 1) ?? '';
    const reads = ['GET', 'HEAD'].includes(request.method);
    const answer = (status, headers) => {
      response.writeHead(status, { 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', ...headers }).end();
      return null;
    };
    let fresh, claims;
    try {
      fresh = await check(arrived);
      claims = fresh ?? await check(held);
    } catch {
      return answer(503, { 'Retry-After': '5' });
    }
    if (!claims) {
      const navigates = reads && request.headers.accept?.includes('text/html');
      return navigates ? answer(303, { Location: `${room}/${event}` }) : answer(403);
    }
    if (fresh) {
      const age = Math.max(1, fresh.exp - Math.floor(Date.now() / 1000));
      response.setHeader('Set-Cookie', `${cookie}=${arrived}; Path=/; Max-Age=${age}; HttpOnly; Secure; SameSite=Lax`);
    }
    if (arrived && reads) {
      address.searchParams.delete('waitingroom_pass');
      return answer(303, { Location: address.href });
    }
    return claims;
  };
}
// docs: end
