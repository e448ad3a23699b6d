// An origin that speaks WebSocket (`ws`) and gRPC (`@grpc/grpc-js`). The first argument is where the packages are; the
// ports are told on stdout, and then what clients did. It ends with its standard input.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/package.json`);
const { WebSocketServer } = require("ws");
const grpc = require("@grpc/grpc-js");

const tell = (line) => process.stdout.write(`${line}\n`);

const http = createServer((request, response) => response.end("page"));
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("second") ? "second" : false),
});
http.on("upgrade", (request, socket, head) => {
  if (request.url === "/chat/declined") {
    socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nX-Why: because\r\n\r\nno");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    if (request.url === "/chat/close") {
      webSocket.close(4001, "enough");
      return;
    }
    if (request.url === "/chat/gone") {
      socket.destroy();
      return;
    }
    webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    webSocket.on("close", (code, reason) => tell(`closed ${code} ${reason}`));
  });
});

const same = (bytes) => bytes;
const method = (name, requestStream, responseStream) => ({
  path: `/test.Service/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const service = {
  unary: method("Unary", false, false),
  fails: method("Fails", false, false),
  hangs: method("Hangs", false, false),
  counts: method("Counts", false, true),
  joins: method("Joins", true, false),
  talks: method("Talks", true, true),
};
const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
server.addService(service, {
  unary(call, callback) {
    const head = new grpc.Metadata();
    head.set("x-said", call.metadata.get("x-says").join());
    head.set("x-blob-bin", call.metadata.get("x-blob-bin")[0] ?? Buffer.from("none"));
    call.sendMetadata(head);
    const trailers = new grpc.Metadata();
    trailers.set("x-trail", "yes");
    callback(null, call.request, trailers);
  },
  fails(call, callback) {
    const metadata = new grpc.Metadata();
    metadata.set("x-why", "because");
    callback({ code: grpc.status.NOT_FOUND, details: "no such thing: ä%", metadata });
  },
  hangs(call) {
    call.on("cancelled", () => tell("cancelled hangs"));
  },
  counts(call) {
    call.on("cancelled", () => tell("cancelled counts"));
    const last = Number(call.request.toString());
    for (let at = 1; at <= last; at++) {
      call.write(Buffer.from(String(at)));
    }
    if (last < 1000) {
      call.end();
    }
  },
  joins(call, callback) {
    const parts = [];
    call.on("data", (data) => parts.push(data.toString()));
    call.on("end", () => callback(null, Buffer.from(parts.join("+"))));
  },
  talks(call) {
    call.on("data", (data) => call.write(Buffer.from(`${data}!`)));
    call.on("end", () => call.end());
  },
});

http.listen(0, "127.0.0.1", () => {
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) {
      throw error;
    }
    tell(JSON.stringify({ http: http.address().port, grpc: port }));
  });
});
process.stdin.on("end", () => process.exit()).resume();
