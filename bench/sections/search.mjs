import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { findRunningDatabase } from '#platform';
import { archiveOf, conversation, textOf } from '../conversations.mjs';
import { percentile, summary, timed } from '../statistics.mjs';

const SESSIONS = 2_000;
const ROUNDS = 20;
const PUSHES_AT_ONCE = 3;
const LAST_TOKEN = 'theVeryLastTokenOfALongTranscript';
const LONG_BYTES = 5 * 1_048_576;

/** What stands in some of the sessions: `every` n-th of them has it. */
const PLANTED = [
  ...[61, 97, 131, 199, 251, 331, 499, 661, 797, 997].map((every, index) => [rareWord(index), every]),
  ['parseRetryAfterHeader', 83],
  ['max_upload_window_bytes', 101],
  ['src/lexer/tabStops.ts', 149],
  ['packages/core/src/scheduler/leaseTable.rs', 211],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 173],
  ['HttpConnectionPool.acquireSlot', 307],
  ['libs/billing/invoice_rounding.py', 401],
  ['E0502: cannot borrow `table` as mutable', 283],
  ['kubernetes.io/ingress-class', 353],
  ['v2.14.7-rc.3', 443],
];
const COMMON = [
  ...[
    'error',
    'test failed',
    'server',
    'migration',
    'connection timeout',
    'running tests',
    'parser',
    'permission denied',
  ],
  ...['merge conflict', 'cache', 'upload archive', 'undefined property', 'session token', 'queue', 'deprecated option'],
];
const IDENTIFIERS = [
  ...['parseRetryAfterHeader', 'max_upload_window_bytes', 'src/lexer/tabStops.ts', 'leaseTable.rs'],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'HttpConnectionPool.acquireSlot', 'libs/billing/invoice_rounding.py', 'E0502'],
  ...['kubernetes.io/ingress-class', 'v2.14.7-rc.3'],
];
const NOWHERE = [
  'quixotryx',
  'noSuchIdentifierAnywhere',
  'src/does/not/exist.zig',
  'frobnicate wibblewobble',
  'E9999_XYZZY',
];
const QUERIES = [...COMMON, ...PLANTED.slice(0, 10).map(([word]) => word), ...IDENTIFIERS, ...NOWHERE];

/** Search over 2,000 sessions of 100 KB against full text in one row each (bench/reference/search.sql). */
export async function measureSearch({ server, client, report }) {
  const reference = await Reference.open(server.dataDir);
  try {
    const started = performance.now();
    await fill(client, reference);
    report.note('search', `${SESSIONS} sessions pushed and indexed on both sides in ${seconds(started)} s`);
    await reference.settle();
    const lacking = await compare(client, reference, report);
    report.add({
      section: 'search',
      name: 'sessions the reference returns and search does not',
      kind: 'count',
      value: lacking,
      limit: 0,
    });
    await measure(client, reference, report);
    await measureLongTranscript(client, report);
  } finally {
    await reference.close();
  }
}

async function measure(client, reference, report) {
  const ours = [];
  const theirs = [];
  const byQuery = new Map(QUERIES.map((query) => [query, { ours: [], theirs: [] }]));
  // The round before the first warms up.
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [index, query] of QUERIES.entries()) {
      const took = {};
      const sides = [
        async () => (took.ours = await timed(() => search(client, query))),
        async () => (took.theirs = await timed(() => reference.search(query))),
      ];
      for (const side of (round + index) % 2 === 0 ? sides : sides.reverse()) await side();
      if (round < 0) continue;
      ours.push(took.ours);
      theirs.push(took.theirs);
      byQuery.get(query).ours.push(took.ours);
      byQuery.get(query).theirs.push(took.theirs);
    }
  }
  for (const [query, took] of byQuery) {
    const [own, other] = [summary(took.ours), summary(took.theirs)];
    report.note('search', `${query.padEnd(36)} ${own.p50.toFixed(1)} ms against ${other.p50.toFixed(1)} ms`);
  }
  const p95 = (values) => percentile(values, 0.95);
  report.note('search', `p95 ${p95(ours).toFixed(1)} ms against ${p95(theirs).toFixed(1)} ms`);
  report.add({
    ...{ section: 'search', name: 'search over HTTP / reference in SQL, p95', kind: 'ratio', limit: 0.2 },
    ...{ value: p95(ours) / p95(theirs), ours: summary(ours), theirs: summary(theirs), pairs: ours.length },
  });
}

