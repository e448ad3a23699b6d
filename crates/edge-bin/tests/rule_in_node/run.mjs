// Runs functions as CloudFront would, in contexts of their own: for each group of events what its code returned.
//
// stdin: [{ code, events: [{ event, query }] }]; stdout: [[returned, …], …], all of it as JSON.
import vm from 'node:vm';

let text = '';
for await (const part of process.stdin) text += part;
const groups = JSON.parse(text).map(({ code, events }) => {
  const handler = vm.runInContext(`'use strict';\n${code};handler`, vm.createContext({}));
  return events.map(({ event: given, query }) => {
    const rawQueryString = () => (query === null ? undefined : query);
    Object.defineProperty(given.request, 'rawQueryString', { value: rawQueryString, enumerable: false });
    return handler(given);
  });
});
process.stdout.write(JSON.stringify(groups));
