// gRPC through an edge, with `@grpc/grpc-js`. Arguments: where the packages are, the edge's host and port, and its
// certificate authority. Prints what held, a line each.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , packages, edge, authority] = process.argv;
const grpc = createRequire(`${packages}/package.json`)("@grpc/grpc-js");
const client = new grpc.Client(edge, grpc.credentials.createSsl(readFileSync(authority)), {
  "grpc.max_receive_message_length": -1,
});
const same = (bytes) => bytes;
const held = (what) => process.stdout.write(`${what}\n`);
setTimeout(() => {
  process.stderr.write("the next did not come\n");
  process.exit(1);
}, 120_000).unref();

/// A unary call: what became of it.
const unary = (name, data, metadata = new grpc.Metadata(), options = {}) =>
  new Promise((resolve) => {
    const seen = {};
    const call = client.makeUnaryRequest(
      `/test.Service/${name}`, same, same, Buffer.from(data), metadata, options,
      (error, value) => Object.assign(seen, { error, value }),
    );
    call.on("metadata", (head) => Object.assign(seen, { head }));
    call.on("status", (status) => resolve({ ...seen, status }));
    seen.call = call;
    options.began?.(call);
  });
const listen = (stream) =>
  new Promise((resolve) => {
    const data = [];
    stream.on("data", (one) => data.push(one.toString()));
    stream.on("error", () => {});
    stream.on("status", (status) => resolve({ data, status }));
  });

{
  const metadata = new grpc.Metadata();
  metadata.set("x-says", "hello");
  metadata.set("x-blob-bin", Buffer.from([0, 1, 254, 255]));
  const { value, head, status } = await unary("Unary", "question", metadata);
  assert.equal(value.toString(), "question");
  assert.deepEqual(head.get("x-said"), ["hello"]);
  assert.deepEqual(head.get("x-blob-bin"), [Buffer.from([0, 1, 254, 255])]);
  assert.deepEqual(head.get("x-cache"), ["Miss from cloudfront"]);
  assert.equal(status.code, grpc.status.OK);
  assert.deepEqual(status.metadata.get("x-trail"), ["yes"]);
  held("unary, with metadata and trailers");
}
{
  const large = Buffer.alloc(8 << 20, "0123456789abcdef");
  const { value } = await unary("Unary", large);
  assert.deepEqual(value, large);
  const compressed = new grpc.Metadata();
  compressed.set("grpc-internal-encoding-request", "gzip");
  assert.equal((await unary("Unary", "small", compressed)).value.toString(), "small");
  held("large messages");
}
{
  const { status } = await unary("Fails", "question");
  assert.deepEqual([status.code, status.details], [grpc.status.NOT_FOUND, "no such thing: ä%"]);
  assert.deepEqual(status.metadata.get("x-why"), ["because"]);
  assert.equal((await unary("Nothing", "question")).status.code, grpc.status.UNIMPLEMENTED);
  held("statuses of errors");
}
{
  const call = client.makeServerStreamRequest("/test.Service/Counts", same, same, Buffer.from("500"));
  const { data, status } = await listen(call);
  assert.deepEqual(data, Array.from({ length: 500 }, (_, at) => String(at + 1)));
  assert.equal(status.code, grpc.status.OK);
  held("the server streams");
}
{
  const answer = Promise.withResolvers();
  const call = client.makeClientStreamRequest("/test.Service/Joins", same, same, (error, value) =>
    error ? answer.reject(error) : answer.resolve(value),
  );
  for (let at = 0; at < 200; at++) {
    call.write(Buffer.from(String(at)));
  }
  call.end();
  assert.equal((await answer.promise).toString(), Array.from({ length: 200 }, (_, at) => at).join("+"));
  held("the client streams");
}
{
  const call = client.makeBidiStreamRequest("/test.Service/Talks", same, same);
  for (let at = 0; at < 200; at++) {
    // Each waits for the answer to the one before.
    call.write(Buffer.from(`word ${at}`));
    const [answer] = await once(call, "data");
    assert.equal(answer.toString(), `word ${at}!`);
  }
  const status = once(call, "status");
  call.resume();
  call.end();
  assert.equal((await status)[0].code, grpc.status.OK);
  held("both stream, in turns");
}
{
  const { status } = await unary("Hangs", "x", new grpc.Metadata(), { deadline: new Date(Date.now() + 300) });
  assert.equal(status.code, grpc.status.DEADLINE_EXCEEDED);
  held("a deadline");
}
{
  const call = client.makeServerStreamRequest("/test.Service/Counts", same, same, Buffer.from("1000"));
  const ended = listen(call);
  await once(call, "data");
  call.cancel();
  assert.equal((await ended).status.code, grpc.status.CANCELLED);
  held("a call that is called off");
}
{
  const calls = Array.from({ length: 300 }, (_, at) => unary("Unary", `number ${at}`));
  const values = (await Promise.all(calls)).map(({ value }) => value.toString());
  assert.deepEqual(values, Array.from({ length: 300 }, (_, at) => `number ${at}`));
  held("three hundred at once");
}
process.exit();