/** @returns how many sessions of the reference are not among ours, over all queries */
async function compare(client, reference, report) {
  let lacking = 0;
  for (const query of QUERIES) {
    const [own, other] = [await allOf(client, query), await reference.all(query)];
    const lost = other.filter((id) => !own.has(id));
    if (lost.length > 0) report.note('search', `${query}: ${lost.length} of ${other.length} are not found`);
    lacking += lost.length;
  }
  return lacking;
}

async function measureLongTranscript(client, report) {
  const messages = conversation(SESSIONS + 1, [], LONG_BYTES);
  messages.push({ role: 'assistant', content: [{ type: 'text', text: LAST_TOKEN }] });
  const id = sessionId(SESSIONS + 1);
  await push(client, id, await archiveOf('A long one', messages));
  const pushed = performance.now();
  let found = [];
  while (found.length === 0 && performance.now() - pushed < 120_000) {
    found = (await search(client, LAST_TOKEN)).results;
    if (found.length === 0) await pause(50);
  }
  report.note('search', `the end of a 5 MB transcript was found ${seconds(pushed)} s after its push was answered`);
  const isFound = found.some(({ session_id: session }) => session === id);
  report.add({
    section: 'search',
    name: 'token at the end of a 5 MB transcript not found',
    kind: 'count',
    value: isFound ? 0 : 1,
    limit: 0,
  });
}

async function fill(client, reference) {
  let next = 0;
  const pushing = async () => {
    for (let number = next++; number < SESSIONS; number = next++) {
      const planted = PLANTED.filter(([, every]) => number % every === every - 1).map(([text]) => text);
      const messages = conversation(number + 1, planted);
      const title = `Session ${number}`;
      await push(client, sessionId(number), await archiveOf(title, messages));
      await reference.insert(sessionId(number), title, textOf(messages));
    }
  };
  await Promise.all(Array.from({ length: PUSHES_AT_ONCE }, pushing));
}

const sessionId = (number) => `ses_${String(number).padStart(16, '0')}`;
const seconds = (since) => ((performance.now() - since) / 1_000).toFixed(1);

function rareWord(index) {
  return [
    'zygomorphic',
    'quernstone',
    'brachiate',
    'ullage',
    'vexillology',
    'widdershins',
    'xerography',
    'yawl',
    'thrawn',
    'snollygoster',
  ][index];
}

function push(client, id, archive) {
  const boundary = 'benchmark-boundary';
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="session.tar.gz"\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), archive, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
  return client.send('PUT', `/api/v1/sessions/${id}/sync`, { body, headers });
}

const search = (client, query, more = '') =>
  client.json('GET', `/api/v1/sessions/search?q=${encodeURIComponent(query)}${more}`);

async function allOf(client, query) {
  const found = new Set();
  for (let cursor = ''; cursor !== null;) {
    const page = await search(client, query, `&page_size=50${cursor && `&cursor=${cursor}`}`);
    for (const { session_id: id } of page.results) found.add(id);
    cursor = page.next_cursor;
  }
  return found;
}

/** The other side, in a database of its own on the same PostgreSQL. */
class Reference {
  static async open(dataDir) {
    const reference = new Reference();
    const { url } = await findRunningDatabase(join(dataDir, 'pg'));
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    await admin.query('create database reference');
    await admin.end();
    const own = new URL(url);
    own.pathname = '/reference';
    reference.pool = new pg.Pool({ connectionString: own.href, max: PUSHES_AT_ONCE });
    const file = readFileSync(join(import.meta.dirname, '../reference/search.sql'), 'utf8');
    reference.sql = Object.fromEntries(
      file
        .split(/^-- name: /m)
        .slice(1)
        .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n'))]),
    );
    await reference.pool.query(reference.sql.create);
    return reference;
  }

  insert(...values) {
    return this.pool.query({ name: 'insert', text: this.sql.insert, values });
  }

  /** What autovacuum would have done by and by. */
  async settle() {
    await this.pool.query('vacuum analyze reference_session');
  }

  async search(query) {
    const { rows } = await this.pool.query({ name: 'page', text: this.sql.page, values: [query] });
    return rows.length > 0 ? rows : this.pool.query({ name: 'scan', text: this.sql.scan, values: [query] });
  }

  async all(query) {
    const { rows } = await this.pool.query({ text: this.sql.all, values: [query] });
    const found =
      rows.length > 0 ? rows : (await this.pool.query({ text: this.sql['all-scanned'], values: [query] })).rows;
    return found.map(({ id }) => id);
  }

  close() {
    return this.pool.end();
  }
}
