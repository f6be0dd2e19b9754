import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { compiledEntry, DomainError } from '#kernel';
import type { MessageLogReader } from '../archive/message-log-reader.js';
import type { PassInput, PassName, PassPart, PassResult } from './pass-registry.js';
import { PassThread } from './pass-thread.js';

const THREADS = 2;
/** A block is 128 KB of lines, or one line of at most 8 MB. */
const PATIENCE_MS = 60_000;

/**
 * Runs passes over stored conversations in threads of their own: parsing, rules and redaction never happen on the main
 * thread, which only hands blocks on. Memory does not grow with the conversation.
 */
@Injectable()
export class ConversationPasses implements OnApplicationShutdown {
  private readonly log = new Logger(ConversationPasses.name);
  private readonly threads = Array.from(
    { length: THREADS },
    () =>
      new PassThread({
        entry: compiledEntry('libs/sessions/src/passes/pass-worker.js'),
        patienceMs: PATIENCE_MS,
        onCrash: (reason) => this.log.error({ msg: 'pass worker failed', reason }),
      }),
  );
  private isClosing = false;

  /** `onPart` is given what the pass tells meanwhile; reading waits for it. Errors: `unprocessable` (`too_complex`), `unavailable`. */
  async run<Name extends PassName>(
    pass: Name,
    input: PassInput<Name>,
    conversation: Pick<MessageLogReader, 'blockTexts'>,
    onPart?: (part: PassPart<Name>) => Promise<void>,
  ): Promise<PassResult<Name>> {
    if (this.isClosing) throw new DomainError('unavailable', 'The server is shutting down');
    // The first idle one, so that a second thread starts only when it is needed.
    const thread = this.threads.reduce((best, other) => (other.load < best.load ? other : best));
    return (await thread.run(pass, input, conversation.blockTexts(), onPart as never)) as PassResult<Name>;
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}
