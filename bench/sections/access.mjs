import { median, summary, timed } from '../statistics.mjs';

const REQUESTS = 2_000;
const WARM_UPS = 200;

/** What the access stage costs: a controller that does nothing, called without credential, by session, by key. */
export async function measureAccess({ client, report }) {
  const key = { 'x-api-key': client.key };
  const session = await openSession(client);
  const kinds = {
    public: { path: '/v1/probe/open', headers: {} },
    ...(session && { session: { path: '/v1/probe/guarded', headers: { 'x-session-id': session } } }),
    key: { path: '/v1/probe/guarded', headers: key },
  };
  const bare = Object.assign(Object.create(client), { key: null });
  const took = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  for (let number = -WARM_UPS; number < REQUESTS; number += 1) {
    for (const kind of turned(Object.keys(kinds), number)) {
      const { path, headers } = kinds[kind];
      const address = { 'x-forwarded-for': `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}` };
      const ms = await timed(() => bare.send('GET', path, { headers: { ...headers, ...address } }));
      if (number >= 0) took[kind].push(ms);
    }
  }
  if (!session) report.note('access', 'pinned sessions are not served by this build');
  for (const kind of Object.keys(kinds).filter((name) => name !== 'public')) {
    report.add({
      section: 'access',
      name: `no-op request by ${kind === 'session' ? 'pinned session' : 'key'}, over a public one, p50`,
      kind: 'time',
      value: median(took[kind].map((ms, index) => ms - took.public[index])),
      ...(kind === 'session' && { limit: 0.3 }),
      ours: summary(took[kind]),
      theirs: summary(took.public),
      pairs: REQUESTS,
    });
  }
}

const turned = (list, by) => list.map((_, index) => list[(((index + by) % list.length) + list.length) % list.length]);

async function openSession(client) {
  try {
    const { session_id: id } = await client.json('POST', '/v1/session', {});
    return id;
  } catch (error) {
    if (/answered 404/.test(error.message)) return null;
    throw error;
  }
}
