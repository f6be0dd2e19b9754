import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { SandboxPlace } from '../provider/sandbox-provider.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import { SandboxGit } from '../workbench/sandbox-git.js';
import { SHOW_STATE, toCheckoutState } from './checkout-state.js';
import type { ConversationRef } from './conversation.js';
import { ConversationsRepository } from './conversations.repository.js';

export interface WatchedCheckout {
  /** Where the repository may be. */
  readonly directory: WorkspacePath;
  /** Commits made before it are somebody else's. */
  readonly since: Date;
}

/** An answer waits for it. */
const SECONDS = 5;

/** Keeps up where the work of conversations stands in git (docs/sandboxes.md). */
@Injectable()
export class ConversationCheckouts {
  private readonly log = new Logger(ConversationCheckouts.name);

  constructor(
    private readonly git: SandboxGit,
    private readonly conversations: ConversationsRepository,
  ) {}

  /**
   * Looks once, in the sandbox, and notes what is there with the conversation; a commit that another one has already stays
   * that one's. Never fails: without a repository, or when the sandbox is gone, everything stays as it was noted last.
   */
  async look(ref: ConversationRef, place: SandboxPlace, { directory, since }: WatchedCheckout): Promise<void> {
    try {
      const parts = await this.git.parts(place, { script: SHOW_STATE, directory, seconds: SECONDS });
      await this.conversations.noteCheckout(ref, toCheckoutState(parts, since));
    } catch (error) {
      const entry = { msg: 'it is not known where a conversation stands in git', sandbox: ref.sandboxId, err: error };
      if (error instanceof DomainError) this.log.debug(entry);
      else this.log.warn(entry);
    }
  }
}
