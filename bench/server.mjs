// The server of the benchmark, a child process: the shipped application with its embedded database, and one
// controller that does nothing. Answers requests for its main thread's delays over IPC.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Controller, Get } from '@nestjs/common';
import { compiledEntry } from '#kernel';
import { EmbeddedPostgres, loadConfig, Public, RequireScopes } from '#platform';

const MILLISECOND = 1e6;
const RESOLUTION_MS = 1;

class ProbeController {
  open() {
    return { ok: true };
  }

  guarded() {
    return { ok: true };
  }
}

function decorate(type, method, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, method);
  for (const decorator of decorators) decorator(type.prototype, method, descriptor);
}
decorate(ProbeController, 'open', Get('open'), Public());
decorate(ProbeController, 'guarded', Get('guarded'), RequireScopes('repos:read'));
Controller('v1/probe')(ProbeController);

const { migrate } = await import(compiledEntry('apps/server/src/migrations/migrate.js'));
const { createApplication, drain } = await import(compiledEntry('apps/server/src/application.js'));
const { AppModule } = await import(compiledEntry('apps/server/src/app.module.js'));

const postgres = new EmbeddedPostgres({ dataDir: process.env.DATA_DIR });
const { url } = await postgres.start();
await migrate(url);
const config = loadConfig({ ...process.env, DATABASE_URL: url });
const root = AppModule.forRoot(config);
const app = await createApplication(config, { ...root, controllers: [...root.controllers, ProbeController] });
await app.listen(0, '127.0.0.1');

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const commands = {
  watch: () => {
    delays.reset();
    delays.enable();
  },
  // A sample is the time between two ticks of a 1 ms timer: what is above that is what a task took.
  report: () => {
    delays.disable();
    const beyond = (nanoseconds) => Math.max(0, nanoseconds / MILLISECOND - RESOLUTION_MS);
    return { p50: beyond(delays.percentile(50)), p99: beyond(delays.percentile(99)), max: beyond(delays.max) };
  },
  stop: async () => {
    await drain(app, config);
    await postgres.stop();
    process.disconnect();
  },
};
process.on('message', async ({ id, command }) => {
  const value = await commands[command]();
  if (process.connected) process.send({ id, value });
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: `http://127.0.0.1:${app.getHttpServer().address().port}` });
