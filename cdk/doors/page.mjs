// What a shop's page does with a pass where its API asks for bearer tokens. The part between the
// marks stands in docs/connect-a-shop.md.

// docs: page
const ROOM = 'https://wait.example.com/show';
const PARAMETER = 'waitingroom_pass';

// Call it before anything else on the page runs: what reads the address would read the pass too.
export function takePass() {
  const address = new URL(location.href);
  const pass = address.searchParams.get(PARAMETER);
  if (pass) {
    sessionStorage.setItem(PARAMETER, pass);
    address.searchParams.delete(PARAMETER);
    history.replaceState(history.state, '', address);
  }
  if (!sessionStorage.getItem(PARAMETER)) {
    location.replace(ROOM);
  }
}

// PassRefused means that a new pass is needed: show a link to error.room. Do not go there without
// a click, since a room that has no better pass would send the visitor back at once, and again.
export class PassRefused extends Error {
  room = ROOM;
}

// call is fetch for the shop's API. address is one of the shop's own: whoever gets the request can
// use the pass.
export async function call(address, options = {}) {
  const headers = new Headers(options.headers);
  headers.set('Authorization', `Bearer ${sessionStorage.getItem(PARAMETER)}`);
  const response = await fetch(address, { ...options, headers });
  if (response.status === 401 || response.status === 403) {
    sessionStorage.removeItem(PARAMETER);
    throw new PassRefused('The pass has expired or is for another event.');
  }
  return response;
}
// docs: end
