// What a function finds in its realm beside the language: `console`, `crypto`, `querystring`, `cloudfront`, `Buffer`
// and the like (§14.3, §14.5), and a clock and a die that the caller sets. Evaluated once in each realm, before any
// function; gives the entries the engine calls. `host` is the engine's side: text in, text out. Bytes cross as strings
// of one character each.
(function (host) {
'use strict';

const parse = JSON.parse;
const text = String;
const two = host.version === 2;
const reflect = Reflect;
const keys = Object.keys;
const hasOwn = Object.hasOwn;
const defineProperty = Object.defineProperty;
const defineProperties = Object.defineProperties;
const Seen = Set;
const View = DataView;

// One call's state.
let now = 0;
let seed = 0;
let log = [];
let logged = 0;
let origin = null;
let query = undefined;
let made = {};
let asked = '';
let given = {};
let request;
let response;
let connecting = false;
let decision = null;
let custom = '';

// The clock stands still during a run, and chance is the caller's.

const RealDate = Date;
function Clock(...parts) {
  if (!new.target) return new RealDate(now).toString();
  return parts.length === 0
    ? reflect.construct(RealDate, [now], new.target)
    : reflect.construct(RealDate, parts, new.target);
}
Object.defineProperty(Clock, 'name', { value: 'Date' });
Object.defineProperty(Clock, 'length', { value: 7 });
Object.defineProperty(Clock, 'prototype', { value: RealDate.prototype, writable: false });
for (const name of ['parse', 'UTC']) define(Clock, name, RealDate[name]);
define(Clock, 'now', function () { return now; });
define(RealDate.prototype, 'constructor', Clock);
define(globalThis, 'Date', Clock);

define(Math, 'random', function random() {
  // Splitmix, in halves of 32 bits.
  seed = (seed + 0x9e3779b9) >>> 0;
  let mixed = seed;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 4294967296;
});

function define(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
}

// What the engine does not count is counted, here as in what it brings.

const quote = JSON.stringify;
const spend = host.guards(define);
const stringify = JSON.stringify;
const encode = (encoding, data) => { spend(data.length); return host.encode(encoding, data); };
const decode = (encoding, data) => { spend(data.length); return host.decode(encoding, data); };

function needs(kind, value, what) {
  if (typeof value !== kind) throw new TypeError(what + ' must be a ' + kind);
  return value;
}

// No code is made of text.

function Function_(...parts) { throw new TypeError('function constructor is disabled'); }
Object.defineProperty(Function_, 'name', { value: 'Function' });
for (const sample of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  const prototype = Object.getPrototypeOf(sample);
  define(prototype, 'constructor', Function_);
}
Object.defineProperty(Function_, 'prototype', { value: Object.getPrototypeOf(function () {}), writable: false });
define(globalThis, 'Function', Function_);
delete globalThis.eval;

// Bytes.

function bytesOf(binary) {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function binaryOf(bytes) {
  let out = '';
  for (let i = 0; i < bytes.length; i += 1024) {
    out += String.fromCharCode.apply(null, bytes.subarray(i, i + 1024));
  }
  return out;
}

function viewOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
}

// Text or bytes, as a string of bytes.
function binary(value, encoding) {
  const view = viewOf(value);
  if (view) return binaryOf(view);
  return decode(encodingOf(encoding), needs('string', value, 'data').toWellFormed());
}

function encodingOf(name) {
  if (name === undefined || name === null) return 'utf8';
  const lower = text(name).toLowerCase();
  if (lower === 'utf-8') return 'utf8';
  if (['utf8', 'hex', 'base64', 'base64url'].includes(lower)) return lower;
  throw new TypeError('Unknown encoding: "' + name + '"');
}

class Buffer extends Uint8Array {
  static alloc(size, fill, encoding) {
    const made = new Buffer(needs('number', size, 'size'));
    return fill === undefined ? made : made.fill(fill, encoding);
  }
  static allocUnsafe(size) { return Buffer.alloc(size); }
  static from(value, second, third) {
    if (typeof value === 'string') return wrap(bytesOf(binary(value, second)));
    if (value instanceof ArrayBuffer) return wrap(new Uint8Array(value, second, third));
    if (ArrayBuffer.isView(value)) return wrap(new Uint8Array(viewOf(value)));
    if (value && value.type === 'Buffer' && Array.isArray(value.data)) return wrap(new Uint8Array(value.data));
    if (value && typeof value === 'object') return wrap(Uint8Array.from(value));
    throw new TypeError('first argument is not a string or Buffer or array or object like object');
  }
  static concat(list, total) {
    let length = 0;
    for (const part of list) length += part.length;
    const made = Buffer.alloc(total === undefined ? length : total);
    let at = 0;
    for (const part of list) {
      const rest = made.length - at;
      if (rest <= 0) break;
      made.set(part.length > rest ? part.subarray(0, rest) : part, at);
      at += part.length;
    }
    return made;
  }
  static compare(one, other) {
    const length = Math.min(one.length, other.length);
    for (let i = 0; i < length; i++) {
      if (one[i] !== other[i]) return one[i] < other[i] ? -1 : 1;
    }
    return one.length === other.length ? 0 : one.length < other.length ? -1 : 1;
  }
  static byteLength(value, encoding) {
    const view = viewOf(value);
    return view ? view.length : binary(value, encoding).length;
  }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(name) {
    return typeof name === 'string' && ['utf8', 'utf-8', 'hex', 'base64', 'base64url'].includes(name.toLowerCase());
  }
  toString(encoding, start, end) {
    return encode(encodingOf(encoding), binaryOf(this.subarray(start, end)));
  }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) { return Buffer.compare(this, other) === 0; }
  compare(other, otherStart, otherEnd, start, end) {
    return Buffer.compare(this.subarray(start, end), other.subarray(otherStart, otherEnd));
  }
  copy(target, at, start, end) {
    at = at === undefined ? 0 : at;
    const part = this.subarray(start, end).subarray(0, Math.max(0, target.length - at));
    target.set(part, at);
    return part.length;
  }
  fill(value, start, end, encoding) {
    if (typeof start === 'string') { encoding = start; start = undefined; }
    if (typeof value === 'number') return super.fill(value, start, end);
    const pattern = typeof value === 'string' ? bytesOf(binary(value, encoding)) : viewOf(value);
    const part = this.subarray(start, end);
    for (let i = 0; i < part.length; i++) part[i] = pattern.length ? pattern[i % pattern.length] : 0;
    return this;
  }
  slice(start, end) { return this.subarray(start, end); }
  write(value, at, length, encoding) {
    if (typeof at === 'string') { encoding = at; at = undefined; length = undefined; }
    if (typeof length === 'string') { encoding = length; length = undefined; }
    at = at === undefined ? 0 : at;
    const bytes = bytesOf(binary(needs('string', value, 'first argument'), encoding));
    const room = Math.min(this.length - at, length === undefined ? Infinity : length, bytes.length);
    this.set(bytes.subarray(0, room), at);
    return room;
  }
  indexOf(value, at, encoding) {
    if (typeof at === 'string') { encoding = at; at = 0; }
    if (typeof value === 'number') return super.indexOf(value, at);
    return binaryOf(this).indexOf(binary(value, encoding), at);
  }
  includes(value, at, encoding) { return this.indexOf(value, at, encoding) !== -1; }
}
function wrap(bytes) { return Object.setPrototypeOf(bytes, Buffer.prototype); }

// read and write: each number of DataView under its names of Buffer.
for (const [name, kind, size] of [
  ['Int8', 'Int8', 1], ['UInt8', 'Uint8', 1], ['Int16', 'Int16', 2], ['UInt16', 'Uint16', 2],
  ['Int32', 'Int32', 4], ['UInt32', 'Uint32', 4], ['Float', 'Float32', 4], ['Double', 'Float64', 8],
]) {
  for (const end of size === 1 ? [''] : ['LE', 'BE']) {
    const view = (buffer, at) => {
      if (at + size > buffer.length || at < 0) throw new RangeError('index ' + at + ' is outside the bound of the buffer');
      return new View(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    };
    const read = function (at) { at = at || 0; return view(this, at)['get' + kind](at, end === 'LE'); };
    const write = function (value, at) {
      at = at || 0;
      view(this, at)['set' + kind](at, value, end === 'LE');
      return at + size;
    };
    define(Buffer.prototype, 'read' + name + end, read);
    define(Buffer.prototype, 'write' + name + end, write);
    if (name.startsWith('UInt')) {
      define(Buffer.prototype, 'read' + name.replace('UInt', 'Uint') + end, read);
      define(Buffer.prototype, 'write' + name.replace('UInt', 'Uint') + end, write);
    }
  }
}

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(value) { return value === undefined ? new Uint8Array(0) : bytesOf(binary(text(value))); }
}
class TextDecoder {
  constructor(encoding) { encodingOf(encoding); }
  get encoding() { return 'utf-8'; }
  decode(value) { return value === undefined ? '' : encode('utf8', binaryOf(viewOf(value))); }
}

// require('crypto').

const ALGORITHMS = ['md5', 'sha1', 'sha256'];
class Hash {
  #algorithm; #key; #data = ''; #done = false;
  constructor(algorithm, key) {
    if (!ALGORITHMS.includes(algorithm)) throw new TypeError('not supported algorithm: "' + algorithm + '"');
    this.#algorithm = algorithm;
    this.#key = key;
  }
  update(data, encoding) {
    if (this.#done) throw new Error('Digest already called');
    this.#data += binary(data, encoding);
    return this;
  }
  digest(encoding) {
    if (this.#done) throw new Error('Digest already called');
    this.#done = true;
    spend(this.#data.length);
    const raw = host.hash(this.#algorithm, this.#key, this.#data);
    if (encoding === undefined || encoding === null) return two ? wrap(bytesOf(raw)) : raw;
    return encode(encodingOf(encoding), raw);
  }
}
const crypto = {
  createHash(algorithm) { return new Hash(algorithm, undefined); },
  createHmac(algorithm, key) { return new Hash(algorithm, binary(key)); },
};

// require('querystring').

const querystring = {
  escape(value) { return encodeURIComponent(text(value)); },
  unescape(value) {
    try { return decodeURIComponent(value); } catch (wrong) { return text(value); }
  },
  parse(value, separator, equals, options) {
    const found = Object.create(null);
    separator = separator || '&';
    equals = equals || '=';
    const decode = (options && options.decodeURIComponent) || querystring.unescape;
    let left = options && options.maxKeys !== undefined ? options.maxKeys || Infinity : 1000;
    if (typeof value !== 'string') return found;
    for (const part of value.split(separator)) {
      if (left-- <= 0) break;
      if (part === '') continue;
      const at = part.indexOf(equals);
      const plain = (piece) => decode(piece.split('+').join(' '));
      const name = plain(at < 0 ? part : part.slice(0, at));
      const one = at < 0 ? '' : plain(part.slice(at + equals.length));
      if (!(name in found)) found[name] = one;
      else if (Array.isArray(found[name])) found[name].push(one);
      else found[name] = [found[name], one];
    }
    return found;
  },
  stringify(object, separator, equals, options) {
    const encode = (options && options.encodeURIComponent) || querystring.escape;
    const parts = [];
    const plain = (value) => ['string', 'number', 'boolean'].includes(typeof value) ? text(value) : '';
    for (const name of Object.keys(object || {})) {
      for (const value of Array.isArray(object[name]) ? object[name] : [object[name]]) {
        parts.push(encode(name) + (equals || '=') + encode(plain(value)));
      }
    }
    return parts.join(separator || '&');
  },
};
querystring.decode = querystring.parse;
querystring.encode = querystring.stringify;

// import cf from 'cloudfront'.

class KeyValueStore {
  async get(key, options) {
    const value = host.value(needs('string', key, 'key'));
    if (value === undefined) throw new Error('KeyNotFound');
    const format = options === undefined || options.format === undefined ? 'string' : options.format;
    if (format === 'string') return value;
    if (format === 'json') return parse(value);
    if (format === 'bytes') return wrap(bytesOf(binary(value)));
    throw new TypeError('format must be string, json or bytes');
  }
  async exists(key) { return host.value(needs('string', key, 'key')) !== undefined; }
  async count() { return parse(host.store()).keyCount; }
  async meta() { return parse(host.store()); }
}
function object(value, what) {
  if (value === null || typeof value !== 'object') throw new TypeError(what + ' must be an object');
  return value;
}

// cf.cwt. What JSON lacks crosses as a list that begins with its kind, and so do lists.
function tokenKey(context) {
  return binary(object(context, 'the context').key);
}
function token(answer) {
  const { token, error } = parse(answer);
  if (error !== undefined) throw new Error(error);
  return token;
}
function packed(value, room, depth = 0) {
  room.left -= 1;
  // Each value is a byte of the token at least.
  if (depth > host.tokenDepthMax) throw new Error('too much is nested for a token');
  if (room.left < 0) throw new Error('the token is longer than 1 KB');
  if (value === undefined) return ['undefined'];
  if (typeof value === 'number') return value - value === 0 ? value : ['number', text(value)];
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value !== 'object') throw new TypeError('a ' + typeof value + ' cannot be part of a token');
  const view = viewOf(value);
  if (view) {
    if (view.length > host.tokenBytesMax) throw new Error('the token is longer than 1 KB');
    return ['bytes', binaryOf(view)];
  }
  if (Array.isArray(value)) {
    const list = ['array'];
    for (let i = 0; i < value.length; i++) list[i + 1] = packed(value[i], room, depth + 1);
    return list;
  }
  const made = {};
  for (const name of keys(value)) {
    defineProperty(made, name, { value: packed(value[name], room, depth + 1), enumerable: true });
  }
  return made;
}
function unpacked(value) {
  if (value === null || typeof value !== 'object') return value;
  if (!Array.isArray(value)) {
    for (const name of keys(value)) {
      defineProperty(value, name, {
        value: unpacked(value[name]), writable: true, enumerable: true, configurable: true,
      });
    }
    return value;
  }
  switch (value[0]) {
    case 'bytes': return wrap(bytesOf(value[1]));
    case 'number': return +value[1];
    case 'undefined': return undefined;
  }
  const list = [];
  for (let i = 1; i < value.length; i++) list[i - 1] = unpacked(value[i]);
  return list;
}
const cwt = {
  validateToken(encoded, context) {
    const view = viewOf(encoded);
    if (!view) throw new TypeError('the token must be a Buffer');
    if (view.length > host.tokenBytesMax) throw new Error('the token is longer than 1 KB');
    const key = tokenKey(context);
    spend(view.length + key.length);
    return unpacked(token(host.validateToken(binaryOf(view), key)));
  },
  // AWS documents the context first, and its examples have it behind.
  generateToken(first, second) {
    const isToken = hasOwn(object(first, 'the token'), 'payload');
    const [parts, context] = isToken ? [first, second] : [object(second, 'the token'), first];
    const key = tokenKey(context);
    if (context.coseTag !== 'MAC0') throw new Error('coseTag must be MAC0');
    const { protected: ours = {}, unprotected = {} } = parts;
    const { protectedHeaders = ours, unprotectedHeaders = unprotected, payload } = parts;
    const room = { left: host.tokenBytesMax };
    const written = stringify({
      protected: packed(protectedHeaders, room), unprotected: packed(unprotectedHeaders, room), payload: packed(payload, room),
    });
    spend(written.length + key.length);
    return wrap(bytesOf(token(host.generateToken(written, key, context.cwtTag === true))));
  },
};

const cf = {
  kvs(id) {
    const store = host.store();
    if (store === undefined) throw new Error('KeyValueStore not associated with this function');
    return new KeyValueStore();
  },
  updateRequestOrigin(change) { origin = { update: stringify(object(change, 'the change')) }; },
  selectRequestOriginById(id, change) {
    origin = { select: needs('string', id, 'the id'), update: stringify(change === undefined ? {} : object(change, 'the change')) };
  },
  createRequestOriginGroup(group) { origin = { group: stringify(object(group, 'the group')) }; },
  cwt,
  get edgeLocation() { return part('edge'); },
  get distributionTenant() { throw new Error('distributionTenant module is not available'); },
};

const modules = { crypto, querystring };
if (two) {
  modules.cloudfront = cf;
  modules.buffer = { Buffer };
}
define(globalThis, 'require', function require(name) {
  if (!Object.hasOwn(modules, name)) throw new Error('Cannot load module "' + name + '"');
  return modules[name];
});

define(globalThis, 'console', {
  log(value) {
    const line = typeof value === 'string' ? value : value instanceof Error ? text(value) : shown(value);
    logged += line.length;
    if (logged <= host.logMax) log.push(line);
  },
});
function shown(value) {
  const json = typeof value === 'object' && value !== null ? stringify(value) : undefined;
  return json === undefined ? text(value) : json;
}

// The parts of an event that a function often leaves alone are made when it first looks, and what is as it was given is
// not read back. A function that could see the difference (`atOnce`) finds all of them made.

function part(name) { return made[name] ??= parse(host.part(name)); }
function later(of, name) {
  const id = of + '.' + name;
  return {
    get() { return asked === id && made[id] === undefined ? parts : part(id); },
    set(value) { defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true }); },
    enumerable: true,
    configurable: true,
  };
}
const parts = {
  request: {
    querystring: later('request', 'querystring'),
    headers: later('request', 'headers'),
    cookies: later('request', 'cookies'),
    rawQueryString: {
      value: function rawQueryString() { return query; }, writable: true, enumerable: false, configurable: true,
    },
  },
  response: { headers: later('response', 'headers'), cookies: later('response', 'cookies') },
};
function complete(object, of, atOnce) {
  given[of] = { ...object };
  defineProperties(object, parts[of]);
  if (!atOnce) return;
  for (const name of keys(object)) object[name] = object[name];
}

// `value` as `stringify` would write it, but for what is as it was given: the names of that are `same`.
function returned(value, of) {
  let out = '';
  let same = '';
  for (const name of keys(value)) {
    asked = of + '.' + name;
    const field = value[name];
    asked = '';
    if (field === parts || (typeof field !== 'object' && hasOwn(given[of], name) && field === given[of][name])) {
      same += (same && ',') + '"' + name + '"';
      continue;
    }
    const written = (typeof field === 'string' ? quote : stringify)({ [name]: field });
    if (written !== '{}') out += (out && ',') + written.slice(1, -1);
  }
  return '{"value":{' + out + '},"same":[' + same + '],"origin":' + (origin === null ? 'null' : stringify(origin)) + '}';
}

// What a connection function decides (§11.6). Whoever was denied once stays so.
const decide = {};
for (const [name, decideIt] of [
  ['allow', function allow() { decision ??= 'allow'; }],
  ['deny', function deny() { decision = 'deny'; }],
  ['logCustomData', function logCustomData(value) { custom = text(value).toWellFormed(); }],
]) {
  decide[name] = { value: decideIt, writable: true, enumerable: false, configurable: true };
}

// What each of the two versions lacks (§14.3), and what neither has.

const neither = [
  'AsyncDisposableStack', 'AsyncIterator', 'Atomics', 'BigInt', 'BigInt64Array', 'BigUint64Array',
  'DOMException', 'DisposableStack', 'FinalizationRegistry', 'Float16Array', 'Iterator', 'Map', 'Proxy', 'Reflect',
  'Set', 'SharedArrayBuffer', 'SuppressedError', 'WeakMap', 'WeakRef', 'WeakSet', 'gc', 'navigator', 'performance',
  'queueMicrotask', 'escape', 'unescape',
];
if (two) {
  for (const [name, value] of [['Buffer', Buffer], ['TextEncoder', TextEncoder], ['TextDecoder', TextDecoder]]) {
    define(globalThis, name, value);
  }
  define(globalThis, 'atob', function atob(value) { return decode('base64', text(value)); });
  define(globalThis, 'btoa', function btoa(value) {
    const bytes = text(value);
    for (let i = 0; i < bytes.length; i++) {
      if (bytes.charCodeAt(i) > 255) throw new TypeError('invalid character (>= U+00FF)');
    }
    return encode('base64', bytes);
  });
} else {
  delete String.prototype.replaceAll;
  for (const name of ['all', 'allSettled', 'any', 'race']) delete Promise[name];
  delete Symbol.for;
  delete Symbol.keyFor;
  delete globalThis.DataView;
  define(String, 'bytesFrom', function (value, encoding) {
    return typeof value === 'string' ? decode(encodingOf(encoding), value) : binaryOf(Uint8Array.from(value));
  });
  define(String.prototype, 'fromBytes', function (start, end) { return this.slice(start, end); });
  define(String.prototype, 'fromUTF8', function (start, end) { return encode('utf8', this.slice(start, end)); });
  define(String.prototype, 'toBytes', function (start, end) {
    for (let i = 0; i < this.length; i++) if (this.charCodeAt(i) > 255) return null;
    return this.slice(start, end);
  });
  define(String.prototype, 'toUTF8', function (start, end) {
    return decode('utf8', this.slice(start, end).toWellFormed());
  });
  define(globalThis, 'MemoryError', class MemoryError extends Error {});
}
for (const name of neither) delete globalThis[name];

// A realm that serves more than one call is frozen: what is reachable from the global object, and what only syntax
// reaches. A function that runs into that is called again in a realm of its own, so `tainted` hears of every error
// the engine throws, caught or not.
if (host.shared) {
  const tainted = host.tainted;
  Error.prepareStackTrace = function (error) {
    if (error instanceof TypeError) tainted();
    return '';
  };
  Error.stackTraceLimit = 1;
  delete Error.prepareStackTrace;
  delete Error.stackTraceLimit;
  delete Error.captureStackTrace;
  const seen = new Seen();
  const rest = [
    globalThis, parts, decide, crypto, querystring, cf, modules, Hash, KeyValueStore, Buffer, TextEncoder, TextDecoder,
    function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), ''[Symbol.iterator](),
    ''.matchAll(/a/g), (function* () {})(), (async function* () {})(), async () => {}, new Uint8Array(0),
    (function () { return arguments; })(),
  ];
  while (rest.length > 0) {
    const value = rest.pop();
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
    seen.add(value);
    rest.push(Object.getPrototypeOf(value));
    for (const name of reflect.ownKeys(value)) {
      const field = Object.getOwnPropertyDescriptor(value, name);
      rest.push(field.value, field.get, field.set);
    }
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) continue;
    Object.freeze(value);
  }
}

