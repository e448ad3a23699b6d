// WebSockets through an edge, with `ws` and with the client that Node.js itself has. Arguments: where the packages are,
// the edge's host and port over TLS and without, and its certificate authority. Prints what held, a line each.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , packages, secure, plain, authority] = process.argv;
const require = createRequire(`${packages}/package.json`);
const WebSocketOfWs = require("ws");
const ca = readFileSync(authority);
const open = async (path, protocols = [], options = {}) => {
  const socket = new WebSocketOfWs(`wss://${secure}${path}`, protocols, { ca, ...options });
  await once(socket, "open");
  return socket;
};
const echo = async (socket, data) => {
  socket.send(data);
  const [answer, isBinary] = await once(socket, "message");
  assert.equal(isBinary, typeof data !== "string");
  assert.deepEqual(answer, Buffer.from(data));
};
const held = (what) => process.stdout.write(`${what}\n`);
setTimeout(() => {
  process.stderr.write("the next did not come\n");
  process.exit(1);
}, 120_000).unref();

{
  const socket = await open("/chat", ["first", "second"]);
  assert.equal(socket.protocol, "second");
  assert.match(socket.extensions, /permessage-deflate/);
  await echo(socket, "hello");
  await echo(socket, Buffer.alloc(3 << 20, "0123456789abcdef"));
  await echo(socket, "");
  socket.ping("are you there");
  const [pong] = await once(socket, "pong");
  assert.equal(pong.toString(), "are you there");
  socket.send("in ", { fin: false });
  socket.send("pieces", { fin: true });
  const [whole] = await once(socket, "message");
  assert.equal(whole.toString(), "in pieces");
  socket.close(4000, "bye");
  const [code, reason] = await once(socket, "close");
  assert.deepEqual([code, reason.toString()], [4000, "bye"]);
  held("messages of every kind");
}
{
  const socket = new WebSocketOfWs(`wss://${secure}/chat/close`, { ca });
  const [code, reason] = await once(socket, "close");
  assert.deepEqual([code, reason.toString()], [4001, "enough"]);
  held("the origin closes");
}
{
  const socket = new WebSocketOfWs(`wss://${secure}/chat/gone`, { ca });
  const [code] = await once(socket, "close");
  assert.equal(code, 1006);
  held("the origin is gone");
}
{
  const socket = new WebSocketOfWs(`wss://${secure}/chat/declined`, { ca });
  const [, response] = await once(socket, "unexpected-response");
  assert.deepEqual([response.statusCode, response.headers["x-why"]], [401, "because"]);
  assert.equal(response.headers["x-cache"], "Error from cloudfront");
  held("the origin declines");
}
{
  const socket = new WebSocketOfWs(`wss://${secure}/chat`, { ca });
  const opened = once(socket, "open");
  const [response] = await once(socket, "upgrade");
  assert.equal(response.headers["x-cache"], "Miss from cloudfront");
  assert.match(response.headers.via, /cloudfront/);
  await opened;
  socket.terminate();
  held("what the edge adds");
}
{
  // A behavior whose policy sends none of the handshake: the origin cannot agree.
  const socket = new WebSocketOfWs(`wss://${secure}/deaf`, { ca });
  const [, response] = await once(socket, "unexpected-response");
  assert.equal(response.statusCode, 400);
  held("without a policy there is none");
}
{
  const sockets = await Promise.all(Array.from({ length: 50 }, () => open("/chat")));
  await Promise.all(sockets.map((socket, at) => echo(socket, `number ${at}`)));
  await Promise.all(sockets.map((socket) => (socket.close(), once(socket, "close"))));
  held("fifty at once");
}
{
  // Node's own client has no setting for certificate authorities, so it comes without TLS.
  const socket = new WebSocket(`ws://${plain}/chat`, ["second"]);
  socket.binaryType = "arraybuffer";
  await once(socket, "open");
  assert.equal(socket.protocol, "second");
  const text = once(socket, "message");
  socket.send("hello");
  assert.equal((await text)[0].data, "hello");
  const bytes = once(socket, "message");
  socket.send(new Uint8Array(100_000).fill(7));
  assert.deepEqual(new Uint8Array((await bytes)[0].data), new Uint8Array(100_000).fill(7));
  const closed = once(socket, "close");
  socket.close(4002, "thanks");
  const [{ code, reason, wasClean }] = await closed;
  assert.deepEqual([code, reason, wasClean], [4002, "thanks", true]);
  held("another client");
}
process.exit();
