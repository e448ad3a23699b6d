// What the runtime interface emulator is to a handler: `POST /2015-03-31/functions/function/invocations` with an event
// calls it, and what it returns, or throws, is the answer. One process for one handler; its address is the first line
// it prints, and it ends with its input.
//
//   node emulator.mjs HANDLER.mjs

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { handler } = await import(pathToFileURL(process.argv[2]));

async function called(body) {
  try {
    const result = await handler(JSON.parse(body), {});
    return JSON.stringify(result === undefined ? null : result);
  } catch (error) {
    return JSON.stringify({ errorMessage: error.message, errorType: error.name, stackTrace: [] });
  }
}

const server = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', async () => {
    if (request.method !== 'POST' || request.url !== '/2015-03-31/functions/function/invocations') {
      response.writeHead(404).end();
      return;
    }
    const text = await called(Buffer.concat(pieces).toString());
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`${server.address().address}:${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
