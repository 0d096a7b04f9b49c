// Lets two graders look at sites on loopback: `node grade.mjs HTTPS_PORT HTTP_PORT HOST...`
// writes, as JSON by host, the Observatory's grade, score and changes of the score, and what
// Google's CSP Evaluator finds in the policy that the site really sent.

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';

const [httpsPort, httpPort, ...hosts] = process.argv.slice(2);

// What the whole preload list says of the top-level domain `dev`. The real list is downloaded when
// the package is installed with its scripts, which we leave out.
const PRELOADED = { dev: { includeSubDomains: true, mode: 'force-https', pinned: false } };

const readFileSync = fs.readFileSync;
fs.readFileSync = (path, ...rest) =>
  String(path).endsWith('hsts-preload.json')
    ? JSON.stringify(PRELOADED)
    : readFileSync(path, ...rest);

// Every connection ends on loopback, whatever the host; the name that TLS checks stays.
for (const [agent, port] of [
  [https.Agent, httpsPort],
  [http.Agent, httpPort],
]) {
  const connect = agent.prototype.createConnection;
  agent.prototype.createConnection = function (options, done) {
    const own = { ...options, host: '127.0.0.1', port: Number(port), path: null };
    return connect.call(this, own, done);
  };
}

const { scan } = await import('@mdn/mdn-http-observatory');
const require = createRequire(import.meta.url);
const { CspEvaluator } = require('csp_evaluator');
const { CspParser } = require('csp_evaluator/dist/parser.js');
const { Severity, Type } = require('csp_evaluator/dist/finding.js');

function findFaults(policy) {
  const findings = new CspEvaluator(new CspParser(policy).csp).evaluate();
  return findings.map(
    ({ severity, type, directive, value }) =>
      `${Severity[severity]} ${Type[type]} ${directive}${value ? ` ${value}` : ''}`,
  );
}

async function grade(host) {
  const { scan: result, tests } = await scan(host);
  const changes = Object.values(tests)
    .filter((test) => test.scoreModifier)
    .map((test) => [test.result, test.scoreModifier]);
  return {
    grade: result.grade,
    score: result.score,
    failed: result.testsFailed,
    changes: Object.fromEntries(changes),
    findings: findFaults(result.responseHeaders['content-security-policy']),
  };
}

const grades = await Promise.all(hosts.map(async (host) => [host, await grade(host)]));
process.stdout.write(JSON.stringify(Object.fromEntries(grades)));
