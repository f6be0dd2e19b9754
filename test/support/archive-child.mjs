// A process of its own that receives archives over HTTP, for the tests that look at its memory and its main thread.
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DataSource } from 'typeorm';

// Compiled: this process has no test runner that would transform sources.
const compiled = (file) => import(new URL(`../../dist/libs/${file}`, import.meta.url));
const { Blobs } = await compiled('platform/src/blobs/blobs.js');
const { BlobsRepository } = await compiled('platform/src/blobs/blobs.repository.js');
const { Database, LocalBlobStore } = await compiled('platform/src/index.js');
const { Archives } = await compiled('sessions/src/archive/archives.js');

const { root, databaseUrl } = JSON.parse(process.argv[2]);
const MEBIBYTE = 1_048_576;
const PAID = { archiveBytes: 300 * MEBIBYTE, memberBytes: 50 * MEBIBYTE, canUpgrade: false };

const source = await new DataSource({ type: 'postgres', url: databaseUrl }).initialize();
const db = new Database(source);
const archives = new Archives(new Blobs(db, new LocalBlobStore(root), new BlobsRepository(db)));

async function receive(request) {
  const before = process.memoryUsage.rss();
  let peak = before;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 50);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  try {
    const reading = await archives.receive(request, PAID, null);
    await archives.keep(reading);
    const { archive, conversation, metadata } = reading;
    return { bytes: archive.bytes, blocks: conversation.index.blocks.length, title: metadata.title };
  } catch (error) {
    return { error: error.message };
  } finally {
    clearInterval(sampler);
    delay.disable();
    measured = { rise: peak - before, ms: performance.now() - started, delayP99: delay.percentile(99) / 1e6 };
  }
}

let measured;
const server = createServer(async (request, response) => {
  const found = await receive(request);
  response.end(JSON.stringify({ ...found, ...measured }));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', async () => {
  server.closeAllConnections();
  server.close();
  await archives.onApplicationShutdown();
  await source.destroy();
});
