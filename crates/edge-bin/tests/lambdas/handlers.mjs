// The handlers people write for Lambda@Edge, one for each event, told apart by the event's own word.

const handlers = {
  'viewer-request'(cf) {
    const { request } = cf;
    const { headers } = request;
    if (request.uri === '/old') {
      return {
        status: '301',
        statusDescription: 'Moved Permanently',
        headers: { location: [{ key: 'Location', value: '/new' }] },
      };
    }
    if (request.uri.startsWith('/private')) {
      const given = headers.authorization && headers.authorization[0].value;
      if (given !== 'Basic ' + Buffer.from('user:pass').toString('base64')) {
        return {
          status: '401',
          statusDescription: 'Unauthorized',
          body: 'Unauthorized',
          headers: { 'www-authenticate': [{ key: 'WWW-Authenticate', value: 'Basic' }] },
        };
      }
    }
    if (request.uri === '/throws') {
      throw new Error('a mistake');
    }
    if (request.uri === '/never') {
      return new Promise(() => {});
    }
    if (request.uri === '/read-only') {
      headers.via = [{ key: 'Via', value: 'me' }];
    }
    if (request.uri === '/form' && request.body) {
      const form = Buffer.from(request.body.data, 'base64').toString();
      request.body = { action: 'replace', encoding: 'text', data: form.toUpperCase() };
    }
    // An experiment: whoever has no group yet is in A.
    const cookies = (headers.cookie || []).map(({ value }) => value).join('; ');
    if (request.uri === '/experiment') {
      request.uri = /group=b/.test(cookies) ? '/experiment-b' : '/experiment-a';
    }
    return request;
  },

  'origin-request'(cf) {
    const { request } = cf;
    if (request.uri === '/generated') {
      return {
        status: '200',
        body: Buffer.from('<p>made at the edge</p>').toString('base64'),
        bodyEncoding: 'base64',
        headers: {
          'content-type': [{ key: 'Content-Type', value: 'text/html' }],
          'cache-control': [{ key: 'Cache-Control', value: 'max-age=60' }],
        },
      };
    }
    if (request.uri.startsWith('/elsewhere')) {
      const [host, port] = request.origin.custom.customHeaders['x-elsewhere'][0].value.split(':');
      Object.assign(request.origin.custom, { domainName: host, port: Number(port), path: '/other', customHeaders: {} });
      request.headers.host = [{ key: 'Host', value: host }];
    }
    request.headers['x-from-lambda'] = [{ key: 'X-From-Lambda', value: '1' }];
    return request;
  },

  async 'origin-response'(cf) {
    const { response } = cf;
    if (response.status === '404') {
      response.status = '200';
      response.statusDescription = 'OK';
      response.body = 'a softer page';
      response.headers['content-type'] = [{ key: 'Content-Type', value: 'text/plain' }];
    }
    response.headers['x-stored-by'] = [{ key: 'X-Stored-By', value: 'origin-response' }];
    return response;
  },

  'viewer-response'(cf) {
    const { response } = cf;
    const security = {
      'Strict-Transport-Security': 'max-age=63072000; includeSubdomains; preload',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
    };
    for (const [key, value] of Object.entries(security)) {
      response.headers[key.toLowerCase()] = [{ key, value }];
    }
    return response;
  },
};

export const handler = async (event) => {
  const { cf } = event.Records[0];
  return handlers[cf.config.eventType](cf);
};
