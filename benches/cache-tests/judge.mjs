// Asks the suite's own modules what results mean: judge.mjs CHECKOUT RESULT... prints, as JSON, every test a proxy has
// to take with its verdict for each of the results, and the same for the results the suite publishes.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [checkout, ...files] = process.argv.slice(2)
const suiteModule = name => import(pathToFileURL(path.join(checkout, name)))
const { default: suites } = await suiteModule('tests/index.mjs')
const { determineTestResult, resultTypes } = await suiteModule('test-engine/lib/results.mjs')
const { default: published } = await suiteModule('results/index.mjs')

const nameOf = new Map(Object.entries(resultTypes).map(([name, type]) => [type, name]))
const read = file => JSON.parse(fs.readFileSync(file))
const verdict = (id, results) => nameOf.get(determineTestResult(suites, id, results))

const ours = files.map(read)
const caches = published.filter(cache => cache.type !== 'browser')
const theirs = caches.map(cache => read(path.join(checkout, 'results', cache.file)))

const tests = suites.flatMap(suite => suite.tests.filter(test => !test.browser_only).map(test => ({
  id: test.id,
  suite: suite.id,
  kind: test.kind ?? 'required',
  ours: ours.map(results => verdict(test.id, results)),
  said: ours.map(results => Array.isArray(results[test.id]) ? results[test.id].join(': ') : ''),
  theirs: theirs.map(results => verdict(test.id, results))
})))
console.log(JSON.stringify({ caches: caches.map(({ name, version }) => ({ name, version })), tests }))
