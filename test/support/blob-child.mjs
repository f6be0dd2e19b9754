// A process of its own that stores blobs, for the tests that kill it, give it a small disk or look at its memory.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { DataSource } from 'typeorm';

// Compiled: this process has no test runner that would transform sources.
const compiled = (file) => import(new URL(`../../dist/libs/${file}`, import.meta.url));
const { armFaultPoint } = await compiled('kernel/src/index.js');
const { Blobs } = await compiled('platform/src/blobs/blobs.js');
const { BlobsRepository } = await compiled('platform/src/blobs/blobs.repository.js');
const { Database, LocalBlobStore } = await compiled('platform/src/index.js');

const { root, databaseUrl, faultPoint, puts } = JSON.parse(process.argv[2]);

const source = await new DataSource({ type: 'postgres', url: databaseUrl }).initialize();
const db = new Database(source);
const blobs = new Blobs(db, new LocalBlobStore(root), new BlobsRepository(db));
if (faultPoint) armFaultPoint(faultPoint);

function* content({ bytes, byte }) {
  for (let left = bytes; left > 0; left -= 65_536) {
    const length = Math.min(left, 65_536);
    yield byte === undefined ? randomBytes(length) : Buffer.alloc(length, byte);
  }
}

for (const put of puts) {
  const before = process.memoryUsage.rss();
  let peak = before;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 50);
  const outcome = await blobs.put(Readable.from(content(put), { objectMode: false })).catch((error) => ({
    code: error.code,
    reason: error.reason,
    message: error.message,
  }));
  clearInterval(sampler);
  console.log(JSON.stringify({ ...outcome, rise: peak - before }));
}
await source.destroy();
