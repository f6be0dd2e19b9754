import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuTime } from './cpu-time.mjs';
import { HttpClient } from './http-client.mjs';

/** The server under test, in a process of its own, with its log in a file as in production. */
export class ServerProcess {
  #child;
  #waiting = new Map();
  #next = 0;

  /** `profile`: folder for a CPU profile written when the server stops. */
  static async start(folder, profile) {
    const server = new ServerProcess();
    server.dataDir = join(folder, 'data');
    const logFile = join(folder, 'server.log');
    const log = openSync(logFile, 'a');
    const child = fork(join(import.meta.dirname, 'server.mjs'), {
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        DATA_DIR: server.dataDir,
        HOST: '127.0.0.1',
        // Anonymous calls are limited per address: the bench names a new one in each.
        TRUST_PROXY: '1',
      },
    });
    closeSync(log);
    server.#child = child;
    const [first] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => {
        throw new Error(`The server did not start:\n${readFileSync(logFile, 'utf8').slice(-4000)}`);
      }),
    ]);
    server.url = first.ready;
    child.on('message', ({ id, value }) => {
      server.#waiting.get(id)?.(value);
      server.#waiting.delete(id);
    });
    return server;
  }

  #ask(command) {
    const id = (this.#next += 1);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, command });
    });
  }

  /** Delays of the server's main thread in milliseconds while `work` runs. */
  async watch(work) {
    await this.#ask('watch');
    const result = await work();
    return { result, delay: await this.#ask('report') };
  }

  /** Milliseconds of CPU used so far, the database included. */
  cpu() {
    return cpuTime(this.#child.pid);
  }

  /** A client with the key of a new user, whose account's slug is `account`. */
  async signUp(connections = 1) {
    const anonymous = new HttpClient(this.url, null);
    const { raw_key: key } = await anonymous.json('POST', '/api/v1/auth/signup', { email: 'bench@example.com' });
    anonymous.close();
    const client = new HttpClient(this.url, key, connections);
    client.account = (await client.json('GET', '/api/v1/auth/me')).account_slug;
    return client;
  }

  async stop() {
    const gone = once(this.#child, 'exit');
    this.#ask('stop');
    await gone;
  }
}
