// The engine counts steps in calls, loops and patterns, but some of its own loops it does not count: `reverse` over an
// object that says it has 2 ** 53 elements would never end, nor a search for half a megabyte in a whole one. What has
// such a loop pays for it in steps before it begins, and for what it made when it is back, so that whatever a function
// calls it ends. Evaluated once in each realm; gives `spend`.
(function (define) {
'use strict';

const { apply, ownKeys } = Reflect;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn } = Object;
const { isArray } = Array;
const { max, min } = Math;
const text = String;
const Names = Set;
const Typed = getPrototypeOf(Uint8Array.prototype);
const typedLength = getOwnPropertyDescriptor(Typed, 'length').get;

// What one step pays for: so many characters or bytes, and fewer elements.
const CHARACTERS_A_STEP = 64;
const ELEMENT = 8;
// A call between such texts is worth its own step.
const SHORT = 256;

function spend(characters) {
  for (let paid = 0; paid < characters; paid += CHARACTERS_A_STEP);
}

// The length the engine will see, which has to be the one it is paid for: none that is computed.
function lengthOf(value) {
  if (typeof value === 'string' || isArray(value)) return value.length;
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return 0;
  for (let holder = value; holder !== null; holder = getPrototypeOf(holder)) {
    const found = getOwnPropertyDescriptor(holder, 'length');
    if (found === undefined) continue;
    if (found.get === typedLength && ArrayBuffer.isView(value)) return value.length;
    if (!hasOwn(found, 'value') || (typeof found.value === 'object' && found.value !== null)) {
      throw new TypeError('length must be a number');
    }
    return +found.value;
  }
  return 0;
}

// An argument; one that is missing is not looked for behind the list.
function at(given, index) { return index < given.length ? given[index] : undefined; }

// Each of these functions with a price. `prepare` may change what the function is called with.
function guard(object, names, prepare) {
  for (const name of names) {
    const native = object[name];
    if (native === undefined) continue;
    const { [name]: guarded } = {
      [name](...given) {
        // Nearly all of them: short texts.
        if (typeof this === 'string' && this.length < SHORT && given.length === 1) {
          const [only] = given;
          if (typeof only === 'string' && only.length < SHORT) return apply(native, this, given);
        }
        const self = prepare(this, given, name);
        const made = apply(native, self, given);
        if (typeof made === 'string') spend(made.length);
        else if (isArray(made)) spend(made.length * ELEMENT);
        return made;
      },
    };
    defineProperty(guarded, 'length', { value: native.length, configurable: true });
    define(object, name, guarded);
  }
}

// Every element is looked at; in a sort more than once.
const elements = (weight) => (self) => {
  spend(lengthOf(self) * weight);
  return self;
};
const walks = ['copyWithin', 'fill', 'join', 'reverse', 'toLocaleString', 'toReversed', 'with'];
guard(Array.prototype, [...walks, 'shift', 'toSpliced', 'unshift'], elements(ELEMENT));
guard(Array.prototype, ['sort', 'toSorted'], elements(ELEMENT * 16));
guard(Typed, [...walks, 'includes', 'indexOf', 'lastIndexOf', 'set', 'slice'], elements(1));
guard(Typed, ['sort', 'toSorted'], elements(16));

// A part of the elements is looked at, and those behind it where they move.
function place(given, length, otherwise) {
  const number = given === undefined ? otherwise : +given || 0;
  return number < 0 ? max(length + number, 0) : min(number, length);
}
guard(Array.prototype, ['slice'], (self, given) => {
  const length = lengthOf(self);
  for (let i = 0; i < given.length; i++) if (given[i] !== undefined) given[i] = +given[i];
  const count = place(at(given, 1), length, length) - place(at(given, 0), length, 0);
  // More than an array can hold is refused at once.
  if (count < 2 ** 32) spend(count * ELEMENT);
  return self;
});
guard(Array.prototype, ['splice'], (self, given) => {
  const length = lengthOf(self);
  for (let i = 0; i < given.length && i < 2; i++) given[i] = +given[i];
  const start = place(at(given, 0), length, 0);
  const gone = given.length === 1 ? length - start : min(max(at(given, 1) || 0, 0), length - start);
  const come = max(given.length - 2, 0);
  if (length - gone + come < 2 ** 53) spend((come === gone ? gone : length - start) * ELEMENT);
  return self;
});

// One argument at a time: what one holds may lengthen the next.
const joined = Array.prototype.concat;
define(Array.prototype, 'concat', {
  concat(...lists) {
    spend(lengthOf(this) * ELEMENT);
    let out = apply(joined, this, []);
    for (let i = 0; i < lists.length; i++) {
      spend((lengthOf(out) + lengthOf(lists[i])) * ELEMENT);
      out = apply(joined, out, [lists[i]]);
    }
    return out;
  },
}.concat);
defineProperty(Array.prototype.concat, 'length', { value: 1, configurable: true });

// Lists in lists, each as long as it is when its turn comes.
function flatten(out, list, depth) {
  const length = lengthOf(list);
  for (let i = 0; i < length; i++) {
    if (!(i in list)) continue;
    const element = list[i];
    if (depth > 0 && isArray(element)) flatten(out, element, depth - 1);
    else out[out.length] = element;
  }
  return out;
}
define(Array.prototype, 'flat', {
  flat() { return flatten([], Object(this), arguments[0] === undefined ? 1 : +arguments[0]); },
}.flat);
define(Array.prototype, 'flatMap', {
  flatMap(make) {
    if (typeof make !== 'function') throw new TypeError('not a function');
    const list = Object(this);
    const out = [];
    const length = lengthOf(list);
    for (let i = 0; i < length; i++) {
      if (i in list) flatten(out, [apply(make, arguments[1], [list[i], i, list])], 1);
    }
    return out;
  },
}.flatMap);

// Text is read whole, or it is made; a search may read what it looks for at every place.
const own = (self) => (typeof self === 'object' && self !== null ? text(self) : self);
const whole = (self) => {
  self = own(self);
  spend(lengthOf(self));
  return self;
};
guard(String.prototype, [
  'isWellFormed', 'localeCompare', 'match', 'matchAll', 'normalize', 'search', 'toLocaleLowerCase', 'toLocaleUpperCase',
  'toLowerCase', 'toUpperCase', 'toWellFormed', 'trim', 'trimEnd', 'trimStart',
], whole);
guard(String.prototype, ['concat', 'padEnd', 'padStart', 'repeat', 'slice', 'substr', 'substring'], own);
guard(String.prototype, ['includes', 'indexOf', 'lastIndexOf', 'replace', 'replaceAll', 'split'], (self, given, name) => {
  self = own(self);
  const sought = at(given, 0);
  if (sought !== null && (typeof sought === 'object' || typeof sought === 'function')) {
    // A pattern counts for itself.
    const way = sought[Symbol[name === 'replaceAll' ? 'replace' : name]];
    if (sought instanceof RegExp || (way !== undefined && way !== null)) return whole(self);
    given[0] = text(sought);
  }
  const length = lengthOf(self);
  spend(length + (length * lengthOf(at(given, 0))) / CHARACTERS_A_STEP);
  return self;
});
guard(String, ['raw'], (self, given) => {
  spend(lengthOf(at(given, 0)?.raw) * ELEMENT);
  return self;
});

// What makes much of little, or is asked for much.
guard(Object, ['keys', 'values', 'entries', 'getOwnPropertyNames'], (self) => self);

// A function that is asked about every field makes the engine count. A list of names may not have one beside it, so there
// the fields are counted first.
const write = JSON.stringify;
guard(JSON, ['stringify'], (self, given) => {
  const chosen = at(given, 1);
  if (isArray(chosen)) {
    const names = new Names();
    for (let i = 0; i < chosen.length; i++) names.add(text(chosen[i]));
    write(given[0], function (name, value) {
      return name === '' || isArray(this) || names.has(name) ? value : undefined;
    });
  } else if (typeof chosen !== 'function') {
    given[0] = at(given, 0);
    given[1] = (name, value) => value;
  }
  return self;
});
guard(globalThis, ['decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'parseFloat', 'parseInt'],
  (self, given) => {
    if (given.length > 0) given[0] = own(given[0]);
    spend(lengthOf(given[0]));
    return self;
  });

define(Number, 'parseFloat', parseFloat);
define(Number, 'parseInt', parseInt);

// Neither runtime has numbers without end.
for (const name of ownKeys(DataView.prototype)) {
  if (typeof name === 'string' && name.includes('Big')) delete DataView.prototype[name];
}

return spend;
})