return {
  // One call: the event as JSON, but for its parts, and what the call is to know of the world.
  begin(make, event, atOnce, query_, now_, seed_, connecting_) {
    now = now_;
    seed = seed_ >>> 0;
    query = query_;
    connecting = connecting_;
    const value = parse(event);
    if (connecting) return make()(defineProperties(value, decide));
    ({ request, response } = value);
    if (request) complete(request, 'request', atOnce || !host.shared);
    if (response) complete(response, 'response', atOnce || !host.shared);
    return make()(value);
  },
  // What it came to.
  end(value) {
    if (connecting) return stringify({ decision, custom });
    if (host.shared && value !== undefined && (value === request || value === response)) {
      const of = value === request ? 'request' : 'response';
      // A request with a status is a response, and all of it is read.
      if (!('toJSON' in value) && ('statusCode' in value) === (of === 'response')) return returned(value, of);
    }
    return stringify({ value: value === undefined ? null : value, origin });
  },
  // What it wrote to the console; and nothing of the call is kept.
  log() {
    const lines = log.length === 0 ? '' : stringify(log);
    log = [];
    logged = 0;
    origin = null;
    query = undefined;
    made = {};
    given = {};
    request = undefined;
    response = undefined;
    connecting = false;
    decision = null;
    custom = '';
    return lines;
  },
  text(value) { return text(value); },
  // What was thrown, for people, and where.
  said(error) {
    let line = '';
    try {
      line = text(error);
      const place = /(?:^|[\s(])((?!prelude:|guards:)[^\s()]+):(\d+):(\d+)/.exec(error.stack);
      if (place) line += ' (' + place[1] + ':' + (place[2] - host.linesBefore || 1) + ':' + place[3] + ')';
    } catch (unreadable) {}
    return line;
  },
};
})
