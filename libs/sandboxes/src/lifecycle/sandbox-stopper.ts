import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { SandboxProvider } from '../provider/sandbox-provider.js';
import { SandboxUses } from './sandbox-uses.js';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;
const PATIENCE_MS = 10_000;

/** Ends what runs in a sandbox. Its state was changed before, so that nothing new begins once this has ended. */
@Injectable()
export class SandboxStopper {
  private readonly log = new Logger(SandboxStopper.name);

  constructor(
    private readonly provider: SandboxProvider,
    private readonly uses: SandboxUses,
  ) {}

  /**
   * Resolves when no process is left. Whoever saw the old state may start one more: stops again until all uses have
   * ended. Safe to call twice. Errors: `unavailable`.
   */
  async stop(id: string): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    this.uses.abort(id, new DomainError('conflict', 'The sandbox was stopped', { reason: 'sandbox_stopped' }));
    for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
      await this.provider.stop(id);
      if (!this.uses.isBusy(id)) return;
      if (performance.now() > until) break;
      await pause(wait);
    }
    this.log.warn({ msg: 'a use of a stopped sandbox does not end', sandbox: id });
  }
}
