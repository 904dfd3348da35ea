// A CloudFront Function on viewer requests: /<event> is answered with the page, which reads the
// event from its own address, or with a redirect to the page that needs no JavaScript, if the address
// asks for it. Everything else keeps its address, so that what does not exist stays a 404. No request may
// reach the bucket with an empty key, since that would list it.

var page = '/index.html';
var reserved = ['v1', 'status', 'seals', 'shop', 'assets'];

function handler(event) {
  var request = event.request;
  var match = /^\/([a-z0-9-]{1,64})(\/?)$/.exec(request.uri);
  if (request.uri === '/') {
    request.uri = page;
  } else if (match && reserved.indexOf(match[1]) < 0) {
    if (request.querystring.plain) {
      return {
        statusCode: 302,
        statusDescription: 'Found',
        headers: { location: { value: '/v1/events/' + match[1] + '/place' }, 'cache-control': { value: 'no-store' } },
      };
    }
    if (match[2]) {
      // The page's own relative addresses would break below a trailing slash.
      return { statusCode: 301, statusDescription: 'Moved Permanently', headers: { location: { value: '/' + match[1] } } };
    }
    request.uri = page;
  }
  return request;
}
