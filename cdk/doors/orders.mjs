// A function of a shop behind an HTTP API. The part between the marks stands in
// docs/connect-a-shop.md.

// docs: orders
// The authorizer has checked signature, iss, aud and exp. It cannot check the event.
export function claimsOf(request) {
  const { claims } = request.requestContext.authorizer.jwt;
  return claims.event === process.env.EVENT ? claims : null;
}

export async function handler(request) {
  const claims = claimsOf(request);
  if (!claims) {
    return { statusCode: 403 };
  }
  return placeOrder(request.body, claims.jti); // at most one order for each jti
}
// docs: end

async function placeOrder(order, pass) {
  return { statusCode: 201, body: JSON.stringify({ order: JSON.parse(order), pass }) };
}
