import { Clock } from '../../libs/kernel/src/index.js';
import type { TestServer } from './server.js';

/** Moves the clock of servers in this process: `shift` milliseconds later than now, for good. */
export function moveClock(servers: readonly Pick<TestServer, 'app'>[], shift: number): void {
  for (const { app } of servers) {
    const clock = app.get(Clock);
    const before = clock.now.bind(clock);
    clock.now = () => before() + shift;
  }
}

/** What a server takes for the present, in milliseconds since the Unix epoch. */
export function nowOn({ app }: Pick<TestServer, 'app'>): number {
  return app.get(Clock).now();
}
